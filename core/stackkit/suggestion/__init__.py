"""Rank networks and recipes on a small sample of a dataset, within a budget of time.

Every candidate is an ordinary recipe, evaluated on the same images and folds as all others. Features
are stored as always, so a later run does not compute those of the sample again.
"""

from stackkit.suggestion.candidates import Candidate, NotReady, Search
from stackkit.suggestion.suggestion import Skipped, Suggestion, suggest
from stackkit.suggestion.trial import Trial

__all__ = ["Candidate", "NotReady", "Search", "Skipped", "Suggestion", "Trial", "suggest"]
