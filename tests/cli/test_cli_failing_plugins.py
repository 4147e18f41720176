"""Components that fail during a run: it ends with one line that names their distribution."""

from textwrap import dedent

import pytest
import sklearn.linear_model  # noqa: F401  # plugins import it within short time limits
from support.commands import Command, in_a_process, python
from support.installing import Site

GOOD = """
    import os, sys, time
    import numpy as np
    from stackkit.api import *
    from PIL import Image
    from sklearn.linear_model import LogisticRegression as Learner

    @hookimpl
    def stackkit_datasets(): return [DatasetSpec(name="dots", summary="", factory="odd:Dataset")]
    @hookimpl
    def stackkit_backbones(): return [BackboneSpec(name="mean", summary="", factory="odd:Backbone")]
    @hookimpl
    def stackkit_learners(): return [LearnerSpec(name="line", summary="", factory="odd:Learner")]
    @hookimpl
    def stackkit_aggregators():
        return [AggregatorSpec(name="most", summary="", factory="odd:Aggregator")]

    class Panic(BaseException): ...

    class Dataset:
        classes, notes = ("dark", "light"), ()
        samples = tuple(Sample(id=f"dot {i}", label=i % 2) for i in range(8))
        def image(self, i): return Image.new("RGB", (8, 8), (i, 0, i % 2 * 90))
        def fingerprint(self, i): return str(i)

    class Backbone:
        image_size, feature_dim, revision, trained = 8, 3, "1", True
        def extract(self, images): return images.mean(axis=(1, 2)).astype(np.float32)

    class Aggregator:
        fit_on = "in-sample"
        def fit(self, probabilities, labels): return self
        def predict(self, probabilities): return probabilities.mean(0).argmax(1)
"""

RUN = [
    *("run", "--dataset", "dots", "--backbones", "mean", "--learner", "line", "--aggregator", "most"),
    *("--baseline", "none", "--cv", "2", "--progress", "none", "--json"),
]


def install(site: Site, part: str, deed: str) -> None:
    """Install the good plugin, with one part replaced."""
    site.install("odd", f"{dedent(GOOD)}\nclass {part}({part}):\n    {deed}\n", version="0.7")


@pytest.mark.parametrize(
    ("part", "deed", "code", "said"),
    [
        ("Dataset", "def image(self, i): sys.exit(0)", 4, "failed: SystemExit: 0"),
        ("Dataset", "def image(self, i): raise Panic('in Rust')", 4, "failed: Panic: in Rust"),
        ("Dataset", "def image(self, i): raise KeyboardInterrupt", 4, "failed: KeyboardInterrupt"),
        (
            "Dataset",
            "samples = [Sample(id=i, label=i) for i in (0, 1)]",
            4,
            "no attribute 'encode'",
        ),
        ("Dataset", r"samples = [Sample(id='\ud800', label=i) for i in (0, 1)]", 4, "surrogates"),
        ("Backbone", "def __init__(self): raise Panic('in Rust')", 4, "cannot be used: Panic: in Rust"),
        ("Backbone", "feature_dim = 3.0", 4, "'float' object cannot be interpreted as an integer"),
        ("Backbone", "def extract(self, images): raise Panic('in Rust')", 7, "failed: Panic: in Rust"),
        ("Backbone", "def extract(self, images): sys.exit(0)", 7, "failed: SystemExit: 0"),
        ("Backbone", "def extract(self, images): return images", 7, "8, 8, 3) and dtype uint8"),
        ("Learner", "def fit(self, X, y): raise Panic('in Rust')", 4, "failed: Panic: in Rust"),
        ("Learner", "def fit(self, X, y): raise KeyboardInterrupt", 4, "failed: KeyboardInterrupt"),
        ("Aggregator", "def predict(self, p): raise Panic('in Rust')", 4, "failed: Panic: in Rust"),
        ("Aggregator", "def fit(self, p, y): sys.exit(0)", 4, "failed: SystemExit: 0"),
    ],
)
def test_a_run_ends_in_one_line_that_names_the_distribution(
    site: Site, stackkit: Command, part: str, deed: str, code: int, said: str
) -> None:
    install(site, part, deed)
    outcome = stackkit(*RUN)
    assert outcome.code == code
    assert said in outcome.error
    assert "(odd 0.7)" in outcome.error or "(from odd)" in outcome.error


def test_stdout_is_one_json_document_even_if_components_print(site: Site) -> None:
    noisy = {
        "Dataset": ["image(self, i)"],
        "Backbone": ["__init__(self)", "extract(self, images)"],
        "Learner": ["fit(self, X, y)"],
        "Aggregator": ["predict(self, p)"],
    }
    code = dedent(GOOD)
    for part, methods in noisy.items():
        code += f"\nclass {part}({part}):\n"
        for method in methods:
            name, _, arguments = method.removesuffix(")").partition("(self")
            said = f"by {part}.{name} "
            noise = f"print('PRINTED {said}'); os.write(1, b'WRITTEN {said}')"
            noise += f"; os.system('echo ECHO {said}')"
            super_call = f"super().{name}({arguments.removeprefix(', ')})"
            code += f"    def {method}:\n        {noise}\n        return {super_call}\n"
    site.install("odd", code, version="0.7")
    outcome = in_a_process(*RUN)
    assert outcome.document["extraction"] == {"mean": {"computed": 8, "reused": 0}}
    for part, methods in noisy.items():
        for method in methods:
            for way in ("PRINTED", "WRITTEN", "ECHO"):
                assert f"{way} by {part}.{method.partition('(')[0]}" in outcome.err


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("while True: pass", "cannot be used: TimeLimitError: not done after 0.3 s"),
        ("raise Panic('in Rust')", "cannot be used: Panic: in Rust"),
        (
            "return object()",
            "cannot be used: TypeError: unavailable_reason must return str or None, got object",
        ),
        ("return 'first\\n\\x1b[31msecond'", "first \\x1b[31msecond"),
    ],
)
def test_a_listing_is_complete_even_if_an_unavailable_reason_fails(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch, deed: str, said: str
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0.3")
    code = dedent(GOOD).replace(
        'factory="odd:Learner"', 'factory="odd:Learner", unavailable_reason="odd:unavailable_reason"'
    )
    site.install("odd", f"{code}\ndef unavailable_reason():\n    {deed}\n")
    document = stackkit("list-plugins", "--json").document
    (entry,) = (
        each for each in document["components"] if each["plugin"] == "odd" and each["unavailable_reason"]
    )
    assert said in entry["unavailable_reason"]
    assert said in stackkit("list-plugins", entry["name"]).out


def test_a_plugin_with_very_many_components_is_listed(site: Site, stackkit: Command) -> None:
    spec = "BackboneSpec(name=f'b{i}', summary='', factory='odd:Backbone') for i in range(5000)"
    site.install(
        "odd", f"from stackkit.api import *\n@hookimpl\ndef stackkit_backbones(): return [{spec}]"
    )
    names = [c["name"] for c in stackkit("list-plugins", "--json").document["components"]]
    assert len([name for name in names if name.startswith("b")]) == 5000


def test_a_component_that_closes_stdout_does_not_affect_the_output(site: Site) -> None:
    install(site, "Backbone", "def __init__(self): sys.stdout.close()")
    assert in_a_process(*RUN).document["extraction"]["mean"]["computed"] == 8


def test_what_is_printed_by_atexit_is_not_on_stdout(site: Site) -> None:
    deeds = """
        import atexit, os
        atexit.register(print, 'PRINTED')
        atexit.register(os.system, 'echo ECHO')
        atexit.register(os.write, 1, b'WRITTEN')
    """
    site.install("odd", f"{dedent(deeds)}\n{dedent(GOOD)}")
    outcome = in_a_process("list-plugins", "--json")
    assert outcome.document["plugins"]
    assert [word in outcome.err for word in ("PRINTED", "ECHO", "WRITTEN")] == [True] * 3


def test_a_thread_that_never_ends_does_not_keep_the_process_alive(site: Site) -> None:
    deed = "import threading; threading.Thread(target=threading.Event().wait, name='mine').start()"
    site.install("odd", f"{deed}\n{dedent(GOOD)}")
    code = (
        "import sys, stackkit.cli.shutdown as ending; from stackkit.cli import main;"
        "ending.end_process.__defaults__ = (0.5,); sys.argv[1:] = ['list-plugins']; sys.exit(main())"
    )
    outcome = python("-c", code)
    assert outcome.code == 0
    assert "left threads running: mine" in outcome.out
    assert outcome.err == (
        "warning: ended while threads were still running: mine; `stackkit list-plugins` shows which "
        "plugin left them\n"
    )


def test_a_crash_in_c_shows_the_files_that_led_to_it(site: Site) -> None:
    site.install("odd", "import ctypes; ctypes.string_at(0)")
    outcome = in_a_process("list-plugins")
    assert outcome.code < 0
    assert str(site.folder / "odd.py") in outcome.err


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("oddd", "did you mean odd?"),
        ("odd-dist", "did you mean odd?"),
        ("zzzzz", "`stackkit list-plugins` shows all names"),
    ],
)
def test_an_unknown_name_in_stackkit_plugins_is_a_warning(
    site: Site, stackkit: Command, monkeypatch: pytest.MonkeyPatch, named: str, hint: str
) -> None:
    site.install("odd-dist", GOOD, plugin="odd")
    monkeypatch.setenv("STACKKIT_PLUGINS", f"odd,{named}")
    said = f"STACKKIT_PLUGINS lists {named!r}, but no plugin has that name; {hint}"
    listing = stackkit("list-plugins", "--json")
    assert listing.document["notes"] == [said]
    assert listing.err == f"warning: {said}\n"
    assert f"warning: {said}\n" in stackkit("run", "--dataset", "none-such").err
    monkeypatch.setenv("STACKKIT_STRICT", "1")
    outcome = stackkit("list-plugins")
    assert (outcome.code, outcome.error) == (4, said)
