"""`stackkit recipes`: list the named recipes with their cost, or print one as a file to start from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import StackkitError
from stackkit.cli import options
from stackkit.cli.completion import complete_recipes
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.host.registry import Registry


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]",
            autocompletion=complete_recipes,
            help="Print this recipe as a TOML file.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List the recipes of stackkit with their cost, or print one.

    With NAME, print the recipe itself: a file to change and to use by its path.

    Try: stackkit recipes recommended
    """
    from stackkit.host.registry import Registry
    from stackkit.recipe.recipe_file import load_recipe, names, path_of

    if name is not None and not as_json:
        load_recipe(name)  # a file that cannot be used is refused
        say_lines(path_of(name).read_text(encoding="utf-8"))
        return
    registry = Registry(host=the_host())
    with stdout_set_aside():  # asking what is missing calls code of plugins
        documents = [_document(registry, each) for each in ([name] if name is not None else names())]
    if as_json:
        print_json(documents[0] if name is not None else {"recipes": documents})
        return
    for document in documents:
        _show(document)
    say("Use one with `stackkit run --recipe NAME`; `stackkit suggest` compares them on your images.")


def say_lines(text: str) -> None:
    """Print a text of several lines as it is."""
    for line in text.removesuffix("\n").split("\n"):
        say(line)


def _document(registry: Registry, name: str) -> dict[str, Any]:
    """Describe a recipe: what is in its file, all settings, and what keeps it from running now."""
    from stackkit.recipe import compose, load_recipe
    from stackkit.recipe.recipe import settings_of

    file = load_recipe(name)
    recipe = compose(file, "", {})
    reason = _unavailable_reason(registry, recipe.backbones)
    settings = {key: value for key, value in settings_of(recipe).items() if value != ""}
    return {
        "name": name,
        "summary": file.summary,
        "cost": file.cost,
        "status": "not ready" if reason else "ok",
        "unavailable_reason": reason,
        **settings,
    }


def _unavailable_reason(registry: Registry, backbones: tuple[str, ...]) -> str | None:
    """Return why one of the backbones cannot run offline now, or None."""
    from stackkit.host.configured_component import first_unavailable

    try:
        return first_unavailable(registry.several("backbone", backbones))
    except StackkitError as error:
        return str(error)


def _show(document: dict[str, Any]) -> None:
    say(f"{document['name']}: {document['summary']}", bold=True)
    say(f"  cost      {document['cost'] or 'not stated'}")
    for number, backbone in enumerate(document["backbones"]):
        say(f"  {'' if number else 'networks':<10}{backbone}")
    say(f"  learners  {', '.join(document['learners'])}; {', '.join(document['aggregators'])}")
    say(f"  status    {document['unavailable_reason'] or 'ready to run on this machine'}")
    say()
