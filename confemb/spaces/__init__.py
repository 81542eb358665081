"""The sister systems, which use the same parts: word vectors, the embedding-space lab, pictures with captions.

`words` makes visual word vectors from a classifier's activations, `lab` measures any vectors, `captions` trains a joint
space of pictures and captions.

May import: everything from support to classify.
Start reading at: `words.visual`, `lab.examination` or `captions.run`.
"""
