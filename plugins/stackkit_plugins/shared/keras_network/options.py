"""How a Keras network is run, as options that all Keras backbones share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.api import Option, PluginError, UsageError, seed_option
from stackkit_plugins.shared.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.shared.keras_network.pooling import POOLINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a network is run. Only `precision` changes features by more than rounding.

    Attributes
    ----------
    engine : {"auto", "tensorflow", "openvino", "mnn"}
    device : {"auto", "cpu", "gpu"}
        Where TensorFlow computes.
    precision : {"float32", "mixed"}
    threads : int
        CPU threads of the engine; 0 leaves the number to it.
    batch_size : int
        Images per pass; 0 is 8 on a CPU and 32 on a GPU, or the fastest if that was measured.

    """

    engine: str = "auto"
    device: str = "auto"
    precision: str = "float32"
    threads: int = 0
    batch_size: int = 0

    @property
    def revision(self) -> str:
        """The settings that change features, as the end of a revision; empty by default."""
        return "" if self.precision == "float32" else f";precision={self.precision}"


def network_options(
    *, weights: str, size: int, smallest: int, layers: Sequence[str], size_note: str = ""
) -> tuple[Option, ...]:
    """Return the options of a Keras backbone: network, `RunSettings` and seed.

    Parameters
    ----------
    weights : str
        Help text of the option `weights`.
    size : int
        Default side of the images in pixels.
    smallest : int
        Minimum side of the images in pixels.
    layers : sequence of str
        Layers whose feature maps are useful besides the last one; without any there is no such option.
    size_note : str
        Added to the help text of the option `size`.

    """
    return (
        Option(name="weights", default="imagenet", help=weights),
        Option(
            name="size",
            default=size,
            minimum=smallest,
            help=f"side of the images in pixels{size_note}",
        ),
        Option(
            name="pooling",
            default="avg",
            choices=POOLINGS,
            several="expand",
            help="global pooling of the feature map; box: where the network looks, not for learners",
        ),
        *_layer_option(layers),
        *_run_options(),
        seed_option("seed of random weights"),
    )


def _run_options() -> list[Option]:
    """Return an option for each field of `RunSettings`."""
    return [
        Option(
            name="engine",
            default="auto",
            choices=("auto", "tensorflow", *CONVERTED),
            help="inference engine; auto: the fastest known that matches TensorFlow's features",
        ),
        Option(
            name="device",
            default="auto",
            choices=("auto", "cpu", "gpu"),
            help="device of TensorFlow; auto: a GPU if there is one",
        ),
        Option(
            name="precision",
            default="float32",
            choices=("float32", "mixed"),
            help="mixed: float16 on a GPU; faster, but features differ",
        ),
        Option(name="threads", default=0, minimum=0, help="CPU threads of the engine; 0: all cores"),
        Option(
            name="batch_size",
            default=0,
            minimum=0,
            help="images per pass, does not change features; 0: 8, or 32 on a GPU",
        ),
    ]


def _layer_option(layers: Sequence[str]) -> list[Option]:
    if not layers:
        return []
    return [
        Option(
            name="layer",
            default=None,
            type=str,
            choices=tuple(layers),
            several="expand",
            help="layer whose feature map is pooled; none: the last one",
        )
    ]


def checked_settings(name: str, **options: Any) -> RunSettings:
    """Create the run settings of a backbone and check that they fit together.

    Parameters
    ----------
    name : str
        Name of the backbone, for messages.
    **options
        Fields of `RunSettings`.

    Raises
    ------
    UsageError
        If settings contradict each other.
    PluginError
        If the package of the engine is not installed.

    """
    settings = RunSettings(**options)
    if settings.precision == "mixed" and settings.device == "cpu":
        raise UsageError(
            f"{name}: precision=mixed requires a GPU, got device=cpu; remove one of the two options"
        )
    if settings.engine in CONVERTED:
        if settings.device == "gpu" or settings.precision == "mixed":
            raise UsageError(
                f"{name}: engine={settings.engine} computes on the CPU in float32; "
                "device=gpu and precision=mixed require engine=tensorflow"
            )
        if engine_version(settings.engine) is None:
            raise PluginError(
                f"{name}: the package of engine={settings.engine} is not installed; "
                "run: pip install 'stackkit[fast]'"
            )
    return settings
