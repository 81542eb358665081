"""Scoring: any model on any data -> predictions.

`open_model` (model_names) opens a model by where it is from, `open_data` (data_names) opens data likewise,
`match_classes` (class_matching) says which of the model's classes each label means, and `score` (scoring) joins the
three into `Predictions`, streamed in bounded memory. One module for each family of models and of data; each imports its
library when it is used. No code that comes with a model or with data is run, and nothing is unpickled; only `python:`
runs code, which is the user's own.

May import: records, datasets, references' word lists, networks. Begin with `records.py`.
"""
