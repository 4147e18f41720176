"""Find plugins, in installed distributions and in single files, without running their code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path

from stackkit import __version__
from stackkit.api.errors import UsageError, one_line
from stackkit.host.load_failure import LoadFailure, PluginLoadError, listed
from stackkit.host.single_file import PluginFile, named_files, plugin_files

GROUP = "stackkit"
OWN_DISTRIBUTION = "stackkit"

SELECTED = "STACKKIT_PLUGINS"
"""Variable with the names of the third-party plugins to load."""

DISABLED = "STACKKIT_DISABLED_PLUGINS"
"""Variable with the names of third-party plugins to leave out; `--disable-plugin` adds to it."""

_NAME = re.compile(r"[\w.-]+")  # other characters have a meaning on the command line
_NEEDS_STACKKIT = re.compile(r"stackkit\s*([\[(<>=!~;@]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plugin that was found and not yet imported.

    `distribution` and `version` of a plugin in a single file are its path and a digest of its
    content, which `code` has too. `package` is its top-level module, `requires` are its
    distribution's requirements. `error` is why it cannot be loaded, if that is known already.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object] = field(compare=False)
    package: str = ""
    requires: tuple[str, ...] = ()
    code: str = ""
    error: PluginLoadError | None = field(default=None, compare=False)

    @property
    def is_own(self) -> bool:
        """Whether it is part of stackkit."""
        return self.distribution == OWN_DISTRIBUTION

    @property
    def is_file(self) -> bool:
        """Whether it is a single file, with `distribution` as its path."""
        return bool(self.code)

    @property
    def label(self) -> str:
        """The plugin's name and origin, for messages."""
        return f"plugin {self.name} ({self.distribution} {self.version})"


def candidates(
    found: Iterable[EntryPoint] | None, environ: Mapping[str, str]
) -> tuple[list[Candidate], list[str]]:
    """Return the plugins to load, stackkit's own first and then by name, and notes for the user.

    STACKKIT_PLUGINS selects among installed third-party plugins and files of the plugins folder.
    A file that is given by itself is always loaded, unless STACKKIT_DISABLED_PLUGINS names it, which
    leaves out third-party plugins wherever they come from. A note names each entry of the two
    variables that no plugin has.
    """
    offered, files = _everyone(found, environ)
    notes, kept = [], offered
    if (chosen := _names(environ, SELECTED)) is not None:
        known = {each.name for each in offered}
        notes = [_unknown_name(SELECTED, name, offered) for name in chosen if name not in known]
        kept = [each for each in offered if each.is_own or each.name in chosen]
    disabled, everyone = _names(environ, DISABLED) or [], [*offered, *files]
    known = {each.name for each in everyone if not each.is_own}
    notes += [_unknown_name(DISABLED, name, everyone) for name in disabled if name not in known]
    kept = [each for each in [*kept, *files] if each.is_own or each.name not in disabled]
    order = sorted(kept, key=lambda each: (not each.is_own, each.name, each.distribution, each.version))
    return order, notes


def named_plugins(environ: Mapping[str, str]) -> set[str]:
    """Return what the user named: plugins in STACKKIT_PLUGINS, and paths of single files."""
    return {*(_names(environ, SELECTED) or ()), *map(str, named_files(environ))}


def _names(environ: Mapping[str, str], variable: str) -> list[str] | None:
    text = environ.get(variable)
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def check_disabled(names: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raise UsageError for a name in `names` that no third-party plugin has, and list those that exist.

    Stackkit's own plugins are always loaded.
    """
    offered, files = _everyone(None, environ)
    known = {each.name: each.is_own for each in [*offered, *files]}
    others = sorted(name for name, is_own in known.items() if not is_own)
    for name in names:
        if name in others:
            continue
        problem = "is a plugin of stackkit itself" if name in known else "is not a plugin"
        near = get_close_matches(name, others, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"{name!r} {problem}{hint} (third-party plugins: {listed(others) or 'none'})")


def _everyone(
    found: Iterable[EntryPoint] | None, environ: Mapping[str, str]
) -> tuple[list[Candidate], list[Candidate]]:
    """Return installed plugins with those of the folder, and single files that are named."""
    named, in_folder = plugin_files(environ)
    installed = _installed() if found is None else _of_entry_points(found)
    return [*installed, *map(_of_file, in_folder)], list(map(_of_file, named))


def _unknown_name(variable: str, name: str, offered: Sequence[Candidate]) -> str:
    """Suggest plugins for an unknown name: often it is that of a plugin's distribution."""
    others = [each for each in offered if not each.is_own]
    near = [each.name for each in others if each.distribution == name]
    near = near or get_close_matches(name, {each.name for each in others}, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`stackkit list-plugins` shows all names"
    return f"{variable} lists {name!r}, but no plugin has that name; {hint}"


def check_loadable(candidate: Candidate, others: Sequence[Candidate]) -> None:
    """Raise PluginLoadError if a plugin must not be imported.

    The reasons are an invalid or taken name, unreadable metadata, and a requirement of another
    version of stackkit. Stackkit's own plugins keep their names. Two third-party plugins with one
    name are both refused, because no order among them could be relied on.
    """
    if candidate.error:
        raise candidate.error
    name = candidate.name
    same = [other for other in others if other.name == name]
    clash = ""
    if not _NAME.fullmatch(name):
        clash = f"invalid plugin name {name!r}; use letters, digits, '.', '_' and '-'"
    elif len(same) > 1 and not candidate.is_own:
        if any(other.is_own for other in same):
            clash = f"stackkit itself has a plugin {name!r}; {candidate.distribution} must rename it"
        else:
            rivals = " and ".join(sorted(other.distribution for other in same))
            clash = f"{rivals} each have a plugin {name!r}; uninstall or rename all but one"
    if clash:
        raise PluginLoadError("find", clash, LoadFailure(kind="name", name=name))
    _check_stackkit_version(candidate)


def _check_stackkit_version(candidate: Candidate) -> None:
    requirements = [text for text in candidate.requires if _NEEDS_STACKKIT.match(text)]
    if not requirements or candidate.is_own:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # for third-party plugins only

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and not requirement.specifier.contains(__version__, prereleases=True):
            raise PluginLoadError(
                "find",
                f"requires stackkit{requirement.specifier}, but this is stackkit {__version__}",
                LoadFailure(kind="stackkit-version", name=text),
            )


def _installed() -> list[Candidate]:
    """Find all entry points; a distribution with unreadable metadata does not hide the others."""
    try:
        return _of_entry_points(entry_points(group=GROUP))
    except Exception:
        # `entry_points` parses all files and stops at the first error: read them one by one.
        found = dict[str, list[Candidate]]()
        for distribution in distributions():
            if of_it := _of_distribution(distribution):
                # The first of a name is the one that Python imports.
                found.setdefault(of_it[0].distribution, of_it)
        return [candidate for of_it in found.values() for candidate in of_it]


def _of_distribution(distribution: Distribution) -> list[Candidate]:
    try:
        return _of_entry_points(distribution.entry_points.select(group=GROUP))
    except Exception as error:
        # importlib.metadata has no public name for the folder, and the name may be what is unreadable.
        folder = Path(str(getattr(distribution, "_path", "unknown")))
        text = f"its metadata cannot be read ({one_line(error)}); reinstall it, or remove {folder}"
        return [
            Candidate(
                name=folder.name.partition("-")[0],
                distribution=folder.name,
                version="",
                load=object,
                error=PluginLoadError("find", text, LoadFailure(kind="metadata", name=folder.name)),
            )
        ]


def _of_entry_points(points: Iterable[EntryPoint]) -> list[Candidate]:
    origins: dict[Distribution | None, tuple[str, str, tuple[str, ...]]] = {}
    found = []
    for point in points:
        if point.dist not in origins:
            origins[point.dist] = _origin(point.dist)
        name, version, requires = origins[point.dist]
        package = point.value.partition(":")[0].partition(".")[0].strip()
        found.append(
            Candidate(
                name=point.name,
                distribution=name,
                version=version,
                load=point.load,
                package=package,
                requires=requires,
            )
        )
    return found


def _origin(distribution: Distribution | None) -> tuple[str, str, tuple[str, ...]]:
    """Return a distribution's name, version and requirements."""
    if distribution is None:
        return "unknown", "", ()
    # A half-removed distribution has entry points but no METADATA: then there is no name. The package
    # importlib_metadata, which replaces the finder of the standard library, raises an error instead.
    try:
        metadata = distribution.metadata  # parsed again at each access
    except FileNotFoundError:
        return "unknown", "", ()
    name = str((metadata.get_all("Name") or ["unknown"])[0])
    version = str((metadata.get_all("Version") or [""])[0])
    return name, version, () if name == OWN_DISTRIBUTION else tuple(distribution.requires or ())


def _of_file(file: PluginFile) -> Candidate:
    return Candidate(
        name=file.path.stem,
        distribution=str(file.path),
        version=file.code,
        load=file.load,
        package=file.path.stem,
        code=file.code,
        error=file.error,
    )
