"""What every room needs and that knows nothing of classes or classifiers.

Errors with one sentence (`errors`), files that appear whole or not at all (`files`), locks, progress, NPZ archives that
are read without pickle (`npz`), settings from TOML (`settings`), the manifest of a folder (`manifest`), results in the
making (`draft`), registries of parts by name (`registry`), optional libraries (`extras`).

May import: nothing of confemb's but itself.
Start reading at: `errors`, then `files`.
"""
