"""How a Keras backbone is to be run, as options that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stackkit.api import Option, PluginError, UsageError, seed_option
from stackkit_plugins.keras_network.engines import CONVERTED, engine_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How a network is to be run. Nothing here but `precision` changes features beyond rounding.

    `threads` and `batch_size` are 0 where they are left to the engine and to a trial.
    """

    engine: str = "auto"
    device: str = "auto"
    precision: str = "float32"
    threads: int = 0
    batch_size: int = 0

    @property
    def revision(self) -> str:
        """What of this changes features beyond rounding, as the end of a revision; empty by default."""
        return "" if self.precision == "float32" else f";precision={self.precision}"


def network_options(*, weights: str, size: int, smallest: int, on_sizes: str = "") -> tuple[Option, ...]:
    """The options of a Keras backbone: its network, those that make a `Running`, and a seed.

    `weights` is the help on that option, `size` the network's own in pixels, `smallest` the least
    that it takes; `on_sizes` adds to the help on `size`.
    """
    return (
        Option(name="weights", default="imagenet", help=weights),
        Option(
            name="size",
            default=size,
            minimum=smallest,
            help=f"side of the images in pixels{on_sizes}",
        ),
        Option(
            name="pooling",
            default="avg",
            choices=("avg", "max"),
            help="global pooling of the last feature map",
        ),
        Option(
            name="engine",
            default="auto",
            choices=("auto", "tensorflow", *CONVERTED),
            help="what computes: tensorflow, or a faster one that gives its features; auto: a trial",
        ),
        Option(
            name="device",
            default="auto",
            choices=("auto", "cpu", "gpu"),
            help="where TensorFlow computes; auto: a GPU if there is one",
        ),
        Option(
            name="precision",
            default="float32",
            choices=("float32", "mixed"),
            help="mixed: float16 arithmetic on a GPU; faster, and other features",
        ),
        Option(name="threads", default=0, minimum=0, help="CPU threads of the engine; 0: all cores"),
        Option(
            name="batch_size",
            default=0,
            minimum=0,
            help="images per pass; changes memory, not features; 0: the fastest in a trial",
        ),
        seed_option("seed of weights=random"),
    )


def checked_running(name: str, **options: Any) -> Running:
    """How backbone `name` is to be run.

    Raises UsageError for settings that contradict each other, and PluginError if the engine's
    package is not installed.
    """
    running = Running(**options)
    if running.precision == "mixed" and running.device == "cpu":
        raise UsageError(f"{name}: precision=mixed is for GPUs; leave out device=cpu or precision")
    if running.engine in CONVERTED:
        if running.device == "gpu" or running.precision == "mixed":
            raise UsageError(
                f"{name}: engine={running.engine} computes on the CPU in float32; "
                "device=gpu and precision=mixed want engine=tensorflow"
            )
        if engine_version(running.engine) is None:
            raise PluginError(
                f"{name}: engine={running.engine} needs a package; run: pip install 'stackkit[fast]'"
            )
    return running
