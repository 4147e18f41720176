"""stackkit: stacked classifiers on frozen, pretrained vision networks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "DatasetAudit": "auditing",
    "FeatureExtractor": "feature_extractor",
    "FeatureTable": "feature_table",
    "LoadedModel": "loaded_model",
    "Predictions": "predictions",
    "RunReport": "run_report",
    "StackedClassifier": "stacked_classifier",
    "TrainedModel": "run_report",
    "audit_dataset": "auditing",
    "features": "feature_table",
    "load": "loaded_model",
    "run": "experiments",
    "train": "experiments",
}
"""The module of `stackkit.library` that has each public name; `__init__.pyi` tells type checkers."""

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> Any:
    # Imported when it is first used: `import stackkit` must not wait for NumPy and scikit-learn.
    if name not in _WHERE:
        raise AttributeError(f"module 'stackkit' has no attribute {name!r}")
    found = getattr(import_module(f"stackkit.library.{_WHERE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
