"""How a Keras backbone is to be run, as options that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stackkit.api import Option, PluginError, UsageError
from stackkit_plugins.keras_network.engines import CONVERTED, engine_version

_MOST_SEED = 2**32 - 1


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


def running_options() -> tuple[Option, ...]:
    """The options that make a `Running`, and the seed of random weights."""
    return (
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
        Option(
            name="seed",
            default=0,
            minimum=0,
            maximum=_MOST_SEED,
            help="seed of weights=random; the run's seed by default",
        ),
    )


def checked_running(name: str, **options: Any) -> Running:
    """How backbone `name` is to be run.

    Raises UsageError for numbers that cannot work and settings that contradict each other, and
    PluginError if the engine's package is not installed.
    """
    running = Running(**options)
    if running.batch_size < 0 or running.threads < 0:
        raise UsageError(
            f"{name}: batch_size={running.batch_size}, threads={running.threads}; "
            "0 (found by a trial, all cores) or more is wanted"
        )
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
