"""Run a frozen network on its own runtime, or on a faster engine that has the same features.

For networks of any format: a plugin implements `FrozenNetwork`, and `NetworkBackbone` makes a backbone
of it. Nothing here imports a framework or NumPy before the first image comes in.
"""

from stackkit_plugins.shared.network.backbone import NetworkBackbone
from stackkit_plugins.shared.network.definition import FrozenNetwork
from stackkit_plugins.shared.network.settings import EngineSettings, checked_engine, engine_options

__all__ = [
    "EngineSettings",
    "FrozenNetwork",
    "NetworkBackbone",
    "checked_engine",
    "engine_options",
]
