"""The registry turns what a user types into components with options, and those into objects."""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackkit.api.errors import DatasetError, PluginError, UsageError
from stackkit.api.option import Option
from stackkit.api.specs import BackboneSpec, ComponentSpec, DatasetSpec, LearnerSpec
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent, describe
from stackkit.host.host import Host, PluginRecord
from stackkit.host.host_options import VIEWS_OF_LEARNER
from stackkit.host.registry import Registry, with_machine, with_seed
from stackkit.host.requirements import missing_requirements

OPTIONS = (
    Option(name="C", default=1.0, help=""),
    Option(name="max_iter", default=100, help=""),
    Option(name="fit_intercept", default=True, help=""),
    Option(name="limit", default=None, type=int, help=""),
    Option(name="root", default="", help=""),
    Option(name="note", default="plain", help=""),
    Option(name="solver", default="lbfgs", choices=("lbfgs", "saga"), help=""),
    Option(name="seed", default=0, help=""),
)


def learner(name: str, plugin: str = "own", **changes: Any) -> Component:
    # `dict` as a factory gives back the keywords it was called with.
    fields = {"name": name, "summary": "", "factory": "builtins:dict", "options": OPTIONS, **changes}
    return component(LearnerSpec(**fields), plugin)


def component(spec: ComponentSpec, plugin: str = "own") -> Component:
    distribution = "stackkit" if plugin == "own" else f"{plugin}-dist"
    return Component(spec=spec, plugin=plugin, distribution=distribution, version="1.2")


def registry(*components: Component, broken: tuple[str, ...] = (), seed: int = 0) -> Registry:
    records = [
        PluginRecord(name=name, distribution=name, version="1", stage="import", error="E: no")
        for name in broken
    ]
    ordered = sorted(components, key=lambda c: (c.kind, c.qualified_name))
    return Registry(host=Host(plugins=tuple(records), components=tuple(ordered)), seed=seed)


LEARNERS = registry(
    learner("logistic"),
    learner("logistic-ovr"),
    learner("linear-svm"),
    learner("logistic", "acme"),
    learner("forest", "acme"),
    learner("ridge", "acme"),
    learner("ridge", "zenith"),
)


def asked(*texts: str) -> list[str]:
    return [choice.text for choice in LEARNERS.several("learner", texts)]


def refusal(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        LEARNERS.several("learner", [text])
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "qualified_name"),
    [
        ("linear-svm", "own/linear-svm"),
        ("own/linear-svm", "own/linear-svm"),
        ("logistic", "own/logistic"),
        ("acme/logistic", "acme/logistic"),
        ("forest", "acme/forest"),
        ("zenith/ridge", "zenith/ridge"),
    ],
)
def test_a_name_selects_stackkits_own_component_or_the_only_one_of_a_third_party(
    text: str, qualified_name: str
) -> None:
    assert LEARNERS.one("learner", text).component.qualified_name == qualified_name


def test_an_ambiguous_name_is_refused_with_the_qualified_names() -> None:
    assert refusal("ridge") == (
        "learner 'ridge' is ambiguous; use the qualified name: "
        "acme/ridge (acme-dist) or zenith/ridge (zenith-dist)"
    )


def test_short_name_is_the_shortest_unambiguous_name() -> None:
    names = [LEARNERS.short_name(component) for component in LEARNERS.of_kind("learner")]
    assert names == [
        "forest",
        "acme/logistic",
        "acme/ridge",
        "linear-svm",
        "logistic",
        "logistic-ovr",
        "zenith/ridge",
    ]
    for name, expected in zip(names, LEARNERS.of_kind("learner"), strict=True):
        assert LEARNERS.one("learner", name).component == expected


def test_comma_lists_and_repeated_texts_keep_their_order() -> None:
    assert asked("linear-svm,logistic", "forest") == ["linear-svm", "logistic", "forest"]
    assert asked(" linear-svm , logistic ") == ["linear-svm", "logistic"]


def test_options_belong_to_the_name_before_them() -> None:
    assert asked("logistic:C=10,max_iter=5,forest,linear-svm:C=2") == [
        "logistic:C=10.0,max_iter=5",
        "forest",
        "linear-svm:C=2.0",
    ]
    assert asked("logistic: C=10, max_iter=5") == ["logistic:C=10.0,max_iter=5"]


def test_options_get_the_types_of_their_defaults() -> None:
    text = "logistic:C=10,max_iter=5,fit_intercept=no,limit=3,root=7,solver=saga"
    options = LEARNERS.one("learner", text).options
    assert options == {
        "C": 10.0,
        "max_iter": 5,
        "fit_intercept": False,
        "limit": 3,
        "root": "7",
        "note": "plain",
        "solver": "saga",
        "seed": 0,
    }
    assert {key: type(value) for key, value in options.items()}["C"] is float


def test_a_pattern_selects_every_component_it_matches_by_short_or_qualified_name() -> None:
    assert asked("logistic*") == ["acme/logistic", "logistic", "logistic-ovr"]
    assert asked("acme/*") == ["forest", "acme/logistic", "acme/ridge"]
    assert asked("*ridge:C=3") == ["acme/ridge:C=3.0", "zenith/ridge:C=3.0"]
    assert asked("logisti[c]") == ["acme/logistic", "logistic"]


def test_a_component_with_the_same_options_is_selected_once() -> None:
    assert asked("logistic", "own/logistic", "logistic:C=1", "logistic:C=1.0") == ["logistic"]
    assert asked("logistic:C=2,logistic,logistic:C=2.0") == ["logistic:C=2.0", "logistic"]
    assert asked("forest", "acme/*") == ["forest", "acme/logistic", "acme/ridge"]


def test_one_refuses_a_text_that_selects_several() -> None:
    with pytest.raises(UsageError, match=r"expected exactly one learner; 'logistic\*' selects 3"):
        LEARNERS.one("learner", "logistic*")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"a\,b", "a,b"),
        (r"a\,C=3", "a,C=3"),
        (r"C:\data\birds", r"C:\data\birds"),
        ("C:\\data\\", "C:\\data\\"),
        (r"\\server\birds", r"\\server\birds"),
        (r"a\\\,b", r"a\,b"),
        ("a=b:c", "a=b:c"),
        ("", ""),
    ],
)
def test_a_value_may_contain_escaped_commas_and_any_backslash(text: str, value: str) -> None:
    assert LEARNERS.one("learner", f"logistic:root={text}").options["root"] == value


def test_a_doubled_backslash_before_a_comma_ends_the_value() -> None:
    options = LEARNERS.one("learner", "logistic:root=C:\\data\\\\,C=3").options
    assert (options["root"], options["C"]) == ("C:\\data\\", 3.0)


def test_an_unknown_name_is_refused_with_similar_names() -> None:
    assert refusal("logistik") == (
        "unknown learner 'logistik'; did you mean logistic or logistic-ovr or acme/logistic?"
    )


def test_an_unknown_name_without_similar_ones_is_refused_with_all_names() -> None:
    few = registry(learner("logistic"), learner("linear-svm"))
    with pytest.raises(UsageError) as caught:
        few.one("learner", "qqq")
    assert str(caught.value) == "unknown learner 'qqq'; available: linear-svm, logistic"


def test_an_unknown_name_is_refused_with_the_plugins_that_failed_to_load() -> None:
    hurt = registry(learner("logistic"), broken=("acme",))
    with pytest.raises(UsageError, match=r"\(failed to load: acme; see `stackkit list-plugins`\)$"):
        hurt.one("learner", "forest")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("acme", "unknown learner 'acme'"),
        ("acme/forest", "unknown learner 'acme/forest'"),
        ("acm*", "no learner matches 'acm*'"),
    ],
)
def test_the_name_of_a_failed_plugin_is_answered_with_its_error_instead_of_similar_names(
    name: str, said: str
) -> None:
    hurt = registry(learner("acne"), broken=("acme", "zenith"))
    with pytest.raises(PluginError) as caught:
        hurt.one("learner", name)
    assert str(caught.value) == f"{said}: plugin acme (acme 1) failed at import: E: no"


def test_a_typo_gets_its_own_message_though_a_plugin_file_of_the_command_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", "/broken.py")
    hurt = registry(learner("logistic"), learner("linear-svm"), broken=("/broken.py",))
    for typo in ("logistc", "logistics", "Logistic"):
        with pytest.raises(UsageError, match=rf"unknown learner '{typo}'; did you mean logistic\?"):
            hurt.one("learner", typo)
    # What resembles no known name may be a component of that file.
    with pytest.raises(PluginError, match=r"unknown learner 'forest': plugin /broken\.py .* failed"):
        hurt.one("learner", "forest")


def test_a_name_of_another_kind_is_unknown() -> None:
    with pytest.raises(UsageError, match="unknown backbone 'logistic'; no backbone is available"):
        LEARNERS.one("backbone", "logistic")


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    assert refusal("logistix*").startswith("no learner matches 'logistix*'; did you mean logistic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("logistic:c=1", "logistic has no option 'c'; available: C, max_iter, fit_intercept, limit, "),
        ("logistic:max_itr=1", "logistic has no option 'max_itr'; did you mean max_iter?"),
        ("logistic:C=1,C=2", "'logistic:C=1,C=2' sets C twice"),
        ("logistic:C=high", "logistic: option C must be a number, got 'high'"),
        ("logistic:C=nan", "logistic: option C must be a number, got 'nan'"),
        ("logistic:max_iter=1.5", "logistic: option max_iter must be an integer, got '1.5'"),
        ("logistic:fit_intercept=2", "logistic: option fit_intercept must be true or false, got '2'"),
        ("logistic:solver=sgd", "logistic: option solver must be one of lbfgs, saga, got sgd"),
        ("acme/logistic:C=x", "acme/logistic: option C must be a number, got 'x'"),
        ("logistic:C", "'logistic:C': expected key=value, got 'C'"),
        ("logistic:", "'logistic:': expected key=value, got ''"),
        ("logistic:=1", "'logistic:=1': expected key=value, got '=1'"),
        ("C=1", "'C=1' starts with an option; write name:key=value"),
        ("", "'' contains an empty component name"),
        ("logistic,,forest", "'logistic,,forest' contains an empty component name"),
        (":C=1", "':C=1' contains an empty component name"),
    ],
)
def test_invalid_text_is_refused_with_what_is_valid(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("logistic:max_iter=6:note=l1", "; separate options by commas: ...,note=l1"),
        ("logistic:C=1:fit_intercept=no", "; separate options by commas: ...,fit_intercept=no"),
        ("logistic:max_iter=6:norm=l1", "must be an integer, got '6:norm=l1'"),
    ],
)
def test_a_colon_instead_of_a_comma_is_recognised(text: str, hint: str) -> None:
    assert refusal(text).endswith(hint)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("logistic:C=2,root=a,b.zip", r"'logistic:C=2,root=a\,b.zip'"),
        (r"logistic:root=a\,b,c.zip", r"'logistic:root=a\,b\,c.zip'"),
        ("forest,logistic:root=one, two", r"'logistic:root=one\,two'"),
    ],
)
def test_a_comma_inside_a_value_is_recognised_and_the_escaped_text_is_shown(
    text: str, written: str
) -> None:
    assert refusal(text).endswith(f"; if the comma belongs to root=, write {written}")
    (word,) = shlex.split(written)
    assert "," in str(LEARNERS.one("learner", word).options["root"])


def test_an_unknown_name_after_one_without_options_has_no_hint_about_commas() -> None:
    assert "comma" not in refusal("logistic,b.zip")


def test_an_option_of_a_component_without_options_is_refused() -> None:
    bare = registry(component(DatasetSpec(name="bare", summary="", factory="builtins:dict")))
    with pytest.raises(UsageError, match="bare has no option 'x'; available: none"):
        bare.one("dataset", "bare:x=1")


def test_an_option_that_stackkit_adds_is_set_and_named_like_others_and_reaches_no_factory() -> None:
    bare = registry(learner("bare", options=()))
    chosen = bare.one("learner", "bare:views=average")
    assert chosen.text == chosen.label == "bare:views=average"
    assert chosen.host_option(VIEWS_OF_LEARNER) == "average"
    assert chosen.create() == {}
    assert describe([chosen])[0]["options"] == {"views": "average"}
    default = bare.one("learner", "bare:views=rows")
    assert (default.text, default.host_option(VIEWS_OF_LEARNER)) == ("bare", "rows")
    with pytest.raises(
        UsageError, match="views must be one of rows, average, probabilities, auto, got all"
    ):
        bare.one("learner", "bare:views=all")


def test_an_option_that_a_plugin_has_declared_under_a_name_of_stackkits_stays_the_plugins() -> None:
    views = Option(name="views", default=2, help="number of views")
    chosen = registry(learner("own-views", options=(views,))).one("learner", "own-views:views=3")
    assert chosen.create() == {"views": 3}
    assert chosen.host_option(VIEWS_OF_LEARNER) == "rows"


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
tricky = st.text(alphabet=r"\,=: aC", max_size=8)
values = st.fixed_dictionaries(
    {
        "C": st.floats(allow_nan=False),
        "max_iter": st.integers(),
        "fit_intercept": st.booleans(),
        "limit": st.none() | st.integers(),
        "root": text | tricky,
        "note": text | tricky,
        "solver": st.sampled_from(["lbfgs", "saga"]),
        "seed": st.integers(0, 9),
    }
)


@given(options=values, seed=st.integers(0, 3))
def test_the_canonical_text_selects_the_same_component_and_options(
    options: dict[str, Any], seed: int
) -> None:
    seeded = with_seed(LEARNERS, seed)
    component = LEARNERS.one("learner", "acme/logistic").component
    run_defaults = seeded.default(component).run_defaults
    choice = ConfiguredComponent(
        component=component, options=options, name="acme/logistic", run_defaults=run_defaults
    )
    assert seeded.one("learner", choice.text).options == options
    assert seeded.one("learner", choice.text).text == choice.text


def test_the_canonical_text_contains_only_what_differs_from_the_defaults() -> None:
    assert asked("logistic:C=1.0,max_iter=100,seed=0,limit=none") == ["logistic"]
    assert asked(r"own/logistic:root=a\,b,fit_intercept=no") == [
        r"logistic:fit_intercept=false,root=a\,b"
    ]


def test_default_is_what_the_name_without_options_selects() -> None:
    component = LEARNERS.one("learner", "forest").component
    assert LEARNERS.default(component) == LEARNERS.one("learner", "forest")


def test_the_seed_of_the_run_reaches_components_that_declare_one() -> None:
    seeded = with_seed(registry(learner("a"), learner("b", options=())), 7)
    assert seeded.one("learner", "a").options["seed"] == 7
    assert seeded.one("learner", "b").options == {}


def test_a_seed_given_with_the_component_wins_and_stays_in_its_text() -> None:
    seeded = with_seed(LEARNERS, 7)
    assert seeded.one("learner", "logistic:seed=3").options["seed"] == 3
    assert seeded.one("learner", "logistic").text == "logistic:seed=7"
    zero = seeded.one("learner", "logistic:seed=0")
    assert zero.text == "logistic:seed=0"
    assert seeded.one("learner", zero.text).options["seed"] == 0


def test_the_seed_of_the_run_renames_no_component() -> None:
    seeded = with_seed(LEARNERS, 7)
    labels = [seeded.one("learner", text).label for text in ("logistic", "logistic:seed=3")]
    assert labels == ["logistic", "logistic:seed=3"]


def placed(name: str, *options: Option) -> Component:
    return component(BackboneSpec(name=name, summary="", factory="builtins:dict", options=options))


DEVICE = Option(name="device", default="auto", choices=("auto", "cpu", "gpu"), help="")
THREADS = Option(name="threads", default=0, minimum=0, help="")


def test_device_and_threads_reach_backbones_that_declare_them_and_are_not_in_the_text() -> None:
    machine = with_machine(registry(placed("both", THREADS, DEVICE), placed("none")), "cpu", 3)
    both, none = machine.several("backbone", ["both", "none"])
    assert (both.options, both.text) == ({"device": "cpu", "threads": 3}, "both")
    assert (none.options, none.text) == ({}, "none")


def test_the_threads_of_the_run_do_not_reach_learners() -> None:
    machine = with_machine(registry(learner("a", options=(THREADS,))), None, 3)
    assert machine.one("learner", "a").options == {"threads": 0}
    assert machine.one("learner", "a:threads=2").text == "a:threads=2"


def test_a_device_given_with_the_backbone_wins_and_is_in_its_text() -> None:
    machine = with_machine(registry(placed("net", DEVICE)), "cpu", None)
    for device, text in (("gpu", "net:device=gpu"), ("auto", "net:device=auto"), ("cpu", "net")):
        choice = machine.one("backbone", f"net:device={device}")
        assert (choice.options["device"], choice.text) == (device, text)
        assert machine.one("backbone", text).options["device"] == device


def test_a_backbone_that_does_not_allow_the_device_is_named() -> None:
    tpu = Option(name="device", default="tpu", choices=("tpu",), help="")
    machine = with_machine(registry(placed("net", tpu)), "gpu", None)
    with pytest.raises(UsageError, match="net: option device must be one of tpu, got gpu"):
        machine.one("backbone", "net")


def test_a_factory_is_called_with_every_option() -> None:
    choice = LEARNERS.one("learner", "logistic:C=3,limit=2")
    assert choice.create() == dict(choice.options)
    assert set(choice.options) == {option.name for option in OPTIONS}


def test_selecting_does_not_import_the_component(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_learner.py").write_text("def make(**options): return 'made'")
    monkeypatch.syspath_prepend(tmp_path)
    choice = registry(learner("late", factory="late_learner:make")).one("learner", "late")
    assert (choice.text, choice.unavailable_reason()) == ("late", None)
    assert "late_learner" not in sys.modules
    assert choice.create() == "made"


def test_a_missing_requirement_is_named_with_the_pip_command() -> None:
    plain = learner("a", requires=("numpy", "no-such-dist", "nor-this-one"))
    told = learner("b", requires=("no-such-dist",), install="pip install 'acme[gpu]'")
    assert missing_requirements(plain.spec) == (
        "needs no-such-dist, nor-this-one; run: pip install no-such-dist nor-this-one"
    )
    assert missing_requirements(told.spec) == "needs no-such-dist; run: pip install 'acme[gpu]'"
    assert missing_requirements(learner("c", requires=("numpy", "numpy>=1,<99")).spec) is None
    newer = learner("d", requires=("numpy>=99",))
    assert missing_requirements(newer.spec) == "needs numpy>=99; run: pip install 'numpy>=99'"
    choice = registry(told).one("learner", "b")
    assert choice.unavailable_reason() == missing_requirements(told.spec)
    with pytest.raises(PluginError, match=r"^b needs no-such-dist; run: pip install 'acme\[gpu\]'$"):
        choice.create()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ("sklearn",),
            "needs sklearn; sklearn is a module; write its distribution scikit-learn in requires=",
        ),
        (
            ("PIL", "no-such-dist"),
            "needs PIL, no-such-dist; PIL is a module; write its distribution pillow in requires=",
        ),
    ],
)
def test_a_module_name_in_requires_is_answered_with_its_distribution(
    names: tuple[str, ...], said: str
) -> None:
    missing = missing_requirements(learner("a", requires=names, install="pip install what-is-here").spec)
    assert missing is not None
    assert missing.lower() == said.lower()


def backbone(**changes: Any) -> ConfiguredComponent:
    fields = {"name": "net", "summary": "", "factory": "builtins:dict", **changes}
    return registry(component(BackboneSpec(**fields), "acme")).one("backbone", "net")


def test_a_backbone_reports_itself_why_it_is_unavailable() -> None:
    told = backbone(
        unavailable_reason="builtins:str",
        options=(Option(name="object", default="the weights file", help=""),),
    )
    assert told.unavailable_reason() == "the weights file"
    assert backbone().unavailable_reason() is None


@pytest.mark.parametrize(
    ("unavailable_reason", "answer"),
    [
        (
            "no_such_module:f",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("builtins:no_such_name", "cannot be imported: AttributeError: "),
        ("builtins:len", "cannot be used: TypeError: len() takes exactly one argument (0 given)"),
        ("sys:exit", "cannot be used: SystemExit"),
    ],
)
def test_a_failing_unavailable_reason_is_the_reason(unavailable_reason: str, answer: str) -> None:
    said = backbone(unavailable_reason=unavailable_reason).unavailable_reason()
    assert said is not None
    assert said.startswith(f"acme/net (acme-dist 1.2) {answer}")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            "no_such_module:f",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("builtins:no_such_name", "cannot be imported: AttributeError: "),
        ("builtins:len", "cannot be used: TypeError: len() takes exactly one argument (0 given)"),
        ("sys:exit", "cannot be used: SystemExit"),
    ],
)
def test_a_factory_that_fails_is_an_error_with_its_plugin_and_distribution(
    factory: str, message: str
) -> None:
    with pytest.raises(PluginError) as caught:
        backbone(factory=factory).create()
    assert str(caught.value).startswith(f"acme/net (acme-dist 1.2) {message}")
    assert caught.value.__cause__ is not None


FACTORIES = """
import functools

def needs_bins(*, bins): return bins
def takes_none(): return None
def takes_anything(**options): return options
def errs(**options): return len()

class Needs:
    def __init__(self, bins, size=3): ...

def filled(function):
    return functools.wraps(function)(lambda **options: function(bins=4, **options))

@filled
def gets_bins_from_a_decorator(*, bins): return bins
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "some_factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("some_factories", None)


@pytest.mark.parametrize(
    ("factory", "options", "said"),
    [
        (
            "needs_bins",
            "",
            "its factory requires 'bins', which is not an option of net; add Option(name='bins'",
        ),
        (
            "Needs",
            "size",
            "its factory requires 'bins', which is not an option of net; add Option(name='bins'",
        ),
        ("takes_none", "x", "the factory of net does not accept 'x', declared as an option"),
        ("needs_bins", "bins x y", "the factory of net does not accept 'x', 'y', declared as an option"),
        ("errs", "x", "TypeError: len() takes exactly one argument"),
    ],
)
def test_a_factory_that_does_not_fit_its_spec_fails_with_the_line_to_write(
    factories: None, factory: str, options: str, said: str
) -> None:
    declared = tuple(Option(name=name, default=1, help="") for name in options.split())
    with pytest.raises(PluginError) as caught:
        backbone(factory=f"some_factories:{factory}", options=declared).create()
    assert str(caught.value).startswith(f"acme/net (acme-dist 1.2) cannot be used: {said}")
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_factory_that_accepts_more_than_its_signature_says_is_called(factories: None) -> None:
    assert backbone(factory="some_factories:gets_bins_from_a_decorator").create() == 4
    size = (Option(name="size", default=3, help=""),)
    assert backbone(factory="some_factories:takes_anything", options=size).create() == {"size": 3}


def test_a_download_without_the_keyword_reporter_is_refused(factories: None) -> None:
    spec = DatasetSpec(
        name="birds", summary="", factory="builtins:dict", fetch="some_factories:takes_none"
    )
    with pytest.raises(PluginError, match="the fetch of birds must accept the keyword 'reporter'"):
        registry(component(spec, "acme")).one("dataset", "birds").fetch(reporter=None)


def test_a_plugins_own_stackkit_error_passes_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds_dataset.py").write_text(
        "from stackkit.api import DatasetError\n"
        "def birds(**options): raise DatasetError('no birds in ' + options['root'])\n"
        "def fetch(**everything): return everything\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    root = Option(name="root", default="here", help="")
    spec = DatasetSpec(
        name="birds",
        summary="",
        factory="birds_dataset:birds",
        fetch="birds_dataset:fetch",
        options=(root,),
    )
    choice = registry(component(spec)).one("dataset", "birds:root=there")
    with pytest.raises(DatasetError, match=r"^no birds in there$"):
        choice.create()
    assert choice.fetch(reporter="the reporter") == {"root": "there", "reporter": "the reporter"}


def test_a_component_without_a_download_refuses_to_fetch() -> None:
    birds = component(DatasetSpec(name="birds", summary="", factory="builtins:dict"))
    for choice in (registry(birds).one("dataset", "birds"), LEARNERS.one("learner", "forest")):
        with pytest.raises(UsageError, match=f"^{choice.name} has nothing to download$"):
            choice.fetch()


def test_provenance_names_component_options_distribution_and_version() -> None:
    (entry,) = describe([LEARNERS.one("learner", "forest:C=3")])
    assert entry["name"] == "acme/forest"
    assert entry["kind"] == "learner"
    assert entry["label"] == "forest:C=3.0"
    assert entry["options"]["C"] == 3.0
    assert (entry["distribution"], entry["version"]) == ("acme-dist", "1.2")


SEVERAL = registry(
    component(
        BackboneSpec(
            name="net",
            summary="",
            factory="builtins:dict",
            options=(
                Option(
                    name="pooling",
                    default="avg",
                    choices=("avg", "max", "gem"),
                    several="expand",
                    help="",
                ),
                Option(name="layer", default=None, type=str, several="expand", help=""),
                Option(
                    name="views",
                    default=(),
                    choices=("mirror", "crops"),
                    several="tuple",
                    help="",
                ),
            ),
        )
    )
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net:pooling=avg+max", ["net", "net:pooling=max"]),
        ("net:pooling=avg,net:pooling=avg+max", ["net", "net:pooling=max"]),
        (
            "net:layer=a+none,pooling=gem+max",
            [
                "net:pooling=gem,layer=a",
                "net:pooling=max,layer=a",
                "net:pooling=gem",
                "net:pooling=max",
            ],
        ),
        ("n*:pooling=max,views=mirror+crops", ["net:pooling=max,views=mirror+crops"]),
        ("net:views=none", ["net"]),
    ],
)
def test_several_values_stand_for_several_components_or_are_one_tuple(
    text: str, expected: list[str]
) -> None:
    found = SEVERAL.several("backbone", [text])
    assert sorted(one.text for one in found) == sorted(expected)
    assert [one.text for one in SEVERAL.several("backbone", [one.text for one in found])] == [
        one.text for one in found
    ], "the canonical text selects the same component"


def test_a_factory_receives_one_value_of_an_expanded_option_and_all_values_of_a_tuple() -> None:
    (one,) = SEVERAL.several("backbone", ["net:pooling=max,views=crops+mirror"])
    assert one.create() == {"pooling": "max", "layer": None, "views": ("crops", "mirror")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "net:pooling=avg+min",
            r"pooling must be one of avg, max, gem, or several joined by \+, got min",
        ),
        ("net:pooling=avg+", r"pooling must be one of avg, max, gem, or several joined by \+, got $"),
        ("net:views=mirror+mirror", r"views contains mirror more than once: 'mirror\+mirror'"),
        ("net:views=flip", r"views must be one of mirror, crops, or several joined by \+, got flip"),
    ],
)
def test_an_invalid_value_among_several_is_named(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        SEVERAL.several("backbone", [text])
    with pytest.raises(UsageError, match="expected exactly one backbone"):
        SEVERAL.one("backbone", "net:pooling=avg+max")
