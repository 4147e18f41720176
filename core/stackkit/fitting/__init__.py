"""Fits: what is fitted on which rows, once, in parallel, and kept.

Bottom-up: `features` that are read where they lie, `convergence`, a single `fit` and its answers,
`kept` answers in a folder, and `parallel`, which carries fits out.
"""

from stackkit.fitting.features import Features
from stackkit.fitting.fit import Answers, FeatureFit, Fit, LearnerFit, ProbabilityFit
from stackkit.fitting.kept import KeptFits
from stackkit.fitting.parallel import Batch, Crew, calm_threads

__all__ = [
    "Answers",
    "Batch",
    "Crew",
    "FeatureFit",
    "Features",
    "Fit",
    "KeptFits",
    "LearnerFit",
    "ProbabilityFit",
    "calm_threads",
]
