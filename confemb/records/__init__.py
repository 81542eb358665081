"""The records that travel through confemb, and their files.

`Predictions` (the k most probable classes of each item), `PairCounts` (how often each true class met each predicted
class), `ClassEmbedding` (a vector for each class), `SimilarityMatrix` (a number for each pair of classes). Each checks
itself once, when it is made; after that it can be trusted. Readers of files make them: `prediction_files` and
`prediction_formats` for predictions, `class_cells` for class names, `word_vectors` for word vectors.

May import: support.
Start reading at: `predictions`, then `pairs`.
"""
