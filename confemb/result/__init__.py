"""One analysis as an object: `analyze` makes it, `Result.save` writes it, `open_result` gives it back.

`result` holds the object and how it is made from predictions in memory, `folder` its folder on disk. `model_files`
opens whatever holds a classifier's predictions or counts, a result folder among others.

May import: everything from support to studies.
Start reading at: `result`, then `folder`.
"""

from confemb.result.result import Result, analyze, analyze_counts, default_options, open_result

__all__ = ["Result", "analyze", "analyze_counts", "default_options", "open_result"]
