"""Experiments: a configuration, its stages, one runner.

`experiment` puts the sections of the stages together, `run` runs train, predict, embed and report and reuses what is
done; `series` trains many networks, `predictions_run` compares classifiers whose predictions are there already.

May import: everything but cli.
Start reading at: `experiment`, then `run`.
"""
