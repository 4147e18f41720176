"""Describe onnx and the engines of ONNX files for `stackkit doctor`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from stackkit_plugins.onnx_file.options import FASTER, REFERENCE
from stackkit_plugins.shared.keras_network.engines import engine_version


def engines() -> dict[str, Any]:
    """Return the versions of onnx, ONNX Runtime and OpenVINO; raises ImportError if one is broken."""
    facts = {name: engine_version(name) or "absent" for name in ("onnx", REFERENCE, *FASTER)}
    for name in ("onnx", REFERENCE):
        if find_spec(name):
            __import__(name)
    return facts
