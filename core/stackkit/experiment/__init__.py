"""Carry out experiments: from a recipe through components and features to a report.

`run` is the whole way, and the place to begin reading: `evaluation.evaluability` refuses what could not
be evaluated in the end, `features` computes features or finds them in the store, `evaluation` fits and
scores classifiers on them, and `report` puts the results together. `dry_run` finds out what all this
would take. `train` is a run that also makes a model, and `saving` writes it to a bundle.
"""
