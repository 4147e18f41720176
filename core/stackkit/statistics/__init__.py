"""Figures and their uncertainty, computed from arrays alone; no other package's types are used here.

`scores` are figures of predictions and probabilities, `calibration` makes probabilities of scores.
`intervals`, `bootstrap`, `paired_tests` and `selection` say how sure a figure or a difference is, with
`units` for images that belong together. `forecast` extends a learning curve. Every function names the
source of its method.
"""
