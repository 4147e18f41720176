"""What `import stackkit` offers, to people and to type checkers."""

import re
from pathlib import Path

import pytest

import stackkit


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    for name in stackkit.__all__:
        assert name in dir(stackkit)
        assert name == "__version__" or getattr(stackkit, name).__doc__


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    stub = Path(stackkit.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    told = dict(re.findall(r"^from stackkit\.library\.\w+ import (\w+) as (\w+)$", stub, re.M))
    assert {*told} == {*told.values()} == {*stackkit.__all__} - {"__version__"}
    for module, name in re.findall(r"^from (stackkit\.library\.\w+) import (\w+)", stub, re.M):
        assert getattr(stackkit, name).__module__ == module


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'stackkit' has no attribute 'trian'"):
        stackkit.trian  # noqa: B018
