"""Fit and stack classifiers on stored features, and measure their accuracy.

From the bottom up: `folds` and `protocol` divide images into training and test images; `features` reads
matrices; `probabilities` and `metrics` work on arrays; `fit`, `fit_cache` and `scheduler` run single
fits; `classifiers` checks what a recipe asks for; `fit_plan` decides what is fitted on which rows;
`comparison` runs the plan; `inputs` prepares all this from a feature store.
"""
