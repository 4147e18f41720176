"""Specs: what a plugin can declare about a component, and what is refused."""

import math
import pickle
import re
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackkit.api.errors import UsageError
from stackkit.api.hookspecs import HOOKS
from stackkit.api.option import Option
from stackkit.api.specs import (
    SPEC_TYPES,
    AggregatorSpec,
    BackboneSpec,
    ComponentSpec,
    DatasetSpec,
    LearnerSpec,
)


def spec(**changes: Any) -> BackboneSpec:
    return BackboneSpec(**{"name": "colours", "summary": "", "factory": "a.b:c", **changes})


@pytest.mark.parametrize("kind", [DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec])
def test_every_type_of_spec_is_found_by_its_kind(kind: type[ComponentSpec]) -> None:
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
    with pytest.raises(ValueError, match="name must be lower-case letters"):
        spec(name=name)


@pytest.mark.parametrize("text", ["", "a.b", "a:", ":c", "a b:c", "a/b.py:c"])
def test_a_factory_that_does_not_name_a_callable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"factory must be 'package.module:callable', got "):
        spec(factory=text)


def test_the_other_callables_may_be_absent_but_not_malformed() -> None:
    assert spec(unavailable_reason="").unavailable_reason == ""
    with pytest.raises(
        ValueError, match=r"unavailable_reason must be 'package.module:callable', got 'a\.b'"
    ):
        spec(unavailable_reason="a.b")
    with pytest.raises(ValueError, match=r"fetch must be 'package.module:callable', got 'a\.b'"):
        DatasetSpec(name="d", summary="", factory="a:b", fetch="a.b")


def test_an_option_declared_twice_is_refused() -> None:
    option = Option(name="bins", default=4, help="")
    with pytest.raises(ValueError, match=r"option names must be unique, got \['bins', 'bins'\]"):
        spec(options=(option, option))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("requires", "torch", "must be a tuple of str, got str; write ('torch',) with a comma"),
        ("diagnoses", "a:b", "must be a tuple of str, got str; write ('a:b',) with a comma"),
        (
            "options",
            Option(name="bins", default=4, help=""),
            "must be a tuple of Option, got Option; write (Option(name='bins', ...),) with a comma",
        ),
        ("options", None, "must be a tuple of Option, got NoneType"),
        ("requires", (1,), "must be a tuple of str, got a tuple with int"),
    ],
)
def test_a_tuple_without_its_comma_is_refused_with_the_field_and_the_correction(
    field: str, value: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=f"^colours: {field} {re.escape(said)}$"):
        spec(**{field: value})


def test_an_option_refuses_a_tuple_without_its_comma() -> None:
    with pytest.raises(TypeError, match=r"write \('avg',\) with a comma$"):
        Option(name="pooling", default="avg", help="", choices="avg")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["torch>=", "torch[gpu]", "", "two words", "torch>=2; extra=='gpu'"])
def test_a_requirement_that_is_not_a_distribution_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="requires= takes names of distributions"):
        spec(requires=(name,))


@pytest.mark.parametrize("kind", [LearnerSpec, AggregatorSpec])
def test_process_state_is_a_tuple_of_names_or_a_callable(kind: Any) -> None:
    fields = {"name": "nearest", "summary": "", "factory": "a:b"}
    for state in (None, (), ("liblinear",), "a.b:state"):
        assert kind(**fields, process_state=state).process_state == state
    with pytest.raises(ValueError, match=r"must be a tuple such as \('lib',\), or .*, got 'lib'$"):
        kind(**fields, process_state="lib")
    with pytest.raises(TypeError, match="process_state must be a tuple of str, got a tuple with int"):
        kind(**fields, process_state=(1,))


@pytest.mark.parametrize("diagnoses", [("a.b",), ("a:b", "")])
def test_diagnoses_are_a_tuple_of_callables(diagnoses: Any) -> None:
    assert spec(diagnoses=("a:b", "c.d:e")).diagnoses == ("a:b", "c.d:e")
    with pytest.raises(ValueError, match=r"diagnoses must be a tuple of 'package.module:callable'"):
        spec(diagnoses=diagnoses)


def test_a_factory_is_imported_when_it_is_loaded_and_not_before() -> None:
    late = spec(factory="a_missing_module:fly")
    with pytest.raises(ModuleNotFoundError):
        late.load()
    assert spec(factory="collections:OrderedDict.fromkeys").load()("ab") == {"a": None, "b": None}


@pytest.mark.parametrize("name", ["batch-size", "", "two words", "1st", "class", "lambda"])
def test_an_option_name_that_is_not_an_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="the factory receives the option as a keyword argument"):
        Option(name=name, default=1, help="")


def test_a_default_of_none_needs_a_type() -> None:
    with pytest.raises(ValueError, match="option limit: default=None requires type="):
        Option(name="limit", default=None, help="")


def test_a_default_outside_the_choices_is_refused() -> None:
    with pytest.raises(ValueError, match="default must be one of the choices, got 'avgg'"):
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
    ("default", "text", "expected"),
    [
        (1, "1.5", "an integer"),
        (1, "", "an integer"),
        (1, "none", "an integer"),
        (1.0, "fast", "a number"),
        (1.0, "nan", "a number"),
        (True, "maybe", "true or false"),
        (True, "2", "true or false"),
    ],
)
def test_text_that_is_not_a_value_is_refused_with_what_is_expected(
    default: Any, text: str, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Option(name="x", default=default, help="").parse(text)
    assert str(caught.value) == f"option x must be {expected}, got {text!r}"


@pytest.mark.parametrize("text", ["none", "None", "NONE"])
def test_none_is_allowed_where_it_is_the_default(text: str) -> None:
    assert Option(name="limit", default=None, type=int, help="").parse(text) is None


def test_a_typed_option_with_a_default_of_none_parses_values_of_its_type() -> None:
    limit = Option(name="limit", default=None, type=int, help="")
    assert limit.parse("12") == 12
    with pytest.raises(UsageError, match="must be an integer, got 'many'"):
        limit.parse("many")


def test_only_the_choices_are_allowed() -> None:
    pooling = Option(name="pooling", default="avg", help="", choices=("avg", "max"))
    assert pooling.parse("max") == "max"
    with pytest.raises(UsageError, match="option pooling must be one of avg, max, got sum"):
        pooling.parse("sum")


def test_none_stays_allowed_beside_choices() -> None:
    weight = Option(name="w", default=None, type=str, help="", choices=("balanced",))
    assert weight.parse("none") is None
    assert weight.parse("balanced") == "balanced"


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text()))
def test_the_str_of_a_value_is_parsed_back(value: Any) -> None:
    assert Option(name="x", default=value, help="").parse(str(value)) == value


@pytest.mark.parametrize(
    ("bounds", "text", "limit"),
    [
        ({"above": 0}, "0", "> 0"),
        ({"above": 0}, "inf", "finite"),
        ({"minimum": 1}, "0.5", "at least 1"),
        ({"minimum": 0, "maximum": 3}, "4", "at most 3"),
    ],
)
def test_a_number_outside_the_declared_bounds_is_refused_with_the_bound(bounds, text, limit):
    option = Option(name="C", default=1.0, help="", **bounds)
    with pytest.raises(UsageError, match=f"option C must be .*{limit}.*, got {float(text)}"):
        option.parse(text)
    assert option.parse("2") == 2.0


def test_a_word_may_be_allowed_besides_numbers():
    strength = Option(name="C", default=1.0, help="", words=("auto",), above=0)
    assert strength.parse("auto") == "auto"
    assert strength.parse("3") == 3.0
    with pytest.raises(UsageError, match=r"^option C must be a number or auto, got 'often'$"):
        strength.parse("often")
    with pytest.raises(UsageError, match="> 0"):
        strength.parse("0")


def test_a_word_may_be_the_default_if_the_type_is_given():
    count = Option(name="n", default="auto", type=int, help="", words=("auto",))
    assert (count.parse("auto"), count.parse("7")) == ("auto", 7)
    with pytest.raises(UsageError, match=r"^option n must be an integer or auto, got '1\.5'$"):
        count.parse("1.5")


@pytest.mark.parametrize(
    "stated", [{"default": "a"}, {"default": True}, {"default": 1, "choices": (1, 2)}]
)
def test_words_without_numbers_are_refused(stated):
    with pytest.raises(
        ValueError, match="option x: words= is for numbers without choices=; use choices= instead"
    ):
        Option(name="x", help="", words=("auto",), **stated)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"summary": None}, "a: summary must be str, got NoneType"),
        ({"install": 3}, "a: install must be str, got int"),
        (
            {"options": [Option(name="bins", default=4, help="")]},
            "a: options must be a tuple of Option, got list",
        ),
        ({"options": ("bins",)}, "a: options must be a tuple of Option, got a tuple with str"),
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
        ({"default": [4]}, "bins: default must be str, int, float, bool or None, got list"),
        ({"help": None}, "bins: help must be str, got NoneType"),
        (
            {"choices": (4, object())},
            "bins: choices must be a tuple of str, int, float, bool or None, got a tuple with object",
        ),
        ({"words": "auto"}, "bins: words must be a tuple of str, got str"),
    ],
)
def test_a_field_of_an_option_of_another_type_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Option(**{"name": "bins", "default": 4, "help": ""} | fields)


def test_no_plugin_can_change_which_hooks_are_called() -> None:
    for table in (SPEC_TYPES, HOOKS):
        with pytest.raises(AttributeError):
            table.clear()  # type: ignore[attr-defined]


def test_the_deprecated_name_of_unavailable_reason_works_and_warns_with_the_component() -> None:
    expected = r"^backbone colours: lacking= is deprecated .* use unavailable_reason=$"
    with pytest.warns(FutureWarning, match=expected) as seen:
        old = spec(lacking="a:why")
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert old.unavailable_reason == old.lacking == "a:why"
    assert old == spec(unavailable_reason="a:why")


@pytest.mark.filterwarnings("error")
def test_only_giving_the_deprecated_name_warns() -> None:
    new = spec(unavailable_reason="a:why")
    assert new.lacking == "a:why"
    assert pickle.loads(pickle.dumps(new)) == replace(new, summary="") == new
    assert replace(new, unavailable_reason="a:other").lacking == "a:other"


def test_both_names_of_unavailable_reason_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^backbone colours: got both unavailable_reason= and .* lacking="
    ):
        spec(unavailable_reason="a:why", lacking="a:why")


def test_the_deprecated_name_is_checked_like_the_new_one() -> None:
    with pytest.raises(TypeError, match="lacking must be str, got NoneType"):
        spec(lacking=None)
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ValueError, match=r"must be 'package.module:callable', got 'a\.b'"),
    ):
        spec(lacking="a.b")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"default": 1, "several": "expand"}, "several= is for options whose values are texts"),
        ({"default": (1,), "several": "tuple"}, "several= is for options whose values are texts"),
        ({"default": "a", "choices": ("a", "b+c"), "several": "expand"}, r"'b\+c' contains '\+'"),
        ({"default": ("c",), "choices": ("a",), "several": "tuple"}, "default must be one of"),
        ({"default": "a", "several": "both"}, "several must be 'expand', 'tuple' or None"),
    ],
)
def test_an_option_with_several_values_that_cannot_be_told_apart_is_refused(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Option(name="which", help="", **fields)


def test_only_an_option_with_several_values_has_a_tuple_as_its_default() -> None:
    for fields in ({"default": ()}, {"default": "a", "several": "tuple"}):
        with pytest.raises(TypeError, match="default must be"):
            Option(name="which", help="", **fields)
