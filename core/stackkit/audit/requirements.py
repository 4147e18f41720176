"""Say which checks of an audit are impossible, and what to do about it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

_NEEDS = {"label": ("labels", "cleanlab"), "near-duplicate": ("near-duplicates", "imagehash")}
"""What is checked, and the package of the extra `report` that it needs."""


def missing(*, predicted: bool, features: bool) -> dict[str, str]:
    """Return the kinds of findings that are not looked for, and why.

    Parameters
    ----------
    predicted : bool
        Whether there are out-of-fold probabilities.
    features : bool
        Whether there are features.

    """
    skipped = {
        kind: f"{what} were not checked: {package} {reason}; run: pip install 'stackkit[report]'"
        for kind, (what, package) in _NEEDS.items()
        if (reason := why_not(package))
    }
    if not predicted:
        skipped["label"] = (
            "labels were not checked: there are no out-of-fold probabilities, or too many to keep them; "
            "use a learner that has them, such as logistic, or `stackkit audit`"
        )
    if not features:
        for kind, what in (("near-duplicate", "near-duplicates"), ("outlier", "outliers")):
            skipped[kind] = (
                f"{what} were not checked: the features are not in the store; run `stackkit extract`"
            )
    return skipped


def why_not(package: str) -> str:
    """Return why a package cannot be used, such as "is not installed"; "" if it can."""
    if find_spec(package) is None:
        return "is not installed"
    try:
        import_module(package)
    except Exception as error:
        return f"cannot be imported ({error})"
    return ""
