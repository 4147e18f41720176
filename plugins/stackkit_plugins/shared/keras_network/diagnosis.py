"""Describe TensorFlow for `stackkit doctor`, imported exactly as a run imports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from stackkit_plugins.shared.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.shared.keras_network.runtime import import_keras

NVIDIA = Path("/proc/driver/nvidia/version")
"""Exists while NVIDIA's driver is loaded."""


def tensorflow() -> dict[str, Any]:
    """Return versions, build and devices of TensorFlow, Keras and the other engines."""
    keras = import_keras()
    import tensorflow as tf

    build = tf.sysconfig.get_build_info()
    gpus = [_gpu_name(tf, gpu) for gpu in tf.config.list_physical_devices("GPU")]
    cuda = build.get("cuda_version", "yes") if build.get("is_cuda_build") else "none"
    facts = {
        "TensorFlow": tf.__version__,
        "Keras": keras.__version__,
        "CUDA in the build": cuda,
        "oneDNN": _one_dnn(),
        "GPUs": ", ".join(gpus) or "none",
        **{name: engine_version(name) or "absent" for name in CONVERTED},
    }
    if problem := _gpu_problem(gpus, is_cuda_build=cuda != "none"):
        facts["problem"] = problem
    return facts


def _gpu_name(tf: Any, gpu: Any) -> str:
    details: dict[str, Any] = tf.config.experimental.get_device_details(gpu)
    return str(details.get("device_name", gpu.name))


def _one_dnn() -> str:
    try:  # TensorFlow has no public function for this
        from tensorflow.python.util import _pywrap_util_port

        built = bool(_pywrap_util_port.IsMklEnabled())
    except (ImportError, AttributeError):
        return "unknown"
    on = os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0"
    return "on" if built and on else "off" if built else "not in the build"


def _gpu_problem(gpus: list[str], *, is_cuda_build: bool) -> str:
    """Return why an existing GPU is not used and what to do, or ""."""
    if gpus or not NVIDIA.exists():
        return ""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides this machine's NVIDIA GPU; unset it to use the GPU"
    why = "TensorFlow does not see it" if is_cuda_build else "TensorFlow is built without CUDA"
    return f"this machine has an NVIDIA GPU, but {why}; run: pip install 'tensorflow[and-cuda]'"
