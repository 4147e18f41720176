"""Fit and stack classifiers on stored features, and measure how accurate they are.

Bottom-up: `folds` and `protocol` divide the images; `features` reads them; `fit`, `fit_cache` and
`scheduler` carry out single fits; `probabilities` and `metrics` work on arrays; `fit_plan` says what is
fitted on which rows; `comparison` runs it all.
"""
