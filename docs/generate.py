"""Write the pages that are taken from the code: `python docs/generate.py`, or --check for what drifted.

Needs an environment with stackkit in it; plugins are those of this repository's pyproject.toml.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

DOCS = Path(__file__).resolve().parent
REFERENCE = DOCS / "reference"
PAGES = ("hooks.md", "gallery.md", "cli.md", "python.md")
HINT = "generated; run `python docs/generate.py` to bring it up to date"
NOTE = "<!-- Taken from the code by docs/generate.py: change the code, then run it. -->"


def main(arguments: list[str]) -> int:
    """Write every page, or with --check say which differ; returns the exit code."""
    made = {
        "hooks.md": hooks_page(),
        "gallery.md": gallery_page(),
        "cli.md": cli_page(),
        "python.md": python_page(),
    }
    assert tuple(made) == PAGES
    drifted = [name for name, text in made.items() if _text_of(REFERENCE / name) != text]
    if "--check" in arguments:
        for name in drifted:
            sys.stdout.write(f"docs/reference/{name} is not what the code says. It is {HINT}.\n")
        return int(bool(drifted))
    for name in drifted:
        (REFERENCE / name).write_text(made[name], encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name} written\n")
    return 0


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


# docs/reference/hooks.md


def hooks_page() -> str:
    """Every hook, and everything in `stackkit.api` by what it is."""
    from stackkit import api
    from stackkit.api import hookspecs, specs

    kinds: dict[str, list[str]] = {}
    for name in api.__all__:
        if name not in ("hookimpl", "HOOKSPEC_VERSION"):
            kinds.setdefault(_kind_of(getattr(api, name)), []).append(name)
    parts = [
        "# Hooks, specs and protocols",
        NOTE,
        "The whole public API for plugins. A plugin implements hooks, marked with "
        "`stackkit.api.hookimpl`. A hook returns specs. The `factory` of a spec returns an object that "
        "implements a protocol. Import everything from `stackkit.api`. `HOOKSPEC_VERSION` is "
        f"{api.HOOKSPEC_VERSION}; [versioning.md](../explanation/versioning.md) says what it counts, "
        "[HOWTO_PLUGIN.md](../../HOWTO_PLUGIN.md) how to write a plugin.",
        "## Hooks",
        _docstring(hookspecs),
    ]
    for hook in hookspecs.HOOKS:
        parts += [f"### `{hook}`", *_callable(hook, getattr(hookspecs, hook))]
    kinds["Specs"].insert(0, "ComponentSpec")
    for heading in ("Specs", "Records", "Protocols", "Functions", "Errors", "Types"):
        parts.append(f"## {heading}")
        for name in kinds.pop(heading):
            thing = specs.ComponentSpec if name == "ComponentSpec" else getattr(api, name)
            title = "Fields of all specs" if thing is specs.ComponentSpec else f"`{name}`"
            parts += [f"### {title}", *_described(name, thing)]
    assert not kinds, f"no heading for {kinds}"
    return _page(parts)


def _kind_of(thing: Any) -> str:
    from stackkit.api.option import Option
    from stackkit.api.specs import ComponentSpec

    if inspect.isfunction(thing):
        return "Functions"
    if not inspect.isclass(thing):
        return "Types"
    if issubclass(thing, Exception):
        return "Errors"
    if issubclass(thing, ComponentSpec | Option):
        return "Specs"
    return "Records" if is_dataclass(thing) else "Protocols"


def _described(name: str, thing: Any) -> Iterator[str]:
    if inspect.isfunction(thing):
        yield from _callable(name, thing)
    elif not inspect.isclass(thing):
        yield f"```python\n{name} = {_type(thing)}\n```"
        yield _told_below(name)
    elif issubclass(thing, Exception):
        yield _docstring(thing)
        yield f"Exit code {getattr(thing, 'exit_code', 1)}."
    elif is_dataclass(thing):
        yield _signature_block(name, fields(thing))
        yield _docstring(thing)
    else:
        yield _docstring(thing)
        for base in (base for base in thing.__bases__ if base.__module__.startswith("stackkit")):
            yield f"It has everything that `{base.__name__}` has, and:"
        for own, member in vars(thing).items():
            if not own.startswith("_") and isinstance(member, FunctionType | property):
                yield from _member(own, member)


def _told_below(name: str) -> str:
    """The text that stands below an alias where it is defined, or ""."""
    from stackkit.api import aggregator, dataset, option

    for module in (aggregator, dataset, option):
        for one, below in pairwise(ast.parse(inspect.getsource(module)).body):
            match one, below:
                case (
                    ast.Assign(targets=[ast.Name(id=target)])
                    | ast.AnnAssign(target=ast.Name(id=target)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ) if target == name:
                    return _paragraphs(inspect.cleandoc(text))
    return ""


def _signature_block(name: str, declared: tuple[Field[Any], ...]) -> str:
    # A deprecated field is the only one without a repr; the docstring explains it.
    lines = [f"    {one.name}: {one.type}{_default(one)}," for one in declared if one.repr]
    return "\n".join(["```python", f"{name}(", *lines, ")", "```"])


def _default(one: Field[Any]) -> str:
    return "" if one.default is MISSING else f" = {one.default!r}"


def _member(name: str, member: FunctionType | property) -> Iterator[str]:
    if isinstance(member, FunctionType):
        yield from _callable(name, member)
        return
    result = inspect.signature(member.fget).return_annotation  # type: ignore[arg-type]
    yield f"```python\n{name}: {_type(result)}\n```"
    yield _docstring(member)


def _callable(name: str, function: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(function)
    bare = [each.replace(annotation=_bare(each.annotation)) for each in signature.parameters.values()]
    shown = signature.replace(parameters=bare, return_annotation=_bare(signature.return_annotation))
    yield f"```python\n{name}{shown}\n```"
    yield _docstring(function)


class _Bare(str):
    """An annotation that a signature shows as it stands in the code, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _bare(annotation: Any) -> Any:
    return annotation if annotation is inspect.Parameter.empty else _Bare(_type(annotation))


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.removeprefix("typing.")


HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
"""Heading of a section of a numpydoc docstring."""

PROSE = ("Notes", "References", "Examples")
"""Sections of paragraphs."""

NAMED = ("Parameters", "Attributes")
"""Sections of entries with a name and a type; entries of the other sections are types."""


def _docstring(thing: Any) -> str:
    """A numpydoc docstring as Markdown: headings in bold, parameters as lists."""
    first, *rest = HEADING.split(inspect.getdoc(thing) or "")
    parts = [_paragraphs(first)]
    for heading, body in zip(rest[::2], rest[1::2], strict=True):
        shown = _paragraphs(body) if heading in PROSE else "\n".join(_entries(heading, body))
        parts += [f"**{heading}**", shown]
    return "\n\n".join(parts)


def _entries(heading: str, body: str) -> Iterator[str]:
    """Items such as "name : type", each with an indented description below."""
    for entry in re.split(r"\n(?=\S)", body.strip("\n")):
        if heading == "See Also":  # the description begins on the same line
            name, _, text = " ".join(entry.split()).partition(" : ")
            yield f"- `{name}`: {text}"
            continue
        head, *lines = (line.strip() for line in entry.split("\n"))
        name, _, kind = head.partition(" : ")
        shown = f"`{name}` (*{kind}*)" if heading in NAMED else f"*{head}*"
        yield f"- {shown}: {' '.join(lines)}"


def _paragraphs(text: str) -> str:
    """Paragraphs and items of lists, each on one line, as Markdown wraps it."""
    paragraphs = text.strip("\n").split("\n\n")
    items = [re.split(r"\n(?=- )", paragraph) for paragraph in paragraphs]
    return "\n\n".join("\n".join(" ".join(line.split()) for line in each) for each in items)


# docs/reference/python.md


def python_page() -> str:
    """Return the page of every name that `import stackkit` offers, and of the records of predictions."""
    import stackkit
    from stackkit.library.expected_accuracy import ExpectedAccuracy
    from stackkit.prediction.record import Candidate, Prediction, Vote

    things = [getattr(stackkit, name) for name in stackkit.__all__ if name != "__version__"]
    functions = [each for each in things if inspect.isfunction(each)]
    classes = [each for each in things if inspect.isclass(each)]
    parts = [
        "# Python API",
        NOTE,
        "What `import stackkit` offers. [Use stackkit from Python](../how-to/python.md) shows how. "
        "`stackkit.__version__` is the version as text.",
        "## Functions",
    ]
    for each in functions:
        parts += [f"### `stackkit.{each.__name__}`", *_callable(each.__name__, each)]
    parts.append("## Classes")
    for each in [*classes, Prediction, Candidate, Vote, ExpectedAccuracy]:
        prefix = "stackkit." if each in classes else ""
        parts += [f"### `{prefix}{each.__name__}`", *_class(each)]
    return _page(parts)


def _class(thing: type) -> Iterator[str]:
    from sklearn.base import BaseEstimator

    if issubclass(thing, BaseEstimator):  # users create only these
        yield from _callable(thing.__name__, thing)
    else:
        yield _docstring(thing)
    for name, member in vars(thing).items():
        if not name.startswith("_") and isinstance(member, FunctionType | property):
            yield from _member(name, member)


# docs/reference/gallery.md


_OWN = {"layer": {"choices": []}}
"""Options with values of each backbone's own, which are a column of the backbones' table."""


def gallery_page() -> str:
    """Return the page of stackkit's own components, from `stackkit list-plugins --json`."""
    from stackkit.api.specs import SPEC_TYPES

    components = _listed()
    parts = [
        "# Gallery",
        NOTE,
        "Every component that comes with stackkit, with its options and their defaults. "
        "`stackkit list-plugins` also shows third-party components and what is missing on your "
        "machine. Write an option as in `mnist:limit=50`, several as in "
        "`resnet50:size=160,pooling=max`. Write a comma inside a value as `\\,`, in quotes for the "
        "shell: `'image-folder:root=birds\\, 2024'`. Components share a table if they have the same "
        "options, apart from defaults and layers.",
    ]
    for kind in SPEC_TYPES:
        parts.append(f"## {kind.capitalize()}s")
        groups: dict[str, list[dict[str, Any]]] = {}
        for component in components:
            if component["kind"] == kind:
                alike = [{**option, **_OWN.get(option["name"], {})} for option in component["options"]]
                alike = [{**option, "default": None} for option in alike]
                groups.setdefault(json.dumps(alike), []).append(component)
        for group in groups.values():
            heads = ["name", "what it is"]
            heads += ["input", "features", "download", "layers"] if kind == "backbone" else []
            parts += [_table(heads, [_named(each) for each in group]), _options(group)]
    return _page(parts)


def _layers(component: dict[str, Any]) -> list[str]:
    return [
        layer
        for option in component["options"]
        if option["name"] == "layer"
        for layer in option["choices"]
    ]


def _named(component: dict[str, Any]) -> list[str]:
    from stackkit.cli.plugin_tables import megabytes

    needs = component["requires"]
    needed = f"; needs {', '.join(needs)} (`{component['install']}`)" if needs else ""
    cells = [f"`{component['name']}`", component["summary"] + needed]
    if component["kind"] == "backbone":
        size, width = component["image_size"], component["feature_dim"]
        cells += [f"{size} px" if size else "its own", f"{width:,}" if width else "its own"]
        cells.append(megabytes(component["download_bytes"]) or "none")
        cells.append(", ".join(f"`{layer}`" for layer in _layers(component)))
    return cells


def _options(group: list[dict[str, Any]]) -> str:
    """Return the table of options that a group of components share, apart from defaults."""
    from stackkit.cli.plugin_tables import allowed_values, value_text

    rows = []
    for alike in zip(*(component["options"] for component in group), strict=True):
        if alike[0]["name"] in _OWN:
            layers = "`none` or one of its layers above; several joined by `+`"
            rows.append([f"`{alike[0]['name']}`", "`none`", layers, alike[0]["help"]])
            continue
        defaults = {f"`{value_text(option['default'])}`" for option in alike}
        default = defaults.pop() if len(defaults) == 1 else "its own"
        going = f" (deprecated: {alike[0]['deprecated']})" if alike[0]["deprecated"] else ""
        allowed = allowed_values(alike[0], mark="`{}`".format)
        rows.append([f"`{alike[0]['name']}`", default, allowed, alike[0]["help"] + going])
    return _table(["option", "default", "values", "what it does"], rows) if rows else "No options."


def _listed() -> list[dict[str, Any]]:
    from stackkit.cli import main as stackkit

    os.environ["STACKKIT_PLUGINS"] = ""
    printed = io.StringIO()
    with _own_plugins(), redirect_stdout(printed):
        stackkit(["list-plugins", "--json"])
    listed: list[dict[str, Any]] = json.loads(printed.getvalue())["components"]
    return listed


@contextmanager
def _own_plugins() -> Iterator[None]:
    """Entry points as pyproject.toml has them, be stackkit installed from this state or another."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "stackkit-0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stackkit\nVersion: 0\n")
        lines = [f"{name} = {module}\n" for name, module in project["entry-points"]["stackkit"].items()]
        (folder / "entry_points.txt").write_text("[stackkit]\n" + "".join(lines))
        sys.path.insert(0, place)
        try:
            yield
        finally:
            sys.path.remove(place)


# docs/reference/cli.md


def cli_page() -> str:
    """Return the page of every command with its arguments and options."""
    from stackkit.cli.main import _app

    root = _app()
    parts = [
        "# The command line",
        NOTE,
        "`stackkit COMMAND --help` shows the same texts. [report.md](report.md) lists the exit codes.",
        "## `stackkit`",
        _texts(root),
        _parameters(root),
    ]
    for path, command in _commands(root, "stackkit"):
        parts += [f"## `{path}`", _texts(command), *_sections(command)]
    return _page(parts)


def _commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")


def _texts(command: Any) -> str:
    help_ = inspect.cleandoc(command.help or "")
    paragraphs = [" ".join(paragraph.split()) for paragraph in help_.split("\n\n")]
    return "\n\n".join(
        f"```sh\n{paragraph.removeprefix('Try: ')}\n```" if paragraph.startswith("Try: ") else paragraph
        for paragraph in paragraphs
    )


def _parameters(command: Any) -> str:
    context = command.make_context("stackkit", [], resilient_parsing=True)
    return _records(each.get_help_record(context) for each in command.params if each.name != "help")


def _records(records: Iterable[tuple[str, str]]) -> str:
    rows = [[f"`{usage}`", " ".join(what.split())] for usage, what in records]
    return _table(["option", "what it does"], rows) if rows else ""


def _sections(command: Any) -> Iterator[str]:
    """Yield the tables of a command, with the headings that --help shows."""
    from stackkit.cli.click_commands import OTHER

    if not hasattr(command, "sections"):
        yield _parameters(command)
        return
    context = command.make_context("stackkit", [], resilient_parsing=True)
    for title, records in command.sections(context).items():
        if title != OTHER:
            yield f"**{title}**"
            yield _records(records)


# Markdown


BAR = r"\|"  # which Markdown takes for no end of a cell, in code too


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |" for line in lines)


def _page(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
