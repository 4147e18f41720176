"""Keep the engine selected on this machine, and converted networks, so that neither is computed twice.

There is one folder per backbone revision below `stackkit.api.engines_dir()`. It can be deleted at
any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import lru_cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from stackkit.api import engines_dir
from stackkit_plugins.shared.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.shared.keras_network.options import RunSettings

_FORMAT = 1
_SELECTIONS = "trials.json"
_CONVERTING = ".converting-"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSelection:
    """The engine and batch size that a backbone uses on this machine.

    Attributes
    ----------
    engine : str
    device : {"cpu", "gpu"}
    batch_size : int
        Images per pass.
    images_per_s : float or None
        Measured speed; None if it was not measured.
    trial_s : float
        How long it would take to time other engines and batch sizes too, in seconds; 0 if that was
        done, or there are none.
    difference : float
        Largest difference of a row's features from TensorFlow's, relative to the row's norm; 0 for
        TensorFlow itself.
    folder : str
        Name of the folder of the converted network; empty for TensorFlow.
    files : dict of str to str
        SHA-256 of every file in that folder, by name.
    made : str
        Date of the selection in ISO format.

    """

    engine: str
    device: str
    batch_size: int
    images_per_s: float | None = None
    trial_s: float = 0.0
    difference: float = 0.0
    folder: str = ""
    files: dict[str, str] = field(default_factory=dict)
    made: str = field(default_factory=lambda: date.today().isoformat())


class EngineCache:
    """Selections and converted networks of one backbone revision.

    Parameters
    ----------
    name : str
        Name of the backbone.
    revision : str
        Its revision: other weights or sizes have another folder.
    packages : sequence of str
        The packages that the converted graph depends on; other versions have another folder.

    """

    def __init__(
        self, name: str, revision: str, *, packages: Sequence[str] = ("tensorflow", "keras")
    ) -> None:
        versions = [version(package) for package in packages]
        content = json.dumps([_FORMAT, name, revision, *versions])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        self.folder = engines_dir() / f"{name}-{digest}"

    def recall(self, settings: RunSettings) -> EngineSelection | None:
        """Return the selection for these settings on this machine, or None if there is no intact one."""
        return self._intact(self._selections().get(_conditions(settings)))

    def remember(self, settings: RunSettings, selection: EngineSelection) -> None:
        """Store a selection; raises OSError if the folder is not writable."""
        selections = {**self._selections(), _conditions(settings): asdict(selection)}
        self.folder.mkdir(parents=True, exist_ok=True)
        # Written beside the file and renamed, so that a reader never sees half of it. Two processes
        # that store at the same time may lose one selection, which is then made once more.
        temporary = self.folder / f".{_SELECTIONS}.{os.getpid()}"
        temporary.write_text(json.dumps(selections, indent=2), encoding="utf-8")
        temporary.replace(self.folder / _SELECTIONS)

    def converted(self, engine: str) -> EngineSelection | None:
        """Return a selection, for any settings, with an intact converted network of this engine."""
        selections = map(self._intact, self._selections().values())
        return next((found for found in selections if found and found.engine == engine), None)

    @contextmanager
    def converting(self) -> Iterator[Path]:
        """Yield an empty folder to convert a network in; raises OSError.

        It is inside the cache's folder, so that the result can be renamed instead of copied.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        # The process id in the name lets `sweep` distinguish a running conversion from a dead one.
        prefix = f"{_CONVERTING}{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=prefix) as scratch:
            yield Path(scratch)

    def sweep(self) -> None:
        """Remove half-converted networks of processes that were killed."""
        for left in self.folder.glob(f"{_CONVERTING}*"):
            if not _is_alive(int(left.name.removeprefix(_CONVERTING).split("-")[0])):
                shutil.rmtree(left, ignore_errors=True)

    def adopt(self, engine: str, made: Path) -> tuple[str, dict[str, str]]:
        """Move a converted network to its final place.

        The folder's name contains a digest of its content. A process therefore never replaces files
        that another one is loading: other content has another name.

        Returns
        -------
        name : str
            Name of the folder.
        files : dict of str to str
            SHA-256 of every file, by name.

        """
        files = _digests(made)
        content = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
        name = f"{engine}-{engine_version(engine)}-{content}"
        place = self.folder / name
        if _digests(place) != files:  # damaged or incomplete, so no process can be using it
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # another process was faster and has put the same content there
                made.rename(place)
        return name, files

    def drop(self, selection: EngineSelection) -> None:
        """Remove a converted network that was not selected, unless another selection uses it."""
        if selection.folder and not self.converted(selection.engine):
            shutil.rmtree(self.folder / selection.folder, ignore_errors=True)

    def _intact(self, found: Any) -> EngineSelection | None:
        """Return a stored selection if its files are unchanged.

        Every file is hashed each time: an engine may crash on a damaged network, or compute other
        features from it.
        """
        try:
            selection = EngineSelection(**found)
            known = selection.engine in {"tensorflow", *CONVERTED} and selection.batch_size >= 1
            folder = self.folder / selection.folder
            intact = all(_sha256(folder / name) == digest for name, digest in selection.files.items())
        except (OSError, TypeError, AttributeError):  # missing files, or entries of other versions
            return None
        return selection if known and intact else None

    def _selections(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _SELECTIONS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # missing or damaged: select again
        return found if isinstance(found, dict) else {}


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder by name; empty if there is no such folder."""
    return {file.name: _sha256(file) for file in sorted(folder.glob("*"))}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _conditions(settings: RunSettings) -> str:
    """Return everything besides the network that decides which engine is selected, as text."""
    engines = {name: engine_version(name) for name in CONVERTED}
    return json.dumps([asdict(settings), engines, *machine()], sort_keys=True)


def machine() -> list[object]:
    """Return everything of this machine that decides which engine is selected and what it computes."""
    # A home folder may be shared by several machines, and a machine may get a GPU or a driver later.
    # Asking TensorFlow for its GPUs would import it, so what it depends on is recorded instead.
    affinity = getattr(os, "sched_getaffinity", None)
    return [
        platform.node(),
        platform.machine(),
        _processor(),
        len(affinity(0)) if affinity else os.cpu_count(),
        [device for device in ("/dev/nvidiactl", "/dev/kfd") if Path(device).exists()],
        [os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")],
        _gpu_packages(tuple(sys.path)),
    ]


@lru_cache(maxsize=1)
def _gpu_packages(path: tuple[str, ...]) -> list[str]:
    # Once for all networks of a process: reading the metadata of 150 packages takes 0.1 s.
    names = {found.name for found in distributions(path=list(path))}
    return sorted(name for name in names if name.startswith(("nvidia-", "tensorflow-metal")))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _processor() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE):
            return found[1]
    return platform.processor()
