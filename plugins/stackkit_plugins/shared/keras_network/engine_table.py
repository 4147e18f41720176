"""Which engine is fastest for which network: the table behind `engine=auto`.

A table and not a measurement, so that the load of the machine does not decide. Only an extraction that
is long enough to pay for a trial times other engines, too; features of all engines agree to 1e-4 of a
row's norm. `docs/explanation/performance.md` has the figures that it is made from.
"""

from __future__ import annotations

from stackkit_plugins.shared.keras_network.engines import engine_version

_USUALLY = ("openvino", "mnn")
_FASTEST = {
    # Nothing but 3x3 convolutions, which Winograd's algorithm shortens: MNN computes 2.5 times as many
    # images per second as OpenVINO.
    "vgg16": ("mnn", "openvino"),
    "vgg19": ("mnn", "openvino"),
}
"""Engines by network, the fastest first."""


def engines_for(network: str) -> list[str]:
    """Return the installed engines besides TensorFlow for a network, the fastest first.

    Parameters
    ----------
    network : str
        Name of the backbone, such as "vgg19". A network that is not in the table is computed like most:
        by OpenVINO, or by MNN where OpenVINO is not installed or has other features.

    """
    return [name for name in _FASTEST.get(network, _USUALLY) if engine_version(name) is not None]
