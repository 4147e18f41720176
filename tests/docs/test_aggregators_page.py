"""aggregators.md lists every aggregator and what it is fitted on, and its code runs."""

import importlib
import re
import tomllib

import pytest
from support.pages import REPOSITORY, text_of

from stackkit.api import AggregatorSpec

PAGE = text_of("aggregators.md")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \|[^|]+\| ([\w-]+) \|[^|]+\|$", PAGE, re.M))
LEARN_NOTHING = {"soft-vote", "geometric-vote", "majority-vote"}


def own_aggregators() -> dict[str, AggregatorSpec]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    modules = [importlib.import_module(name) for name in project["entry-points"]["stackkit"].values()]
    specs = [
        spec
        for module in modules
        if hasattr(module, "stackkit_aggregators")
        for spec in module.stackkit_aggregators()
    ]
    return {spec.name: spec for spec in specs}


def test_the_table_has_every_aggregator_and_no_other() -> None:
    assert ROWS.keys() == own_aggregators().keys()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_table_says_what_each_is_fitted_on(name: str) -> None:
    spec = own_aggregators()[name]
    made = spec.load()(**{option.name: option.default for option in spec.options})
    assert ROWS[name] == ("nothing" if name in LEARN_NOTHING else made.fit_on)


def test_every_aggregator_that_is_named_anywhere_exists_with_its_options() -> None:
    specs = own_aggregators()
    for name, option, value in re.findall(r"`([\w-]+):(\w+)=([\w.-]+)`", PAGE):
        (declared,) = (known for known in specs[name].options if known.name == option)
        declared.parse(value)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.S))
def test_every_block_runs(block: str) -> None:
    exec(compile(block, "aggregators.md", "exec"), {})
