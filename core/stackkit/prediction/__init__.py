"""Label new images with a model: decode them, compute their features, and give answers.

`predictor.Predictor` is the place to begin reading: every way to ask a model uses it. `networks`
computes features, `records` makes a `record.Prediction` of each answer, and `acceptance` finds
thresholds. The rest serves the command line: `image_sources` finds files, `rows`, `outputs` and
`result_file` write tables, and `sorting` sorts files into folders.
"""
