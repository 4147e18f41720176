"""Run a frozen Keras network as a backbone: built late, on TensorFlow or a faster engine.

TensorFlow takes seconds to import and is not needed to know a backbone's size, width or revision.
Nothing here imports it, Keras or NumPy before the first image comes in.

Modules, from the bottom up: `engines`, `options`, `weights`, `quiet`, `runtime` and `out_of_memory`
know nothing of the others; `pooling` are poolings of feature maps, for which `heads` extends a
network; `network` builds and runs a network on TensorFlow; `engine_cache` keeps
selections and converted networks; `engine_table` knows which engine is fastest, `parity` compares its
features with TensorFlow's and `timing` measures; `selection` selects by these three, and
`selection_process` does that in a process of its own; `to_onnx` says in ONNX what a network computes;
`backbone` ties all of it together.
"""

from stackkit_plugins.shared.keras_network.backbone import KerasBackbone
from stackkit_plugins.shared.keras_network.network import NetworkDefinition
from stackkit_plugins.shared.keras_network.options import (
    RunSettings,
    checked_settings,
    network_options,
)
from stackkit_plugins.shared.keras_network.pooling import Pooling
from stackkit_plugins.shared.keras_network.runtime import import_keras
from stackkit_plugins.shared.keras_network.weights import (
    FileWeights,
    RandomWeights,
    missing_file,
    named_file,
)

DIAGNOSIS = f"{__name__}.diagnosis:tensorflow"
"""For the `diagnoses` of every Keras backbone's spec."""

__all__ = [
    "DIAGNOSIS",
    "FileWeights",
    "KerasBackbone",
    "NetworkDefinition",
    "Pooling",
    "RandomWeights",
    "RunSettings",
    "checked_settings",
    "import_keras",
    "missing_file",
    "named_file",
    "network_options",
]
