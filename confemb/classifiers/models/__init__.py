"""Models of any library, opened by where they are from, one module for each family.

`open_model` (model_names) is the entrance; every family gives an `OpenedModel`. No code that comes with a model is run
and nothing is unpickled; only `python:` runs code, which is the user's own. Each library is imported when it is used.

May import: everything from support to networks, and the adapters.
Start reading at: `model_names`, then `onnx_models`.
"""
