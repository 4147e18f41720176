"""Describe torch and timm for `stackkit doctor`."""

from __future__ import annotations

from typing import Any

from stackkit_plugins.shared.keras_network.engines import engine_version
from stackkit_plugins.timm.hub import weights_folder


def torch_and_timm() -> dict[str, Any]:
    """Return versions, devices and the folder of downloaded weights; or that timm is absent."""
    if engine_version("timm") is None:
        return {"timm": "absent"}
    import timm
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "timm": timm.__version__,
        "torch": torch.__version__,
        "CUDA in the build": torch.version.cuda or "none",
        "GPUs": ", ".join(gpus) or "none",
        "openvino": engine_version("openvino") or "absent",
        "weights folder": str(weights_folder()),
    }
