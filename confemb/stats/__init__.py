"""How sure a number is: seeds, bootstrap, intervals, reliability, Mantel tests, groups of runs.

`seeds` summarises the runs of several embedding seeds, `groups` finds runs that fall into two, `bootstrap` resamples
the items, `intervals` holds what comes of it, `reliability` splits the items into halves, `mantel` tests correlations
of similarity matrices, `counting` counts pairs of many shards with their bootstrap replicates.

May import: support, records, datasets, embedders.
Start reading at: `uncertainty`, then `bootstrap`.
"""
