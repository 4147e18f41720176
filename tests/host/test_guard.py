"""Third-party code cannot end, block or silently change the process while its plugin is loaded."""

import json
import os
import random
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from support.installing import Site, site_with_stackkit
from test_host import OFFERS_COLOURS, of, record

from stackkit.api.errors import PluginError, UsageError
from stackkit.host.host import load_host
from stackkit.host.load_failure import LoadFailure, PluginWarning
from stackkit.host.registry import Registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        site.install("zenith", OFFERS_COLOURS)
        yield site


def run_python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that finds the same distributions."""
    return subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def process_state() -> dict[str, object]:
    """Everything that a guard restores."""
    return {
        "environ": dict(os.environ),
        "path": list(sys.path),
        "folder": Path.cwd(),
        "filters": list(warnings.filters),
        "random": random.getstate(),
        "numpy": (str(np.random.get_state()), np.geterr()),
        "handlers": [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGINT)],
        "streams": (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__),
        "descriptor": os.fstat(1).st_ino,
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('hello')", "printed 'hello'"),
        ("import os; os.write(1, b'from C')", "printed 'from C'"),
        ("import subprocess; subprocess.run(['echo', 'a child'])", "printed 'a child'"),
        ("import sys; print('to stderr', file=sys.stderr)", "printed 'to stderr'"),
        ("print('long ' * 99)", f"printed '{'long ' * 12}...'"),
        ("import sys; print('seen'); sys.stdout = None", "printed 'seen'"),
        ("import os; os.environ['HARM'] = '1'", "changed os.environ['HARM'] (restored)"),
        ("import os; del os.environ['STACKKIT_HOME']", "changed os.environ['STACKKIT_HOME'] (restored)"),
        ("import sys; sys.path.insert(0, '/nowhere')", "changed sys.path (restored)"),
        ("import sys; sys.path = ['/nowhere']", "changed sys.path (restored)"),
        ("import os; os.chdir('/')", "changed the working directory (restored)"),
        ("import random; random.seed(0)", "changed the random state (restored)"),
        ("import numpy; numpy.random.seed(0)", "changed NumPy's random state (restored)"),
        ("import numpy; numpy.seterr(all='raise')", "changed NumPy's error handling (restored)"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=[1], name='mine').start()",
            "left threads running: mine",
        ),
    ],
)
def test_what_an_import_changes_is_restored_and_reported(
    site: Site, code: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install("acme", f"{code}\n{dedent(OFFERS_COLOURS)}")
    before = process_state()
    host = load_host()
    assert process_state() == before
    acme = record(host, "acme")
    assert (acme.status, acme.error) == ("warned", "")
    assert acme.warnings == (PluginWarning(stage="import", reason=reason),)
    assert of(host, "acme", "zenith") == ["acme/colours", "zenith/colours"]
    assert record(host, "zenith").status == "ok"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "code",
    [
        "import warnings; warnings.simplefilter('ignore')",
        "from signal import *; signal(SIGINT, SIG_IGN)",
        "from signal import *; signal(SIGALRM, SIG_IGN)",
    ],
)
def test_warning_filters_and_the_handlers_of_the_guard_are_restored(site: Site, code: str) -> None:
    site.install("acme", f"{code}\n{dedent(OFFERS_COLOURS)}")
    before = process_state()
    assert record(load_host(), "acme").status == "ok"
    assert process_state() == before


def test_stackkits_own_plugins_run_without_a_guard(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import stackkit.host.guard as guard
    import stackkit.host.timeout as timeout

    site.install("acme", OFFERS_COLOURS)
    guarded, watched = [], []
    real, real_watchdog = guard.guarded, timeout._Watchdog

    def counting_guard(observed: guard.Observations, label: str, *rest: object):
        guarded.append(label)
        return real(observed, label, *rest)

    def counting_watchdog(label: str, seconds: float) -> timeout._Watchdog:
        watched.append(label)
        return real_watchdog(label, seconds)

    monkeypatch.setattr(guard, "guarded", counting_guard)
    monkeypatch.setattr(timeout, "_Watchdog", counting_watchdog)
    host = load_host()
    registry = Registry(host=host)
    for component in host.components:
        registry.default(component).unavailable_reason()
    assert set(guarded) == {"plugin acme (acme 1.0)", "plugin zenith (zenith 1.0)"}
    assert watched == guarded
    assert len(host.plugins) > 10


def test_without_third_party_plugins_the_guard_is_not_even_imported(site: Site) -> None:
    code = """
        import sys
        from stackkit.host.host import load_host
        load_host()
        print("stackkit.host.guard" in sys.modules)
    """
    assert run_python(code, STACKKIT_PLUGINS="").stdout == "False\n"
    assert run_python(code).stdout == "True\n"


def test_a_broken_plugin_of_stackkits_own_fails_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "stackkit_plugins.logistic", None)
    host = load_host()
    broken = record(host, "logistic")
    assert (broken.status, broken.stage) == ("failed", "import")
    assert broken.failure == LoadFailure(kind="missing-module", name="stackkit_plugins.logistic")
    assert [each.name for each in host.plugins if each.status == "failed"] == ["logistic"]


REPLACING = {
    "numpy.mean = lambda *args, **options: 0": "numpy.mean",
    "numpy.add = numpy.subtract": "numpy.add",
    "del numpy.mean": "numpy.mean",
    "import numpy.linalg as la; la.norm = functools.partial(max)": "numpy.linalg.norm",
    "import sklearn.svm as svm; svm.LinearSVC = type('Mine', (), {})": "sklearn.svm.LinearSVC",
    "import random; random.shuffle = list": "random.shuffle",
    "import stackkit.api.errors as errors; errors.plain = str": "stackkit.api.errors.plain",
    "import sys; sys.modules['numpy'] = sys.modules[__name__]": "numpy",
}
"""What a plugin does, and the name that is reported. The last one hides what is in NumPy."""


def test_a_replaced_function_of_a_numerical_library_is_named(site: Site) -> None:
    """By one plugin each, in one process; they are loaded by name."""
    for number, code in enumerate(REPLACING):
        site.install(f"acme-{number}", f"import functools, numpy\n{code}\n{dedent(OFFERS_COLOURS)}")
    program = """
        import numpy, sklearn.svm
        from stackkit.host.host import load_host
        host = load_host()
        print([(each.name, w.reason) for each in host.plugins for w in each.warnings])
        print([each.qualified_name for each in host.components if not each.is_own])
    """
    done = run_python(program)
    reasons = [f"replaced {name} for the whole process (not restored)" for name in REPLACING.values()]
    assert done.stdout.splitlines() == [
        str([(f"acme-{number}", reason) for number, reason in enumerate(reasons)]),
        str([*(f"acme-{number}/colours" for number in range(len(reasons))), "zenith/colours"]),
    ]


def test_a_replaced_function_is_named_also_where_the_plugin_is_the_first_to_import_numpy(
    site: Site,
) -> None:
    replace = """
        import functools, numpy
        mean = numpy.mean
        @functools.wraps(mean)
        def my_mean(*args, **options): return 0
        numpy.mean = my_mean
    """
    site.install("acme", dedent(replace) + dedent(OFFERS_COLOURS))
    code = """
        from stackkit.host.host import load_host
        (acme,) = (record for record in load_host().plugins if record.name == "acme")
        print(acme.heavy, [warning.reason for warning in acme.warnings])
    """
    told = run_python(code).stdout
    assert told.startswith("('numpy',) ['replaced numpy.mean for the whole process (not restored)', ")


def test_replacing_a_function_in_a_hook_is_named_too(site: Site) -> None:
    code = "import math; math.fsum = sum"
    site.install("acme", OFFERS_COLOURS.replace("return [", f"{code}\n        return ["))
    program = """
        from stackkit.host.host import load_host
        print([(w.stage, w.reason) for each in load_host().plugins for w in each.warnings])
    """
    reason = "stackkit_backbones: replaced math.fsum for the whole process (not restored)"
    assert run_python(program).stdout == f"{[('hook', reason)]}\n"


def test_importing_numerical_libraries_and_patching_other_modules_is_not_reported(site: Site) -> None:
    code = "import typing, numpy, scipy.stats, sklearn.linear_model, PIL.Image, h5py, mlxtend\n"
    site.install("acme", f"{code}typing._type_check = repr\n{dedent(OFFERS_COLOURS)}")
    program = """
        import numpy, typing
        from stackkit.host.host import load_host
        reasons = [w.reason for each in load_host().plugins for w in each.warnings]
        print([reason for reason in reasons if "replaced" in reason], typing._type_check is repr)
    """
    assert run_python(program).stdout == "[] True\n"


def test_a_module_that_is_loaded_lazily_stays_unloaded(site: Site) -> None:
    lazy = """
        import importlib.util, sys
        def lazily(name):
            spec = importlib.util.find_spec(name)
            spec.loader = importlib.util.LazyLoader(spec.loader)
            sys.modules[name] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        timm, treat = lazily("timm"), lazily("treat")
    """
    (site.folder / "timm.py").write_text("raise RuntimeError('loaded')")
    (site.folder / "treat.py").write_text("raise RuntimeError('loaded')")
    site.install("acme", dedent(lazy) + dedent(OFFERS_COLOURS))
    host = load_host()
    acme = record(host, "acme")
    assert (acme.status, acme.error, acme.warnings, acme.heavy) == ("ok", "", (), ())
    for name in ("timm", "treat"):
        assert type(sys.modules.pop(name)).__name__ == "_LazyModule"


def test_a_hook_that_is_not_in_the_dir_of_its_module_is_called(site: Site) -> None:
    site.install("acme", dedent(OFFERS_COLOURS) + "def __dir__(): return ['nothing']\n")
    host = load_host()
    assert record(host, "acme").status == "ok"
    assert of(host, "acme") == ["acme/colours"]


def test_a_factory_that_fails_is_reported_with_what_was_restored(site: Site) -> None:
    code = """
        import os
        os.environ["MODEL_DIR"] = "here"
        from stackkit.api import *
        @hookimpl
        def stackkit_backbones():
            return [BackboneSpec(name="late", summary="", factory="acme:late")]
        def late():
            return os.environ["MODEL_DIR"]
    """
    site.install("acme", code)
    choice = Registry(host=load_host()).one("backbone", "late")
    assert choice.component.restored == ("os.environ['MODEL_DIR']",)
    with pytest.raises(PluginError) as caught:
        choice.create()
    assert str(caught.value).endswith(
        "KeyError: 'MODEL_DIR'; the plugin's import changed os.environ['MODEL_DIR'], which stackkit "
        "restored: make the change in the factory instead"
    )


def test_a_plugin_that_fails_keeps_its_warnings(site: Site) -> None:
    site.install(
        "acme", "import os, sys; print('on my way'); os.environ['A'] = ''; sys.path.clear(); 1 / 0"
    )
    acme = record(load_host(), "acme")
    assert (acme.status, acme.stage) == ("failed", "import")
    assert [warning.reason for warning in acme.warnings] == [
        "changed os.environ['A'], sys.path (restored)",
        "printed 'on my way'",
    ]


def test_a_hook_is_guarded_as_an_import_is(site: Site) -> None:
    code = "import random; random.seed(1); print('called')"
    site.install("acme", OFFERS_COLOURS.replace("return [", f"{code}\n        return ["))
    random.seed(2)  # an earlier test may have left the very state that the plugin sets
    host = load_host()
    assert record(host, "acme").warnings == (
        PluginWarning(stage="hook", reason="stackkit_backbones: changed the random state (restored)"),
        PluginWarning(stage="hook", reason="stackkit_backbones: printed 'called'"),
    )
    (colours,) = (each for each in host.components if each.plugin == "acme")
    assert colours.restored == (), "a factory can only miss what the import changed"


def test_numpy_seeded_by_the_plugin_that_imports_it_is_no_longer_seeded(site: Site) -> None:
    site.install("acme", "import numpy; numpy.random.seed(0)")
    code = """
        from stackkit.host.host import load_host
        (acme,) = (record for record in load_host().plugins if record.name == "acme")
        import numpy
        print(acme.heavy, [warning.reason for warning in acme.warnings])
        print(numpy.random.randint(2**31) == numpy.random.RandomState(0).randint(2**31))
    """
    told, is_seeded = run_python(code).stdout.splitlines()
    assert told.startswith("('numpy',)")
    assert "NumPy's random state" in told
    assert "imports numpy, which may have caused this; import it where" in told
    assert is_seeded == "False"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (
            "raise KeyboardInterrupt",
            "RuntimeError: raised KeyboardInterrupt, but Ctrl-C was not pressed",
        ),
        (
            "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
            "E: (its text is not available",
        ),
        ("raise ValueError('\\x1b[31m' + 'long ' * 999)", "ValueError: \\x1b[31m" + "long " * 80),
    ],
)
def test_an_exception_that_could_end_the_process_or_spoil_the_listing_fails_its_plugin_only(
    site: Site, code: str, error: str
) -> None:
    site.install("acme", code)
    host = load_host()
    acme = record(host, "acme")
    assert (acme.status, acme.stage) == ("failed", "import")
    assert acme.error.startswith(error)
    assert len(acme.error) < 520
    assert of(host, "zenith") == ["zenith/colours"]


@pytest.mark.parametrize("then", ["", "raise SystemExit"])
def test_ctrl_c_ends_the_command_even_if_the_plugin_catches_it(site: Site, then: str) -> None:
    interrupt = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    site.install(
        "acme", f"try:\n    {interrupt}\n    import time; time.sleep(9)\nfinally:\n    pass; {then}"
    )
    done = run_python("""
        import signal
        from stackkit.host.host import load_host
        try:
            load_host()
        except KeyboardInterrupt:
            print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    """)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    "use",
    [
        "sys.stdout.reconfigure(encoding='utf-8')",
        "sys.stdout.buffer.write(b'')",
        "import subprocess; subprocess.run(['true'], stdout=sys.stdout, stderr=sys.stderr)",
        "sys.stderr.close(); sys.stdout.close(); sys.__stdout__.close()",
    ],
)
def test_the_captured_streams_can_be_used_like_real_ones(site: Site, use: str) -> None:
    site.install("acme", f"import sys; {use}\n{dedent(OFFERS_COLOURS)}")
    acme = record(load_host(), "acme")
    assert (acme.error, acme.warnings) == ("", ())
    sys.stdout.write("still works")


def test_a_stream_that_a_plugin_kept_at_import_writes_to_stderr_later(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install("acme", "import sys; kept = sys.stdout\n" + dedent(OFFERS_COLOURS))
    assert record(load_host(), "acme").status == "ok"
    sys.modules["acme"].kept.write("later")
    assert capfd.readouterr() == ("", "later")


def test_a_python_warning_is_shown_and_not_counted_as_output(site: Site) -> None:
    code = "import warnings; warnings.warn('soon gone', FutureWarning)\n"
    site.install("acme", code + dedent(OFFERS_COLOURS))
    with pytest.warns(FutureWarning, match="soon gone"):
        host = load_host()
    assert record(host, "acme").status == "ok"


ENDLESS = {
    "asleep": "import time; time.sleep(60)",
    "busy": "while True: pass",
    "catches it once": """
        while True:
            try:
                import time; time.sleep(60)
            except BaseException as error:
                if 'caught' in globals(): raise
                caught = True
    """,
    "at a lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
}


# In processes of their own: this one may have loaded inference engines, and real signals in the middle
# of a test run would hit whatever else runs here.
SHOW_HANGING = """
    import json, threading, time
    from dataclasses import asdict
    from stackkit.host.host import load_host

    def load():
        start = time.monotonic()
        host = load_host()
        found = {each.name: asdict(each) | {"status": each.status} for each in host.plugins}
        print(json.dumps({
            "seconds": time.monotonic() - start,
            "hanging": found["hanging"],
            "zenith": found["zenith"]["status"],
            "threads": [thread.name for thread in threading.enumerate()],
        }, default=str))
"""


def load_hanging(call: str) -> dict[str, Any]:
    done = run_python(dedent(SHOW_HANGING) + call, STACKKIT_PLUGIN_TIMEOUT="0.3")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_import_that_hangs_is_ended_at_the_time_limit(site: Site, code: str) -> None:
    site.install("hanging", code)
    found = load_hanging("load()")
    assert found["seconds"] < 50, "the plugin hangs for a minute, or for good"
    hanging = found["hanging"]
    assert (hanging["stage"], hanging["status"]) == ("import", "failed")
    assert hanging["error"] == (
        "TimeLimitError: not done after 0.3 s; change the limit with STACKKIT_PLUGIN_TIMEOUT "
        "(0: no limit)"
    )
    assert hanging["failure"]["kind"] == "timeout"
    assert found["zenith"] == "ok"
    assert "stackkit-watchdog" not in found["threads"]


def test_an_exception_that_takes_forever_to_format_is_ended_at_the_time_limit(site: Site) -> None:
    site.install(
        "hanging", "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"
    )
    assert load_hanging("load()")["hanging"]["stage"] == "import"


def test_a_hook_that_hangs_is_ended_too(site: Site) -> None:
    site.install("hanging", OFFERS_COLOURS.replace("return [", "while True: pass\n        return ["))
    hanging = load_hanging("load()")["hanging"]
    assert hanging["stage"] == "hook"
    assert hanging["error"].startswith("stackkit_backbones: TimeLimitError: not done after 0.3 s")


def test_an_import_that_hangs_is_ended_outside_the_main_thread_too(site: Site) -> None:
    site.install("hanging", "while True: pass")
    found = load_hanging("thread = threading.Thread(target=load); thread.start(); thread.join(20)")
    assert found["hanging"]["error"].startswith("TimeLimitError: not done after 0.3 s")
    assert found["zenith"] == "ok"


def test_an_import_that_cannot_be_interrupted_ends_the_process_with_the_plugins_name(site: Site) -> None:
    site.install(
        "stuck",
        "import time; from signal import *; pthread_sigmask(SIG_BLOCK, [SIGALRM]); time.sleep(60)",
    )
    done = run_python(
        "import stackkit.host.timeout as limit; limit.TRIES, limit.AGAIN_S = 3, 0.1;"
        "from stackkit.host.host import load_host; load_host()",
        STACKKIT_PLUGIN_TIMEOUT="0.3",
    )
    assert done.returncode == 4
    assert done.stderr == (
        "error: plugin stuck (stuck 1.0) is not done after 0.6 s and cannot be interrupted; "
        "uninstall it, or exclude it with --disable-plugin or --no-plugins\n"
    )


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_an_invalid_time_limit_is_refused(
    site: Site, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", text)
    with pytest.raises(UsageError) as caught:
        load_host()
    assert str(caught.value) == (
        f"STACKKIT_PLUGIN_TIMEOUT must be a number of seconds, or 0 for no limit; got {text!r}"
    )


def test_a_time_limit_of_0_is_no_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0")
    assert record(load_host(), "zenith").status == "ok"


def test_the_time_of_an_import_is_known_and_a_slow_one_is_slow(site: Site) -> None:
    site.install("slow", "import time; time.sleep(0.3)\n" + dedent(OFFERS_COLOURS))
    host = load_host()
    slow, zenith = record(host, "slow"), record(host, "zenith")
    assert slow.import_ms >= 300
    assert (slow.is_slow, zenith.is_slow) == (True, False)
    assert slow.status == "ok", "a slow import is not a fault"
