"""Specs: what a plugin may say about a component, and what is refused at once."""

import math
import pickle
import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackkit.api.errors import UsageError
from stackkit.api.hookspecs import HOOKS
from stackkit.api.specs import (
    SPEC_TYPES,
    AggregatorSpec,
    BackboneSpec,
    ComponentSpec,
    DatasetSpec,
    LearnerSpec,
    Option,
)


def spec(**changes: Any) -> BackboneSpec:
    return BackboneSpec(**{"name": "colours", "summary": "", "factory": "a.b:c", **changes})


@pytest.mark.parametrize("kind", [DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec])
def test_every_kind_of_spec_is_known_by_its_kind(kind: type[ComponentSpec]) -> None:
    assert SPEC_TYPES[kind.kind] is kind


def test_a_spec_is_frozen_and_can_be_compared_hashed_and_pickled() -> None:
    one, two = spec(options=(Option(name="bins", default=4, help=""),)), spec()
    assert one != two
    assert two == spec()
    assert hash(two) == hash(spec())
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(FrozenInstanceError):
        one.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["vgg19", "efficientnet-lite0", "v2.1_b", "0"])
def test_a_name_of_lower_case_letters_digits_and_a_few_signs_is_taken(name: str) -> None:
    assert spec(name=name).name == name


@pytest.mark.parametrize("name", ["", "VGG", "a b", "a/b", "a:b", "a,b", "-a", "a*", "é", "a\n"])
def test_a_name_that_would_be_ambiguous_on_a_command_line_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name is lower-case letters"):
        spec(name=name)


@pytest.mark.parametrize("text", ["", "a.b", "a:", ":c", "a b:c", "a/b.py:c"])
def test_a_factory_that_names_no_callable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"factory .* is not 'package.module:callable'"):
        spec(factory=text)


def test_the_other_callables_may_be_absent_but_not_malformed() -> None:
    assert spec(unavailable_reason="").unavailable_reason == ""
    with pytest.raises(ValueError, match=r"lacking 'a\.b' is not"):
        spec(unavailable_reason="a.b")
    with pytest.raises(ValueError, match=r"fetch 'a\.b' is not"):
        DatasetSpec(name="d", summary="", factory="a:b", fetch="a.b")


def test_an_option_declared_twice_is_refused() -> None:
    option = Option(name="bins", default=4, help="")
    with pytest.raises(ValueError, match="declared twice"):
        spec(options=(option, option))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("requires", "torch", "is no tuple of str; the comma is missing: ('torch',)"),
        ("diagnoses", "a:b", "is no tuple of str; the comma is missing: ('a:b',)"),
        (
            "options",
            Option(name="bins", default=4, help=""),
            "is no tuple of Option; the comma is missing: (Option(name='bins', ...),)",
        ),
        ("options", None, "is no tuple of Option"),
        ("requires", (1,), "is no tuple of str"),
    ],
)
def test_a_tuple_without_its_comma_is_refused_with_the_field_and_what_was_meant(
    field: str, value: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=f"^colours: {field} {re.escape(said)}$"):
        spec(**{field: value})


def test_so_it_is_in_an_option() -> None:
    with pytest.raises(TypeError, match=r"the comma is missing: \('avg',\)$"):
        Option(name="pooling", default="avg", help="", choices="avg")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["torch>=", "torch[gpu]", "", "two words", "torch>=2; extra=='gpu'"])
def test_a_requirement_that_no_distribution_is_called_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a distribution's name is wanted"):
        spec(requires=(name,))


@pytest.mark.parametrize("diagnoses", [("a.b",), ("a:b", "")])
def test_diagnoses_are_a_tuple_of_callables(diagnoses: Any) -> None:
    assert spec(diagnoses=("a:b", "c.d:e")).diagnoses == ("a:b", "c.d:e")
    with pytest.raises(ValueError, match=r"diagnoses .* is not a tuple of 'package.module:callable'"):
        spec(diagnoses=diagnoses)


def test_a_factory_is_imported_when_it_is_loaded_and_not_before() -> None:
    late = spec(factory="a_module_that_nobody_has:fly")
    with pytest.raises(ModuleNotFoundError):
        late.load()
    assert spec(factory="collections:OrderedDict.fromkeys").load()("ab") == {"a": None, "b": None}


@pytest.mark.parametrize("name", ["batch-size", "", "two words", "1st", "class", "lambda"])
def test_an_option_that_could_be_no_keyword_argument_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="the factory gets it as a keyword argument, and"):
        Option(name=name, default=1, help="")


def test_a_default_of_none_needs_a_type() -> None:
    with pytest.raises(ValueError, match="option limit: a default of None needs type="):
        Option(name="limit", default=None, help="")


def test_a_default_outside_the_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="the default 'avgg' is none of the choices"):
        Option(name="pooling", default="avgg", help="", choices=("avg", "max"))


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (1, "-3", -3),
        (1.0, "3", 3.0),
        (1.0, "1e-4", 1e-4),
        (1.0, "inf", math.inf),
        (True, "no", False),
        (False, "TRUE", True),
        (False, "1", True),
        ("a", "", ""),
        ("a", "none", "none"),
        ("a", "1", "1"),
    ],
)
def test_the_type_of_a_value_is_that_of_the_default(default: Any, text: str, value: Any) -> None:
    parsed = Option(name="x", default=default, help="").parse(text)
    assert parsed == value
    assert type(parsed) is type(default)


@pytest.mark.parametrize(
    ("default", "text", "wanted"),
    [
        (1, "1.5", "a whole number"),
        (1, "", "a whole number"),
        (1, "none", "a whole number"),
        (1.0, "fast", "a number"),
        (1.0, "nan", "a number"),
        (True, "maybe", "true or false"),
        (True, "2", "true or false"),
    ],
)
def test_text_that_is_no_such_value_is_refused_with_what_is_wanted(
    default: Any, text: str, wanted: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Option(name="x", default=default, help="").parse(text)
    assert str(caught.value) == f"option x={text}: {wanted} is wanted"


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
def test_none_can_be_said_where_it_is_the_default(text: str) -> None:
    assert Option(name="limit", default=None, type=int, help="").parse(text) is None


def test_a_typed_option_with_a_default_of_none_parses_values_of_its_type() -> None:
    limit = Option(name="limit", default=None, type=int, help="")
    assert limit.parse("12") == 12
    with pytest.raises(UsageError, match="a whole number is wanted"):
        limit.parse("many")


def test_only_the_choices_are_allowed() -> None:
    pooling = Option(name="pooling", default="avg", help="", choices=("avg", "max"))
    assert pooling.parse("max") == "max"
    with pytest.raises(UsageError, match="option pooling=sum: choose one of avg, max"):
        pooling.parse("sum")


def test_none_stays_sayable_beside_choices() -> None:
    weight = Option(name="w", default=None, type=str, help="", choices=("balanced",))
    assert weight.parse("none") is None
    assert weight.parse("balanced") == "balanced"


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_whatever_python_writes_for_a_value_is_read_back(value: Any) -> None:
    assert Option(name="x", default=value, help="").parse(str(value)) == value


@pytest.mark.parametrize(
    ("bounds", "text", "wanted"),
    [
        ({"above": 0}, "0", "above 0"),
        ({"above": 0}, "inf", "finite"),
        ({"minimum": 1}, "0.5", "at least 1"),
        ({"minimum": 0, "maximum": 3}, "4", "at most 3"),
    ],
)
def test_a_number_outside_the_declared_bounds_is_refused_with_the_bound(bounds, text, wanted):
    option = Option(name="C", default=1.0, help="", **bounds)
    with pytest.raises(UsageError, match=f"option C=.*{wanted}.* is wanted"):
        option.parse(text)
    assert option.parse("2") == 2.0


def test_a_word_may_stand_beside_numbers():
    strength = Option(name="C", default=1.0, help="", words=("auto",), above=0)
    assert strength.parse("auto") == "auto"
    assert strength.parse("3") == 3.0
    with pytest.raises(UsageError, match=r"^option C=often: a number or auto is wanted$"):
        strength.parse("often")
    with pytest.raises(UsageError, match="above 0"):
        strength.parse("0")


def test_a_word_may_be_the_default_if_the_type_is_said():
    count = Option(name="n", default="auto", type=int, help="", words=("auto",))
    assert (count.parse("auto"), count.parse("7")) == ("auto", 7)
    with pytest.raises(UsageError, match=r"^option n=1\.5: a whole number or auto is wanted$"):
        count.parse("1.5")


@pytest.mark.parametrize(
    "stated", [{"default": "a"}, {"default": True}, {"default": 1, "choices": (1, 2)}]
)
def test_words_beside_anything_but_numbers_are_refused(stated):
    with pytest.raises(ValueError, match="option x: words stand beside numbers; use choices"):
        Option(name="x", help="", words=("auto",), **stated)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"summary": None}, "a: summary is NoneType; str is wanted"),
        ({"install": 3}, "a: install is int; str is wanted"),
        ({"options": [Option(name="bins", default=4, help="")]}, "a: options is no tuple of Option"),
        ({"options": ("bins",)}, "a: options is no tuple of Option"),
    ],
)
def test_a_field_of_another_type_is_refused_where_it_is_written(
    fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        BackboneSpec(**{"name": "a", "summary": "", "factory": "a:b"} | fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"default": [4]}, "bins: default is list; "),
        ({"help": None}, "bins: help is NoneType; str is wanted"),
        ({"choices": (4, object())}, "bins: choices is no tuple of text, numbers, "),
        ({"words": "auto"}, "bins: words is no tuple of str"),
    ],
)
def test_so_is_one_of_an_option(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Option(**{"name": "bins", "default": 4, "help": ""} | fields)


def test_no_plugin_can_change_which_questions_are_asked() -> None:
    for table in (SPEC_TYPES, HOOKS):
        with pytest.raises(AttributeError):
            table.clear()  # type: ignore[attr-defined]
