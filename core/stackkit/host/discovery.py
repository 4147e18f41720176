"""Where plugins come from: installed distributions and single files, as the user lets them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path

from stackkit import __version__
from stackkit.api.errors import one_line
from stackkit.host.load_failure import LoadFailure, PluginLoadError
from stackkit.host.single_file import PluginFile, plugin_files

GROUP = "stackkit"
OWN_DISTRIBUTION = "stackkit"

_NAME = re.compile(r"[\w.-]+")  # anything else could not be written on a command line
_NEEDS_STACKKIT = re.compile(r"stackkit\s*([\[(<>=!~;@]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plugin of which no code has run.

    `distribution` and `version` are, of a plugin in a single file, its path and a digest of its
    `code`. `package` is its top-level module, `requires` are its distribution's requirements; `error`
    is why it cannot be loaded, or None.
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
        """Whether stackkit itself ships it."""
        return self.distribution == OWN_DISTRIBUTION

    @property
    def is_file(self) -> bool:
        """Whether it is a single file, which `distribution` then names."""
        return bool(self.code)

    @property
    def label(self) -> str:
        """The plugin and who is to blame for it."""
        return f"plugin {self.name} ({self.distribution} {self.version})"


def candidates(
    found: Iterable[EntryPoint] | None, environ: Mapping[str, str]
) -> tuple[list[Candidate], list[str]]:
    """Stackkit's own plugins first, then by name; strangers only as the user allows.

    And what to tell the user about names in STACKKIT_PLUGINS that nobody has.

    STACKKIT_PLUGINS picks among installed strangers and files of the plugins folder; a file that
    is named itself has been picked already.
    """
    named, beside = plugin_files(environ)
    offered = [*(_everyone() if found is None else map(_installed, found)), *map(_single, beside)]
    notes = []
    if (text := environ.get("STACKKIT_PLUGINS")) is not None:
        names = [name.strip() for name in text.split(",") if name.strip()]
        notes = [_unknown(name, offered) for name in names if name not in {one.name for one in offered}]
        offered = [one for one in offered if one.is_own or one.name in names]
    offered += map(_single, named)
    order = sorted(offered, key=lambda one: (not one.is_own, one.name, one.distribution, one.version))
    return order, notes


def _unknown(name: str, offered: Sequence[Candidate]) -> str:
    """What to say of a name that nobody has; a distribution is easily taken for its plugin."""
    strangers = [one for one in offered if not one.is_own]
    near = [one.name for one in strangers if one.distribution == name]
    near = near or get_close_matches(name, {one.name for one in strangers}, n=3, cutoff=0.5)
    known = f"did you mean {' or '.join(near)}?" if near else "`stackkit list-plugins` shows all names"
    return f"STACKKIT_PLUGINS names {name!r}, and no plugin is called that; {known}"


def check_loadable(candidate: Candidate, others: Sequence[Candidate]) -> None:
    """Raise PluginLoadError if a candidate cannot be loaded, before any of its code runs.

    Stackkit's own plugins keep their names; two third-party plugins of one name are both refused,
    because their order means nothing.
    """
    if candidate.error:
        raise candidate.error
    name, same = candidate.name, [other for other in others if other.name == candidate.name]
    clash = ""
    if not _NAME.fullmatch(name):
        clash = f"{name!r} cannot be typed; a name is letters, digits, '.', '_', '-'"
    elif len(same) > 1 and not candidate.is_own:
        rivals = " and ".join(sorted(other.distribution for other in same))
        clash = f"{rivals} each have a plugin {name!r}; uninstall or rename all but one"
        if any(other.is_own for other in same):
            whose = candidate.distribution
            clash = f"stackkit has a plugin {name!r} of its own; {whose} must rename its plugin"
    if clash:
        raise PluginLoadError("find", clash, LoadFailure(kind="name", name=name))
    _check_stackkit_version(candidate)


def _check_stackkit_version(candidate: Candidate) -> None:
    asking = [text for text in candidate.requires if _NEEDS_STACKKIT.match(text)]
    if not asking or candidate.is_own:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # only third parties need it

    for text in asking:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and not requirement.specifier.contains(__version__, prereleases=True):
            raise PluginLoadError(
                "find",
                f"requires stackkit{requirement.specifier}, and this is stackkit {__version__}",
                LoadFailure(kind="stackkit-version", name=text),
            )


def _everyone() -> list[Candidate]:
    """Whoever has entry points; what one distribution has made unreadable costs only itself."""
    try:
        return [_installed(point) for point in entry_points(group=GROUP)]
    except Exception:  # importlib.metadata parses as it goes, and lets a single fault end it
        found = dict[str, list[Candidate]]()
        for each in distributions():  # the first of a name is the one that is imported
            if of_it := _of_distribution(each):
                found.setdefault(of_it[0].distribution, of_it)
        return [one for of_it in found.values() for one in of_it]


def _of_distribution(distribution: Distribution) -> list[Candidate]:
    try:
        return [_installed(point) for point in distribution.entry_points.select(group=GROUP)]
    except Exception as error:
        folder = Path(str(getattr(distribution, "_path", "unknown")))
        fault = f"its metadata cannot be read ({one_line(error)}); install it anew, or remove {folder}"
        return [
            Candidate(
                name=folder.name.partition("-")[0],
                distribution=folder.name,
                version="",
                load=object,
                error=PluginLoadError("find", fault, LoadFailure(kind="metadata", name=folder.name)),
            )
        ]


def _installed(point: EntryPoint) -> Candidate:
    name, version = "unknown", ""
    requires: Iterable[str] = ()
    if point.dist is not None:
        # A half-removed distribution has entry points and no METADATA: importlib then answers None.
        name, version = point.dist.name or name, point.dist.version or version
        requires = point.dist.requires or ()
    return Candidate(
        name=point.name,
        distribution=name,
        version=version,
        load=point.load,
        package=point.value.partition(":")[0].partition(".")[0].strip(),
        requires=tuple(requires),
    )


def _single(file: PluginFile) -> Candidate:
    return Candidate(
        name=file.path.stem,
        distribution=str(file.path),
        version=file.code,
        load=file.load,
        package=file.path.stem,
        code=file.code,
        error=file.error,
    )
