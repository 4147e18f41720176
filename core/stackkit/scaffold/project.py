"""Write a plugin's distribution from templates: an author begins with one that works."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stackkit import __version__
from stackkit.api.errors import StackkitError, UsageError
from stackkit.api.specs import SPEC_TYPES, Kind

if TYPE_CHECKING:
    from stackkit.host.host import Host

TEMPLATES = Path(__file__).parent / "templates"
"""Those in `any` are for all kinds, the others for the kind of their folder; `hook.part` is included."""

EFFICIENTNETS = "'efficientnet-lite*'"
"""Backbones that everybody can have soon, quoted for a shell."""

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


def kinds(texts: Sequence[str]) -> list[Kind]:
    """Kinds from what an author typed, each once; raises UsageError."""
    known = {str(kind): kind for kind in SPEC_TYPES}
    if unknown := [text for text in texts if text not in known]:
        raise UsageError(f"{unknown[0]!r} is no kind of component; there is {', '.join(known)}")
    return [kind for text, kind in known.items() if text in texts]


def components_of(names: Names, kinds: Sequence[Kind]) -> dict[Kind, str]:
    """What each component is called: like the plugin if there is one, else with its kind behind it."""
    return {kind: names.name if len(kinds) == 1 else f"{names.name}-{kind}" for kind in kinds}


def check_free(names: Names, kinds: Sequence[Kind], host: Host) -> None:
    """Refuse a name that another plugin has here: one of the two would be passed over."""
    called = components_of(names, kinds)
    others = [plugin for plugin in host.plugins if plugin.distribution != names.distribution]
    if rivals := [plugin for plugin in others if plugin.name == names.name]:
        raise UsageError(
            f"{rivals[0].distribution} has a plugin called {names.name}; choose another name"
        )
    for component in host.components:
        same = called.get(component.kind) == component.spec.name
        if same and component.distribution != names.distribution:
            raise UsageError(
                f"{component.distribution} has a {component.kind} called {component.spec.name}; "
                "choose another name"
            )
    if len(others) == len(host.plugins) and find_spec(names.module):
        raise UsageError(f"a module {names.module} is installed already; choose another name")


def render(names: Names, kinds: Sequence[Kind]) -> dict[PurePosixPath, str]:
    """Every file of the distribution, by its path in there."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - what it makes is no HTML
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    words = _words(names, components_of(names, kinds))
    texts = {}
    for template in environment.list_templates(extensions=["jinja"]):
        folder, _, path = template.removesuffix(".jinja").partition("/")
        if folder == "any" or folder in words["components"]:
            place = PurePosixPath(path.replace("PACKAGE", names.module))
            texts[place] = environment.get_template(template).render(words)
    return texts


def _words(names: Names, components: Mapping[Kind, str]) -> dict[str, Any]:
    """What stands in the gaps of templates."""
    major, minor, *_ = __version__.split(".")
    modules = [f"{kind}.py" for kind in components]
    specs = sorted(f"{kind.capitalize()}Spec" for kind in components)
    tried = [
        f"{name}:root=tests/two-colours" * (kind == "dataset") or name
        for kind, name in components.items()
    ]
    return {
        "name": names.name,
        "distribution": names.distribution,
        "module": names.module,
        "components": components,
        "offer": _listing([f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in components]),
        "listed": _listing([f"`{name}`" for name in components.values()]),
        "where": modules[0] if len(modules) == 1 else "a module for each kind",
        "imports": ", ".join([*specs, *["Option"] * (components.keys() != {"aggregator"}), "hookimpl"]),
        "needs": ["numpy"] * (components.keys() != {"dataset"})
        + ["scikit-learn"] * ("learner" in components),
        "chosen": _chosen(components),
        "tried": "".join(f" --component {each}" for each in tried) if "dataset" in components else "",
        "oldest": f"{major}.{minor}",
    }


def _chosen(components: Mapping[Kind, str]) -> str:
    """The options with which `stackkit run` uses all of them."""
    words = [f"--dataset {components.get('dataset', 'image-folder')}:root=FOLDER"]
    words += [f"--{kind} {components[kind]}" for kind in ("learner", "aggregator") if kind in components]
    return " ".join([*words, f"--backbones {components.get('backbone', EFFICIENTNETS)}"])


def _listing(words: Sequence[str]) -> str:
    """Text such as "a, b and c"."""
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + [words[-1]])


def write(names: Names, kinds: Sequence[Kind], parent: Path) -> tuple[Path, list[PurePosixPath]]:
    """Write the distribution into a new folder in `parent`: that folder, and its files in order.

    Nothing is overwritten; raises UsageError if the folder is there.
    """
    texts = render(names, kinds)
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
