"""One analysis of a classifier as a plain record, and what follows from it.

`record` holds what was measured (counts, runs, uncertainty, references); `derived` works out once everything that a
report says of it (medians, order, clusters, agreement); `clustering` puts like classes next to each other.

May import: support, records, datasets, embedders, stats, references.
Start reading at: `record`, then `derived`.
"""
