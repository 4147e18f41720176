"""Load plugins that are a single Python file and not installed, for experiments."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from keyword import iskeyword
from pathlib import Path
from types import ModuleType
from typing import Any

from stackkit.api.paths import user_path
from stackkit.host.load_failure import LoadFailure, PluginLoadError


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """A Python file with the content that it had when it was found.

    `error` is why it cannot be loaded, or None.
    """

    path: Path
    source: bytes = b""
    error: PluginLoadError | None = field(default=None, compare=False)

    @property
    def code(self) -> str:
        """Digest of the source, in place of a version."""
        return hashlib.blake2b(self.source, digest_size=6).hexdigest()

    def load(self) -> ModuleType:
        """Import the file as a module named by its stem, where "stem:callable" finds it."""
        name = self.path.stem
        loader = _Loader(name, self)
        existing = sys.modules.get(name)
        if existing is not None and getattr(existing, "__loader__", None) == loader:
            return existing
        spec = spec_from_loader(name, loader)
        assert spec is not None, "spec_from_loader returns None only for a loader that cannot be asked"
        module = sys.modules[name] = module_from_spec(spec)
        try:
            loader.exec_module(module)
        except BaseException:
            # As `import` does: a module that failed must not be found half-executed.
            del sys.modules[name]
            raise
        return module


def plugin_files(environ: Mapping[str, str]) -> tuple[list[PluginFile], list[PluginFile]]:
    """Return the files of STACKKIT_PLUGIN_FILES, and the others in STACKKIT_PLUGINS_DIR."""
    named = named_files(environ)
    in_folder: list[Path] = []
    if text := environ.get("STACKKIT_PLUGINS_DIR"):
        folder = _absolute(text)
        # A folder that does not exist is reported like a file that cannot be read.
        in_folder = sorted(folder.glob("[!_]*.py")) if folder.is_dir() else [folder]
    return _read(named), _read(path for path in in_folder if path not in named)


def forget_other_files(environ: Mapping[str, str], loaded: Collection[str]) -> None:
    """Remove modules of files that `plugin_files` does not return: another file may have their name.

    Only those among `loaded` are removed, paths as texts: others belong to somebody else.
    """
    kept = {file.path for files in plugin_files(environ) for file in files}
    for name, module in list(sys.modules.items()):
        loader = getattr(module, "__dict__", {}).get("__loader__")
        if (
            isinstance(loader, _Loader)
            and loader.file.path not in kept
            and str(loader.file.path) in loaded
        ):
            del sys.modules[name]


def named_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the paths in STACKKIT_PLUGIN_FILES, where `--plugin` stores its paths too."""
    return [
        _absolute(text) for text in environ.get("STACKKIT_PLUGIN_FILES", "").split(os.pathsep) if text
    ]


def _absolute(text: str) -> Path:
    path = user_path(text)
    return path.parent.resolve() / path.name  # a link keeps its name, which is the plugin's


def _read(paths: Iterable[Path]) -> list[PluginFile]:
    files = []
    for path in dict.fromkeys(paths):
        try:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise OSError(errno.EINVAL, "not a regular file")  # reading a pipe could block
            source = path.read_bytes()
        except OSError as error:
            unreadable = PluginLoadError("find", f"cannot be read: {error.strerror}")
            files.append(PluginFile(path=path, error=unreadable))
        else:
            files.append(PluginFile(path=path, source=source, error=_name_error(path)))
    return files


def _name_error(path: Path) -> PluginLoadError | None:
    """Return why the file cannot be imported by its stem, or None."""
    stem, taken = path.stem, ""
    if path.suffix != ".py" or not stem.isidentifier() or iskeyword(stem):
        text = f"{path.name!r} cannot be imported; use a Python name with .py, such as my_plugin.py"
        return PluginLoadError("find", text, LoadFailure(kind="name", name=path.name))
    try:
        spec = find_spec(stem)
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        taken = f"a module {stem!r} exists already"
    else:
        if spec is not None and _absolute(spec.origin or "") != path:
            taken = f"a module {stem!r} exists already ({spec.origin})"
    if not taken:
        return None
    return PluginLoadError("find", f"{taken}; rename the file", LoadFailure(kind="name", name=stem))


class _Loader(SourceFileLoader):
    """Execute the source that was read, even if the file has changed, and write no bytecode.

    Python finds bytecode by the source's size and modification time in seconds, so an edit within
    one second that keeps the size would run the old code.
    """

    def __init__(self, name: str, file: PluginFile) -> None:
        super().__init__(name, str(file.path))
        self.file = file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loader) and (self.name, self.file) == (other.name, other.file)

    def __hash__(self) -> int:
        return hash(self.file)

    def get_data(self, path: Any) -> bytes:
        """Return the source: without bytecode, no other path is requested."""
        return self.file.source

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        """Raise OSError, which makes `SourceLoader` neither read nor write bytecode."""
        raise OSError("no bytecode")
