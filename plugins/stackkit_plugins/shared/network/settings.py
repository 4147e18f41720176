"""How a network is run, as options; none of them changes features by more than rounding."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.api import Option, PluginError
from stackkit_plugins.shared.keras_network.engines import engine_version


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How a network is run.

    Attributes
    ----------
    engine : str
        "auto", or the name of an engine.
    threads : int
        CPU threads of the engine; 0 leaves the number to it.
    batch_size : int
        Images per pass; 0 is 8.

    """

    engine: str = "auto"
    threads: int = 0
    batch_size: int = 0


def engine_options(reference: str, *faster: str) -> tuple[Option, ...]:
    """Return the options that are the fields of `EngineSettings`."""
    return (
        Option(
            name="engine",
            default="auto",
            choices=("auto", reference, *faster),
            help=f"inference engine; auto: the fastest that matches the features of {reference}",
        ),
        Option(name="threads", default=0, minimum=0, help="CPU threads of the engine; 0: all cores"),
        Option(
            name="batch_size",
            default=0,
            minimum=0,
            help="images per pass, does not change features; 0: 8, or 128 on a GPU",
        ),
    )


def checked_engine(name: str, settings: EngineSettings, *, install: dict[str, str]) -> EngineSettings:
    """Return the settings; raise PluginError if the engine is not installed.

    Parameters
    ----------
    name : str
        Name of the backbone, for messages.
    settings : EngineSettings
        What the user chose.
    install : dict of str to str
        The command that installs each engine.

    """
    engine = settings.engine
    if engine != "auto" and engine_version(engine) is None:
        raise PluginError(
            f"{name}: the package of engine={engine} is not installed; run: {install[engine]}"
        )
    return settings
