"""Where plugins come from: installed distributions and single files, as the user lets them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from stackkit import __version__
from stackkit.onefile import PluginFile, plugin_files

GROUP = "stackkit"
OWN_DISTRIBUTION = "stackkit"

_NAME = re.compile(r"[\w.-]+")  # anything else could not be written on a command line
_NEEDS_STACKKIT = re.compile(r"stackkit\s*([\[(<>=!~;@]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A plugin of which no code has run.

    `distribution` and `version` are, of a plugin in a single file, its path and a digest of its
    `code`. `requires` are its distribution's requirements; `fault` says why it is of no use, or "".
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], object] = field(compare=False)
    requires: tuple[str, ...] = ()
    code: str = ""
    fault: str = ""

    @property
    def is_own(self) -> bool:
        """Whether stackkit itself ships it."""
        return self.distribution == OWN_DISTRIBUTION

    @property
    def label(self) -> str:
        """The plugin and who is to blame for it."""
        return f"plugin {self.name} ({self.distribution} {self.version})"


def candidates(found: Iterable[EntryPoint] | None, environ: Mapping[str, str]) -> list[Candidate]:
    """Stackkit's own plugins first, then by name; strangers only as the user allows.

    STACKKIT_PLUGINS picks among installed strangers and files of the plugins folder; a file that
    is named itself has been picked already.
    """
    named, beside = plugin_files(environ)
    points = entry_points(group=GROUP) if found is None else found
    offered = [*map(_installed, points), *map(_single, beside)]
    if (picked := environ.get("STACKKIT_PLUGINS")) is not None:
        names = {name.strip() for name in picked.split(",")}
        offered = [one for one in offered if one.is_own or one.name in names]
    offered += map(_single, named)
    return sorted(offered, key=lambda one: (not one.is_own, one.name, one.distribution, one.version))


def refusal(candidate: Candidate, others: Sequence[Candidate]) -> str:
    """Why a candidate cannot be loaded, or "".

    Stackkit's own names win; among strangers nobody does, for no order of theirs means anything.
    """
    if candidate.fault:
        return candidate.fault
    name, same = candidate.name, [other for other in others if other.name == candidate.name]
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot be typed; a name is letters, digits, '.', '_', '-'"
    if len(same) > 1 and not candidate.is_own:
        if any(other.is_own for other in same):
            whose = candidate.distribution
            return f"stackkit has a plugin {name!r} of its own; {whose} must rename its plugin"
        rivals = " and ".join(sorted(other.distribution for other in same))
        return f"{rivals} each have a plugin {name!r}; uninstall or rename all but one"
    return _other_stackkit(candidate)


def _other_stackkit(candidate: Candidate) -> str:
    """Whether its distribution requires a version of stackkit that is not this one."""
    asking = [text for text in candidate.requires if _NEEDS_STACKKIT.match(text)]
    if not asking or candidate.is_own:
        return ""
    from packaging.requirements import InvalidRequirement, Requirement  # most hosts have no stranger

    for text in asking:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and not requirement.specifier.contains(__version__, prereleases=True):
            return f"requires stackkit{requirement.specifier}, and this is stackkit {__version__}"
    return ""


def _installed(point: EntryPoint) -> Candidate:
    name, version = "unknown", ""
    requires: Iterable[str] = ()
    if point.dist is not None:
        # A half-removed distribution has entry points and no METADATA: importlib then answers None.
        name, version = point.dist.name or name, point.dist.version or version
        requires = point.dist.requires or ()
    return Candidate(
        name=point.name, distribution=name, version=version, load=point.load, requires=tuple(requires)
    )


def _single(file: PluginFile) -> Candidate:
    return Candidate(
        name=file.path.stem,
        distribution=str(file.path),
        version=file.code,
        load=file.load,
        code=file.code,
        fault=file.fault,
    )
