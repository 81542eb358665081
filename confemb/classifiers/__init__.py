"""Classifiers of any library, and how items become predictions.

The protocol itself is a record (`confemb.records.classifier`). `classification` asks a classifier about items batch by
batch and keeps the k most probable classes; `adapters` make classifiers of callables, scikit-learn estimators, Flax,
PyTorch, ONNX and Hugging Face models.

`confemb score` is here too: `models` opens any model by its name, `data` any labelled data, `class_matching` says which
class each label means, and `scoring` joins the three into predictions, streamed and resumed.

May import: everything from support to networks.
Start reading at: `classification`, then `adapters.callables`; for scoring `scoring_records`, then `scoring`.
"""
