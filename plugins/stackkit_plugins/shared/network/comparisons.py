"""Remember how an engine compares with the reference, so that this is measured once per machine."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stackkit.api import engines_dir
from stackkit_plugins.shared.keras_network.engine_cache import machine
from stackkit_plugins.shared.keras_network.engines import engine_version
from stackkit_plugins.shared.network.settings import EngineSettings

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How an engine compares with the reference.

    Attributes
    ----------
    difference : float
        Largest difference of a row's features, relative to the row's norm.
    images_per_s : float
        Speed of the engine.

    """

    difference: float
    images_per_s: float


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """The comparisons made for one revision of a backbone.

    They are kept in one file below `stackkit.api.engines_dir()`, which can be deleted at any time.

    Parameters
    ----------
    name : str
        Name of the backbone.
    revision : str
        Its revision.
    reference : str
        The engine that others are compared with.
    settings : EngineSettings
        Threads and batch size can change which algorithm an engine uses, so they count.

    """

    name: str
    revision: str
    reference: str
    settings: EngineSettings

    @property
    def file(self) -> Path:
        """Where they are kept."""
        content = json.dumps([_FORMAT, self.name, self.revision])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        return engines_dir() / f"{self.name}-{digest}" / "comparisons.json"

    def recall(self, engine: str) -> Comparison | None:
        """Return what was measured for an engine under the same conditions, or None."""
        found: Any = self._stored().get(self._conditions(engine))
        try:
            return Comparison(**{name: float(value) for name, value in found.items()})
        except (AttributeError, TypeError, ValueError):  # none, or damaged
            return None

    def remember(self, engine: str, comparison: Comparison) -> None:
        """Store a comparison, unless the folder is not writable: it is then made again next time."""
        content = {**self._stored(), self._conditions(engine): asdict(comparison)}
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # Renamed into place, so that a reader never sees half of it.
            temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
            temporary.replace(self.file)

    def _stored(self) -> dict[str, Any]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # missing or damaged: measure again
        return found if isinstance(found, dict) else {}

    def _conditions(self, engine: str) -> str:
        versions = {name: engine_version(name) for name in (self.reference, engine)}
        run = [self.settings.threads, self.settings.batch_size]
        return json.dumps([engine, versions, run, *machine()], sort_keys=True)
