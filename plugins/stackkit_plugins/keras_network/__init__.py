"""What every Keras backbone needs: a network that is built late, run in batches, and left alone.

TensorFlow takes seconds to import and is not needed to say a backbone's size, width or revision,
so nothing here imports it, Keras or NumPy before the first image comes in.
"""

from stackkit_plugins.keras_network.backbone import KerasBackbone
from stackkit_plugins.keras_network.options import Running, checked_running, network_options
from stackkit_plugins.keras_network.runtime import import_keras
from stackkit_plugins.keras_network.weights import (
    FileWeights,
    RandomWeights,
    missing_file,
    weights_file,
)

DIAGNOSIS = f"{__name__}.diagnosis:tensorflow"
"""For the `diagnoses` of every backbone on Keras."""

__all__ = [
    "DIAGNOSIS",
    "FileWeights",
    "KerasBackbone",
    "RandomWeights",
    "Running",
    "checked_running",
    "import_keras",
    "missing_file",
    "network_options",
    "weights_file",
]
