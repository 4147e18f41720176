"""What a stranger's import does to the process is undone and told, and costs nobody else anything."""

import gc
import json
import locale
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support.installing import Site, site_with_stackkit
from test_host import OFFERS_COLOURS, of, record

from stackkit import __version__
from stackkit.api.errors import PluginError, UsageError
from stackkit.host.host import load_host
from stackkit.host.load_failure import PluginWarning
from stackkit.host.registry import Registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site_with_stackkit(tmp_path, monkeypatch) as site:
        site.install("zenith", OFFERS_COLOURS)
        yield site


def the_process() -> dict[str, object]:
    """Everything that belongs to all plugins."""
    acquainted = logging.getLogger("acquainted")
    return {
        "environ": dict(os.environ),
        "path": list(sys.path),
        "folder": Path.cwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "loggers": [(x.level, x.propagate, list(x.handlers)) for x in (logging.root, acquainted)],
        "disabled": logging.root.manager.disable,
        "random": random.getstate(),
        "numpy": str(np.random.get_state()),
        "handlers": [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGINT)],
        "alarm": signal.getitimer(signal.ITIMER_REAL),
        "streams": (sys.stdout, sys.stderr, sys.__stdout__, sys.excepthook, list(sys.meta_path)),
        "descriptors": [os.fstat(number).st_ino for number in (0, 1, 2)],
        "json": (sys.modules["json"], json.dumps, open, os._exit),
        "timeout": (socket.getdefaulttimeout(), np.geterr(), gc.isenabled(), sys.getrecursionlimit()),
    }


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("print('hello')", "printed 'hello'"),
        ("import os; os.write(1, b'from below')", "printed 'from below'"),
        ("import subprocess; subprocess.run(['echo', 'a child'])", "printed 'a child'"),
        ("import sys; print('to stderr', file=sys.stderr)", "printed 'to stderr'"),
        ("print('long ' * 99)", f"printed '{'long ' * 12}...'"),
        ("import os; os.environ['HARM'] = '1'", "changed os.environ['HARM'] (put back)"),
        ("import os; del os.environ['STACKKIT_HOME']", "changed os.environ['STACKKIT_HOME'] (put back)"),
        ("import sys; sys.path.insert(0, '/nowhere')", "changed sys.path (put back)"),
        ("import sys; sys.path = ['/nowhere']", "changed sys.path (put back)"),
        ("import os; os.chdir('/')", "changed the working directory (put back)"),
        (
            "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8' if "
            "locale.setlocale(locale.LC_ALL) == 'C' else 'C')",
            "changed the locale (put back)",
        ),
        ("import warnings; warnings.simplefilter('ignore')", "changed the warnings filters (put back)"),
        ("import logging; logging.captureWarnings(True)", "changed warnings.showwarning (put back)"),
        ("import logging; logging.basicConfig(force=True)", "changed logging (root) (put back)"),
        ("import logging; logging.disable(50)", "changed logging (disable) (put back)"),
        (
            "import logging; logging.getLogger('acquainted').setLevel(50)",
            "changed logging (acquainted) (put back)",
        ),
        ("import random; random.seed(0)", "changed the random state (put back)"),
        ("import sys; sys.stdout = None", "changed sys.stdout (put back)"),
        ("import sys; sys.meta_path.clear()", "changed sys.meta_path (put back)"),
        ("import sys; sys.excepthook = print", "changed sys.excepthook (put back)"),
        ("import sys; sys.setrecursionlimit(9999)", "changed the recursion limit (put back)"),
        ("import sys; del sys.modules['json']", "changed sys.modules['json'] (put back)"),
        ("import sys; sys.modules['this'] = None", "changed sys.modules['this'] (put back)"),
        ("import json; json.dumps = repr", "changed json.dumps (put back)"),
        ("import builtins; builtins.open = None", "changed builtins.open (put back)"),
        ("import os; os.umask(0o777)", "changed the mask of file modes (put back)"),
        ("import os; os.close(0)", "changed descriptor 0 (put back)"),
        ("import os; os.close(1)", "changed descriptor 1 (put back)"),
        ("import os; os.close(2)", "changed descriptor 2 (put back)"),
        ("import gc; gc.disable()", "changed garbage collection (put back)"),
        ("import signal; signal.alarm(1)", "changed the alarm (put back)"),
        (
            "from signal import *; signal(SIGINT, SIG_IGN); signal(SIGTERM, SIG_IGN)",
            "changed the handler of SIGINT, the handler of SIGTERM (put back)",
        ),
        (
            "import socket; socket.setdefaulttimeout(1)",
            "changed the default timeout of sockets (put back)",
        ),
        ("import numpy; numpy.seterr(all='raise')", "changed NumPy's handling of errors (put back)"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=[1], name='mine').start()",
            "left threads running: mine",
        ),
        ("import numpy; numpy.random.seed(0)", "changed NumPy's random state (put back)"),
    ],
)
def test_what_an_import_does_to_all_is_undone_and_the_plugin_warned(
    site: Site, deed: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("acquainted")
    site.install("acme", f"{deed}\n{dedent(OFFERS_COLOURS)}")
    before = the_process()
    host = load_host()
    assert the_process() == before
    acme = record(host, "acme")
    assert (acme.status, acme.error) == ("warned", "")
    assert acme.warnings == (PluginWarning(stage="import", reason=said),)
    assert of(host, "acme", "zenith") == ["acme/colours", "zenith/colours"]
    assert record(host, "zenith").status == "ok"
    assert capfd.readouterr() == ("", "")


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


def test_a_hook_that_a_lazy_modules_dir_leaves_out_is_asked(site: Site) -> None:
    site.install("acme", dedent(OFFERS_COLOURS) + "def __dir__(): return ['nothing']\n")
    host = load_host()
    assert record(host, "acme").status == "ok"
    assert of(host, "acme") == ["acme/colours"]


def test_a_library_that_mends_typing_is_let_do_so(site: Site) -> None:
    site.install("acme", "import typing; typing._type_check = repr\n" + dedent(OFFERS_COLOURS))
    code = (
        "import typing; from stackkit.host.host import load_host; plugins = load_host().plugins; "
        "print(typing._type_check is repr, [each.status for each in plugins][-2:])"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True ['ok', 'ok']\n"


def test_what_a_factory_misses_since_it_was_put_back_is_said(site: Site) -> None:
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
    with pytest.raises(PluginError, match=r"KeyError: 'MODEL_DIR'; its import changed"):
        choice.create()


def test_the_warnings_of_one_plugin_are_all_told_also_if_it_then_fails(site: Site) -> None:
    site.install(
        "acme", "import os, sys; print('on my way'); os.environ['A'] = ''; sys.path.clear(); 1 / 0"
    )
    acme = record(load_host(), "acme")
    assert (acme.status, acme.stage) == ("failed", "import")
    assert [warning.reason for warning in acme.warnings] == [
        "changed os.environ['A'], sys.path (put back)",
        "printed 'on my way'",
    ]


def test_a_hook_is_watched_as_an_import_is(site: Site) -> None:
    deed = "import random; random.seed(1); print('asked')"
    site.install("acme", OFFERS_COLOURS.replace("return [", f"{deed}\n        return ["))
    acme = record(load_host(), "acme")
    assert acme.warnings == (
        PluginWarning(stage="hook", reason="stackkit_backbones: changed the random state (put back)"),
        PluginWarning(stage="hook", reason="stackkit_backbones: printed 'asked'"),
    )


def test_numpy_seeded_by_the_plugin_that_brings_it_in_is_no_longer_seeded(site: Site) -> None:
    site.install("acme", "import numpy; numpy.random.seed(0)")
    code = """
        from stackkit.host.host import load_host
        (acme,) = (record for record in load_host().plugins if record.name == "acme")
        import numpy
        print(acme.heavy, [warning.reason for warning in acme.warnings])
        print(numpy.random.randint(2**31) == numpy.random.RandomState(0).randint(2**31))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    told, is_seeded = done.stdout.splitlines()
    assert told.startswith("('numpy',)")
    assert "NumPy's random state" in told
    assert is_seeded == "False"


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("import os; os._exit(0)", "SystemExit: os._exit(0)"),
        ("from os import _exit; _exit(0)", "SystemExit: os._exit(0)"),
        (
            "raise KeyboardInterrupt",
            "RuntimeError: raised KeyboardInterrupt, and nobody pressed Ctrl-C",
        ),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "E: (it fails to say"),
        ("raise ValueError('\\x1b[31m' + 'long ' * 999)", "ValueError: \\x1b[31m" + "long " * 80),
    ],
)
def test_whoever_would_end_the_process_or_spoil_the_listing_fails_alone(
    site: Site, deed: str, error: str
) -> None:
    site.install("acme", deed)
    host = load_host()
    acme = record(host, "acme")
    assert (acme.status, acme.stage) == ("failed", "import")
    assert acme.error.startswith(error)
    assert len(acme.error) < 520
    assert of(host, "zenith") == ["zenith/colours"]


def test_an_error_whose_text_never_comes_is_ended_at_the_time_limit(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install(
        "acme", "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E"
    )
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0.3")
    assert record(load_host(), "acme").stage == "import"


@pytest.mark.parametrize("then", ["", "raise SystemExit"])
def test_ctrl_c_is_the_users_whatever_the_plugin_makes_of_it(site: Site, then: str) -> None:
    interrupt = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    site.install(
        "acme", f"try:\n    {interrupt}\n    import time; time.sleep(9)\nfinally:\n    pass; {then}"
    )
    with pytest.raises(KeyboardInterrupt):
        load_host()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_copy_of_the_process_ends_where_the_plugin_does(site: Site) -> None:
    site.install("forking", "import os; os.fork()\n" + dedent(OFFERS_COLOURS))
    done = run_python("from stackkit.host.host import load_host; load_host(); print('loaded')")
    assert done.stdout == "loaded\n"
    assert done.stderr == (
        "error: plugin forking (forking 1.0) made a copy of this process, which ends here\n"
    )


def test_a_function_put_into_a_module_that_came_with_the_plugin_is_named(site: Site) -> None:
    (site.folder / "library.py").write_text("def load(): ...")
    site.install(
        "acme", "import library\ndef mine(): ...\nlibrary.load = mine\n" + dedent(OFFERS_COLOURS)
    )
    assert record(load_host(), "acme").warnings == (
        PluginWarning(stage="import", reason="replaced library.load for everybody"),
    )


@pytest.mark.parametrize(
    "use",
    [
        "sys.stdout.reconfigure(encoding='utf-8')",
        "sys.stdout.buffer.write(b'')",
        "import subprocess; subprocess.run(['true'], stdout=sys.stdout, stderr=sys.stderr)",
        "sys.stderr.close(); sys.stdout.close(); sys.__stdout__.close()",
    ],
)
def test_the_streams_that_a_plugin_meets_are_as_good_as_real_ones(site: Site, use: str) -> None:
    site.install("acme", f"import sys; {use}\n{dedent(OFFERS_COLOURS)}")
    acme = record(load_host(), "acme")
    assert (acme.error, acme.warnings) == ("", ())
    sys.stdout.write("heard as before")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Python itself, which finds the same distributions."""
    return subprocess.run(
        [sys.executable, "-c", dedent(code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_who_keeps_the_stream_it_met_at_import_is_heard_later(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    site.install("acme", "import sys; kept = sys.stdout\n" + dedent(OFFERS_COLOURS))
    assert record(load_host(), "acme").status == "ok"
    sys.modules["acme"].kept.write("later")
    assert capfd.readouterr() == ("", "later")


def test_a_warning_of_python_is_shown_as_always(site: Site) -> None:
    deed = "import warnings; warnings.warn('soon gone', FutureWarning)\n"
    site.install("acme", deed + dedent(OFFERS_COLOURS))
    with pytest.warns(FutureWarning, match="soon gone"):
        host = load_host()
    assert record(host, "acme").status == "ok"


ENDLESS = {
    "asleep": "import time; time.sleep(60)",
    "busy": "while True: pass",
    "deaf": """
        while True:
            try:
                import time; time.sleep(60)
            except BaseException as error:
                if 'heard' in globals(): raise
                heard = True
    """,
    "at a lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
}


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_import_that_hangs_is_ended_and_named(
    site: Site, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("hanging", code)
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0.3")
    start = time.monotonic()
    host = load_host()
    assert time.monotonic() - start < 5
    hanging = record(host, "hanging")
    assert (hanging.stage, hanging.status) == ("import", "failed")
    assert hanging.error == (
        "TimeLimitError: not done after 0.3 s; STACKKIT_PLUGIN_TIMEOUT sets another limit, 0 sets none"
    )
    assert of(host, "zenith") == ["zenith/colours"]
    assert "stackkit-watchdog" not in {thread.name for thread in threading.enumerate()}


def test_a_hook_that_hangs_is_ended_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("hanging", OFFERS_COLOURS.replace("return [", "while True: pass\n        return ["))
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0.3")
    hanging = record(load_host(), "hanging")
    assert hanging.stage == "hook"
    assert hanging.error.startswith("stackkit_backbones: TimeLimitError: not done after 0.3 s")


def test_outside_the_main_thread_an_import_that_hangs_is_ended_as_well(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("hanging", "while True: pass")
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0.3")
    hosts = []
    thread = threading.Thread(target=lambda: hosts.append(load_host()))
    thread.start()
    thread.join(20)
    (host,) = hosts
    assert record(host, "hanging").error.startswith("TimeLimitError: not done after 0.3 s")
    assert of(host, "zenith") == ["zenith/colours"]


def test_an_import_that_nothing_can_interrupt_ends_the_process_with_its_name(site: Site) -> None:
    site.install(
        "stuck",
        "import time; from signal import *; pthread_sigmask(SIG_BLOCK, [SIGALRM]); time.sleep(60)",
    )
    code = (
        "import stackkit.host.timeout as limit; limit.TRIES, limit.AGAIN_S = 3, 0.1;"
        "from stackkit.host.host import load_host; load_host()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "STACKKIT_PLUGIN_TIMEOUT": "0.3"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr == (
        "error: plugin stuck (stuck 1.0) is not done after 0.6 s and cannot be interrupted; "
        "uninstall it, or leave it out by STACKKIT_PLUGINS or --no-plugins\n"
    )


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused(
    site: Site, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", text)
    with pytest.raises(
        UsageError, match=f"STACKKIT_PLUGIN_TIMEOUT={text}: a number of seconds is wanted"
    ):
        load_host()


def test_no_limit_is_a_limit_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_TIMEOUT", "0")
    assert record(load_host(), "zenith").status == "ok"


@pytest.mark.parametrize(
    "requirement", ["stackkit>=99", "stackkit (>=99)", "Stackkit>=99", "stackkit[fast]>=99,<100"]
)
def test_a_plugin_for_another_stackkit_is_not_even_imported(site: Site, requirement: str) -> None:
    site.install("acme", "raise RuntimeError('imported')", requires=["numpy>=1", requirement])
    host = load_host()
    acme = record(host, "acme")
    assert (acme.stage, acme.status) == ("find", "failed")
    assert acme.error.startswith("requires stackkit")
    assert acme.error.endswith(f">=99, and this is stackkit {__version__}".replace(">=99", ""))
    assert of(host, "zenith") == ["zenith/colours"]


@pytest.mark.parametrize(
    "requirement",
    [
        "stackkit",
        "stackkit>=0.0.1",
        "stackkit-extras>=99",
        'stackkit>=99; extra == "test"',
        "stackkit ~~ 3",
    ],
)
def test_a_plugin_for_this_stackkit_is(site: Site, requirement: str) -> None:
    site.install("acme", OFFERS_COLOURS, requires=[requirement])
    assert record(load_host(), "acme").status == "ok"


@pytest.mark.parametrize("version", ["99", "'new'"])
def test_a_plugin_for_newer_hooks_is_told_what_to_do(site: Site, version: str) -> None:
    site.install("acme", f"STACKKIT_HOOKSPEC_VERSION = {version}\n" + dedent(OFFERS_COLOURS))
    host = load_host()
    acme = record(host, "acme")
    assert acme.stage == "register"
    assert acme.error == (
        f"wants version {version} of the hooks, this stackkit has 1; run: pip install --upgrade stackkit"
    )
    assert of(host, "acme", "zenith") == ["zenith/colours"]


def test_the_time_of_an_import_is_known_and_a_slow_one_is_slow(site: Site) -> None:
    site.install("slow", "import time; time.sleep(0.3)\n" + dedent(OFFERS_COLOURS))
    host = load_host()
    slow, zenith = record(host, "slow"), record(host, "zenith")
    assert slow.import_ms >= 300
    assert (slow.is_slow, zenith.is_slow) == (True, False)
    assert slow.status == "ok", "slow is not wrong"
