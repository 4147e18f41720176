"""Plugins in a single file that nobody installed, for experiments."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

from stackkit.host.load_failure import LoadFailure, PluginLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """A Python file as it was when it was found; `error` is why it cannot be loaded, or None."""

    path: Path
    source: bytes = b""
    error: PluginLoadError | None = field(default=None, compare=False)

    @property
    def code(self) -> str:
        """Digest of the source: what stands in for a version."""
        return hashlib.blake2b(self.source, digest_size=6).hexdigest()

    def load(self) -> ModuleType:
        """Import it as a module by its stem, where "stem:callable" finds it again."""
        name = self.path.stem
        loader = _Loader(name, self)
        before = sys.modules.get(name)
        if before is not None and getattr(before, "__loader__", None) == loader:
            return before
        spec = spec_from_loader(name, loader)
        assert spec is not None, "a file has an origin"
        module = sys.modules[name] = module_from_spec(spec)
        try:
            loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def plugin_files(environ: Mapping[str, str]) -> tuple[list[PluginFile], list[PluginFile]]:
    """Those that STACKKIT_PLUGIN_FILES names one by one, and the others of STACKKIT_PLUGINS_DIR."""
    named = named_files(environ)
    beside: list[Path] = []
    if folder := environ.get("STACKKIT_PLUGINS_DIR"):
        beside = sorted(_whole(folder).glob("[!_]*.py"))
        if not _whole(folder).is_dir():
            beside = [_whole(folder)]  # whose fault is then told like any other
    return _read(named), _read(path for path in beside if path not in named)


def named_files(environ: Mapping[str, str]) -> list[Path]:
    """The files that STACKKIT_PLUGIN_FILES names, as `--plugin` does."""
    return [_whole(text) for text in environ.get("STACKKIT_PLUGIN_FILES", "").split(os.pathsep) if text]


def _whole(text: str) -> Path:
    path = Path(text).expanduser()
    return path.parent.resolve() / path.name  # the name stays that of a link


def _read(paths: Iterable[Path]) -> list[PluginFile]:
    files = []
    for path in dict.fromkeys(paths):
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise OSError(errno.EINVAL, "no regular file")  # a pipe would be waited for
            source = path.read_bytes()
        except OSError as error:
            refused = PluginLoadError("find", f"cannot be read: {error.strerror}")
            files.append(PluginFile(path=path, error=refused))
        else:
            files.append(PluginFile(path=path, source=source, error=_name_error(path)))
    return files


def _name_error(path: Path) -> PluginLoadError | None:
    """Why the file cannot be imported by its stem, or None."""
    if path.suffix != ".py" or not path.stem.isidentifier() or iskeyword(path.stem):
        return _name_refused(f"{path.name!r} cannot be imported; a name like my_plugin.py is wanted")
    taken = f"there is a module {path.stem!r} already"
    try:
        spec = find_spec(path.stem)
    except (ImportError, ValueError):  # a module that has no spec, such as __main__
        return _name_refused(f"{taken}; give the file another name")
    if spec is not None and _whole(spec.origin or "") != path:
        return _name_refused(f"{taken} ({spec.origin}); give the file another name")
    return None


def _name_refused(text: str) -> PluginLoadError:
    return PluginLoadError("find", text, LoadFailure(kind="name"))


class _Loader(SourceFileLoader):
    """Executes what was read, whatever the file has become, and keeps no bytecode beside it.

    Bytecode is known by its file's size and second; a file that is being written can keep both.
    """

    def __init__(self, name: str, file: PluginFile) -> None:
        super().__init__(name, str(file.path))
        self.file = file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loader) and (self.name, self.file) == (other.name, other.file)

    def __hash__(self) -> int:
        return hash(self.file)

    def get_data(self, path: Any) -> bytes:
        """The source, for no other path is asked about."""
        return self.file.source

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Refused, so that no bytecode is looked for or kept."""
        raise OSError("no bytecode")
