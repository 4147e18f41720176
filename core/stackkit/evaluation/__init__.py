"""Fit and stack classifiers on stored features, and measure their accuracy.

From the bottom up: `folds` and `protocol` divide images into training and test images; `features` reads
matrices; `probabilities` and `metrics` work on arrays; `views` says what several views of an image are
for; `fit`, `learner_fit` and `aggregator_fit` are single fits, named by `fit_digest`, which `fit_cache`
and `scheduler` run; `classifiers` checks what a recipe asks for; `fit_plan` decides what is fitted on
which rows, for each `table_row` and, in `fold_fits`, for each fold; `comparison` runs the plan; `inputs`
prepares all this from a feature store; `evaluability` refuses before what could not be evaluated.
"""
