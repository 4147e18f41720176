"""A server in a process of its own: its address, its end, and its refusals to start."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.models import COLOURS_PLUGIN, small_model
from support.serving import image_bytes

from stackkit.api.errors import PluginError, UsageError
from stackkit.cli.serve import _access, _check_packages, _limits
from stackkit.model.saved import save_model
from stackkit.serving.limits import Limits
from stackkit.serving.server import is_loopback, listen, url_of


def form_in_two(content: bytes, second: threading.Event) -> Iterator[bytes]:
    """The body of a form, whose second half waits."""
    head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
    body = head + content + b"\r\n--x--\r\n"
    yield body[:100]
    second.wait(20)
    yield body[100:]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_command_serves_a_bundle_and_a_signal_ends_it_after_the_requests_in_flight(
    number: signal.Signals, tmp_path: Path
) -> None:
    save_model(small_model(), tmp_path / "colours.stackkit")
    command = ["-m", "stackkit", "--no-plugins", "--plugin"]
    arguments = [str(COLOURS_PLUGIN), "serve", "colours.stackkit", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, *command, *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STACKKIT_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            (url,) = re.findall(r"^serving colours on (http://127.*:\d+/) \(Ctrl-C stops\)$", first)
            assert process.stderr.readline() == "ready\n"
            second = threading.Event()
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(
                    httpx.post,
                    f"{url}predict",
                    content=form_in_two(image_bytes("blue"), second),
                    headers={"Content-Type": "multipart/form-data; boundary=x"},
                )
                while "stackkit_requests_in_flight 1.0" not in httpx.get(f"{url}metrics").text:
                    assert not asking.done()
                process.send_signal(number)
                while _answers(url):
                    assert not asking.done()
                second.set()
                answer = asking.result(20)
            assert process.wait(20) == 0
            assert process.stderr.read() == "stopped\n"
        finally:
            process.kill()
    assert [each["label"] for each in answer.json()["predictions"]] == ["blue"]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}health").is_success
    except httpx.TransportError:
        return False


def test_a_port_in_use_and_a_strange_address_are_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^port {port} of 127\.0\.0\.1 is in use; .* --port"):
            listen("127.0.0.1", port)
        assert url_of(taken) == f"http://127.0.0.1:{port}/"
    with pytest.raises(UsageError, match=r"^--host no such host is no address of this machine"):
        listen("no such host", 0)
    with pytest.raises(UsageError, match="--port must be from 0 to 65535, got 65536"):
        listen("127.0.0.1", 65536)


def test_another_host_needs_a_token_or_no_auth() -> None:
    token = "correct-horse-battery"
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert _access("127.0.0.1", None, False, ["Birds.example"]).names == {
        "localhost", "127.0.0.1", "::1", "birds.example",
    }  # fmt: skip
    assert _access("0.0.0.0", None, True, []).names == frozenset()
    assert _access("0.0.0.0", token, False, []).token == token
    for given, no_auth, text in (
        (
            None,
            False,
            "--host 0.0.0.0 can be reached from other machines; add --token TEXT, or --no-auth",
        ),
        ("short", False, "--token must have at least 16 characters, got 5"),
        ("ü" * 20, False, "--token must be of ASCII letters"),
        (token, True, "--no-auth cannot be combined with a token"),
    ):
        with pytest.raises(UsageError, match=re.escape(text)):
            _access("0.0.0.0", given, no_auth, [])


def test_missing_packages_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stackkit.cli.serve._PACKAGES", ("fastapi", "no_such_package"))
    with pytest.raises(PluginError, match=r"\(no_such_package\); run: pip install 'stackkit\[serve\]'"):
        _check_packages()


def test_limits_are_checked_when_the_server_starts() -> None:
    assert _limits(32, 64, 16, 16, 30) == Limits()
    for given, text in (
        ((0.0, 64, 16, 16, 30), "--max-upload must be from 0.01 to 10000, got 0"),
        ((32, float("inf"), 16, 16, 30), "--max-pixels must be from 0.01 to 10000, got inf"),
        ((32, 64, 0, 16, 30), "--max-images must be at least 1, got 0"),
        ((32, 64, 16, 16, float("nan")), "--timeout must be from 0.1 to 3600, got nan"),
    ):
        with pytest.raises(UsageError, match=re.escape(text)):
            _limits(*given)


def test_an_ipv6_address_has_brackets_in_the_url() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        with listen("::1", 0) as listening:
            assert url_of(listening) == f"http://[::1]:{listening.getsockname()[1]}/"
    except UsageError:
        pytest.skip("this machine has no IPv6 loopback")
