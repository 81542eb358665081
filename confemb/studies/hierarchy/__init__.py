"""The hierarchy that a classifier has learned: found, written, measured, used.

`tree` (a `ClassTree`, and how similarities become one), `support` (which of its nodes other items would give too, and
the tree that most replicates agree on), `naming` (what its nodes are called), `wordnet` (WordNet's tree of the same
classes), `newick` and `formats` (trees in files, written and read), `measures` (a classifier's mistakes by any tree),
`backing_off` (a superclass where the class is not sure), `effects` (what decisions by cost and merges change), `find`
(all of it for one classifier), `figures` and `report` (the study).

May import: everything from support to reporting.
Start reading at: `tree`.
"""
