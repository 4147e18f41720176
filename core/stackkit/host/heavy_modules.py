"""Know the modules that take long to import and must not be imported while plugins are listed."""

from __future__ import annotations

import sys
from collections.abc import Collection

HEAVY = frozenset(
    "PIL cv2 h5py jax keras matplotlib mlxtend MNN numpy onnxruntime openvino pandas pyarrow requests "  # noqa: SIM905
    "scipy skimage sklearn tensorflow timm torch torchvision transformers".split()
)
"""Top-level modules that a plugin should import only when one of its components is created."""


def is_loaded(module: object) -> bool:
    """Return whether a module has been executed; `importlib.util.LazyLoader` delays that."""
    return type(module).__name__ != "_LazyModule"


def heavy_imports(before: Collection[str]) -> tuple[str, ...]:
    """Return the heavy modules imported since `before`, a copy of the keys of `sys.modules`."""
    new = HEAVY & (sys.modules.keys() - set(before))
    return tuple(sorted(name for name in new if is_loaded(sys.modules[name])))
