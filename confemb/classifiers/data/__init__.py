"""Labelled data in any form, opened by where it is from, one module for each form.

`open_data` (data_names) is the entrance; every form gives an `OpenedData`, which is read item by item. `decoding` turns
an item into what models take; `columns` finds out which column holds what. Nothing that comes with data is run.

May import: everything from support to datasets.
Start reading at: `data_names`, then `folder_data`.
"""
