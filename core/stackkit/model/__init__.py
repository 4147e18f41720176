"""A trained stack: from the features of images to calibrated answers, and to a bundle and back.

`model.Model` is the place to begin reading: a `stack`, and what makes its answers trustworthy
(`calibration`, `reliability`, `novelty`, `examples`). `fitting` and `trusting` make these from an
evaluation. `saved` writes a model to a bundle and loads it: `classifiers` and `foreign` its classifiers,
`networks` and `components` what the receiver must have.
"""
