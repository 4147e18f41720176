"""Create a plugin project from templates, so that authors start with one that works."""

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
"""The folder `any` is for all kinds, the others are for one kind; `hook.part` files are included."""

EFFICIENTNETS = "'efficientnet-lite*'"
"""Small backbones to try a new plugin with, quoted for a shell."""

PREFIX = "stackkit-"
LONGEST = 40
"""Maximum length of a name in characters; the lines of the templates have room for it."""

LINE_LENGTH = 105
"""Maximum length of the lines of a project, as its pyproject.toml says."""

_WORDS = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one plugin.

    Attributes
    ----------
    name : str
        What users write, such as "leaf-shapes".

    """

    name: str

    @property
    def distribution(self) -> str:
        """What pip installs, such as "stackkit-leaf-shapes"."""
        return PREFIX + self.name

    @property
    def module(self) -> str:
        """What Python imports, such as "stackkit_leaf_shapes"."""
        return self.distribution.replace("-", "_")


def names(text: str) -> Names:
    """Return the names for a plugin name with or without the prefix `stackkit-`.

    Raises
    ------
    UsageError
        If pip, Python and stackkit cannot all use the name.

    """
    name = text.removeprefix(PREFIX)
    if _WORDS.fullmatch(name) and len(name) <= LONGEST:
        return Names(name=name)
    likely = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:LONGEST].strip("-")
    example = likely if _WORDS.fullmatch(likely) else "leaf-shapes"
    raise UsageError(
        f"plugin name must be lower-case letters and digits, with '-' between words, at most {LONGEST} "
        f"characters, got {text!r}; for example: {example}"
    )


def kinds(texts: Sequence[str]) -> list[Kind]:
    """Return the kinds that `texts` name, each once; raises UsageError for an unknown one."""
    known = {str(kind): kind for kind in SPEC_TYPES}
    if unknown := [text for text in texts if text not in known]:
        raise UsageError(f"kind must be one of {', '.join(known)}, got {unknown[0]!r}")
    return [kind for text, kind in known.items() if text in texts]


def components_of(names: Names, kinds: Sequence[Kind]) -> dict[Kind, str]:
    """Return the names of the components: the plugin's, with the kind appended if there are several."""
    return {kind: names.name if len(kinds) == 1 else f"{names.name}-{kind}" for kind in kinds}


def check_free(names: Names, kinds: Sequence[Kind], host: Host) -> None:
    """Refuse names that are taken in this environment, because stackkit would ignore the second plugin.

    Raises
    ------
    UsageError
        If another distribution has a plugin, a component or a module of the same name.

    """
    own = components_of(names, kinds)
    others = [plugin for plugin in host.plugins if plugin.distribution != names.distribution]
    if rivals := [plugin for plugin in others if plugin.name == names.name]:
        raise UsageError(
            f"{rivals[0].distribution} already has a plugin named {names.name}; choose another name"
        )
    for component in host.components:
        same = own.get(component.kind) == component.spec.name
        if same and component.distribution != names.distribution:
            raise UsageError(
                f"{component.distribution} already has a {component.kind} named {component.spec.name}; "
                "choose another name"
            )
    # An author who creates the project again has the module installed; it is not a conflict then.
    if len(others) == len(host.plugins) and find_spec(names.module):
        raise UsageError(f"a module named {names.module} is already installed; choose another name")


def render(names: Names, kinds: Sequence[Kind]) -> dict[PurePosixPath, str]:
    """Return the text of every file of the project, by its path in the project."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - the output is not HTML
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,  # a misspelt variable raises instead of leaving a gap
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
    """Return the variables of the templates."""
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
        "where": f"`{modules[0]}`" if len(modules) == 1 else "one module for each kind",
        "imports": _imported([*specs, *["Option"] * (components.keys() != {"aggregator"}), "hookimpl"]),
        "needs": ["numpy"] * bool(components.keys() - {"dataset", "executor"})
        + ["scikit-learn"] * ("learner" in components)
        + ["joblib"] * ("executor" in components),
        "chosen": _chosen(components),
        "tried": "".join(f" --component {each}" for each in tried) if "dataset" in components else "",
        "oldest": f"{major}.{minor}",
        "version": __version__,
    }


def _imported(words: Sequence[str]) -> str:
    """Return the words of an import as a formatter writes them: in one line if they fit."""
    line = ", ".join(words)
    if len(f"from stackkit.api import {line}") <= LINE_LENGTH:
        return line
    return "".join(["(\n", *(f"    {word},\n" for word in words), ")"])


def _chosen(components: Mapping[Kind, str]) -> str:
    """Return the options of `stackkit run` that use all components."""
    words = [f"--dataset {components.get('dataset', 'image-folder')}:root=FOLDER"]
    chosen: tuple[Kind, ...] = ("learner", "aggregator", "executor")
    words += [f"--{kind} {components[kind]}" for kind in chosen if kind in components]
    return " ".join([*words, f"--backbones {components.get('backbone', EFFICIENTNETS)}"])


def _listing(words: Sequence[str]) -> str:
    """Return text such as "a, b and c"."""
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + [words[-1]])


def write(names: Names, kinds: Sequence[Kind], parent: Path) -> tuple[Path, list[PurePosixPath]]:
    """Write the project into a new folder in `parent`.

    Returns
    -------
    folder : pathlib.Path
        The new folder.
    files : list of pathlib.PurePosixPath
        The files in it, sorted.

    Raises
    ------
    UsageError
        If the folder already exists or cannot be created. Nothing is overwritten.
    StackkitError
        If a file cannot be written.

    """
    texts = render(names, kinds)
    folder = parent / names.distribution
    try:
        folder.mkdir(parents=True)  # fails if it exists, also if another process has just created it
    except FileExistsError:
        raise UsageError(
            f"{folder} already exists and is not changed; remove it, or choose another name or --out"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot create {folder} ({error}); choose another --out") from error
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8", newline="\n")  # the same bytes on Windows
    except OSError as error:
        raise StackkitError(
            f"cannot write all files of {folder} ({error}); remove it and try again"
        ) from error
    return folder, sorted(texts)
