"""A result folder: how one is made from pair counts, opened, and reported.

`folder` embeds counts into a folder and opens one; `uncertainty_stage` measures how sure it is; `model_files` opens
whatever holds a classifier's predictions or counts, a result folder among others.

May import: everything from support to studies.
Start reading at: `folder`.
"""
