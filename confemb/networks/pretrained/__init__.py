"""Weights made elsewhere: where published ones come from, how other libraries' files are read and named.

Start reading at: `models`, then `weights`.
"""
