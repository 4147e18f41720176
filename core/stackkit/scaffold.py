"""Write a plugin's distribution from templates: an author begins with one that works."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from stackkit import __version__
from stackkit.errors import StackkitError, UsageError

if TYPE_CHECKING:
    from stackkit.host import Host
    from stackkit.specs import Kind

TEMPLATES = Path(__file__).parent / "templates"
"""Those in `any` are for all kinds, the others for the kind of their folder."""

PREFIX = "stackkit-"
LONGEST = 40
"""Characters of a name; the longest line of a template has room for so many."""

_WORDS = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a plugin is called: by users, by pip, and by Python."""

    name: str

    @property
    def distribution(self) -> str:
        """The name under which it is published."""
        return PREFIX + self.name

    @property
    def module(self) -> str:
        """The package that answers for it."""
        return self.distribution.replace("-", "_")


def names(text: str) -> Names:
    """Names from what an author typed, with `stackkit-` in front or without; raises UsageError."""
    name = text.removeprefix(PREFIX)
    if _WORDS.fullmatch(name) and len(name) <= LONGEST:
        return Names(name=name)
    wanted = f"lower-case letters and digits, words joined by '-', at most {LONGEST} in all, are wanted"
    likely = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:LONGEST].strip("-")
    example = likely if _WORDS.fullmatch(likely) else "leaf-shapes"
    raise UsageError(f"{text!r} is no name for a plugin: {wanted}, such as {example}")


def check_free(names: Names, kind: Kind, host: Host) -> None:
    """Refuse a name that another plugin has here: one of the two would be passed over."""
    others = [plugin for plugin in host.plugins if plugin.distribution != names.distribution]
    if rivals := [plugin for plugin in others if plugin.name == names.name]:
        raise UsageError(
            f"{rivals[0].distribution} has a plugin called {names.name}; choose another name"
        )
    for component in host.components:
        same = component.kind == kind and component.spec.name == names.name
        if same and component.distribution != names.distribution:
            raise UsageError(
                f"{component.distribution} has a {kind} called {names.name}; choose another name"
            )
    if len(others) == len(host.plugins) and find_spec(names.module):
        raise UsageError(f"a module {names.module} is installed already; choose another name")


def render(names: Names, kind: Kind) -> dict[PurePosixPath, str]:
    """Every file of the distribution, by its path in there."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - what it makes is no HTML
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    major, minor, *_ = __version__.split(".")
    words = {
        "name": names.name,
        "distribution": names.distribution,
        "module": names.module,
        "kind": kind,
        "article": "an" if kind[0] in "aeiou" else "a",
        "oldest": f"{major}.{minor}",
    }
    texts = {}
    for template in environment.list_templates(extensions=["jinja"]):
        folder, _, path = template.removesuffix(".jinja").partition("/")
        if folder in ("any", kind):
            place = PurePosixPath(path.replace("PACKAGE", names.module))
            texts[place] = environment.get_template(template).render(words)
    return texts


def write(names: Names, kind: Kind, parent: Path) -> tuple[Path, list[PurePosixPath]]:
    """Write the distribution into a new folder in `parent`: that folder, and its files in order.

    Nothing is overwritten; raises UsageError if the folder is there.
    """
    texts = render(names, kind)
    folder = parent / names.distribution
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{folder} is there already and stays as it is; remove it, or choose another name or --out"
        ) from None
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error}); choose another --out") from error
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StackkitError(f"{folder} is incomplete ({error}); remove it and try again") from error
    return folder, sorted(texts)
