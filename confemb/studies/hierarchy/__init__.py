"""The hierarchy that a classifier has learned: found, written, measured, used.

`tree` (a `ClassTree`, and how similarities become one), `support` (which of its nodes other pictures would give too, and
the tree that most of them agree on), `naming` (what its nodes are called), `wordnet` (WordNet's tree of the same
classes), `formats` (Newick, JSON, CSV, read and written), `measures` (a classifier's mistakes by any tree),
`backing_off` (a superclass where the class is not sure), `effects` (what decisions by cost and merges change),
`report` (the study, with tables and figures).

May import: everything from support to reporting.
Start reading at: `tree`.
"""
