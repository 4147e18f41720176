"""`stackkit serve`: answer over HTTP, with a page for people."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import PluginError, UsageError, one_line
from stackkit.cli import options, values
from stackkit.cli import predict_options as answers
from stackkit.cli.output import stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    import socket

    from stackkit.prediction.predictor import Predictor
    from stackkit.serving.access import Access
    from stackkit.serving.limits import Limits

TOKEN = "STACKKIT_TOKEN"  # noqa: S105  the name of a variable
"""Environment variable for the token, which other users of the machine could read on a command line."""

_PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")

ACCESS, LIMITS = "Access", "Limits"

Host = Annotated[
    str,
    typer.Option(
        "--host",
        show_default=False,
        metavar="ADDRESS",
        help="Address to listen on. Default: 127.0.0.1.",
        rich_help_panel=ACCESS,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        "--port",
        show_default=False,
        metavar="N",
        parser=values.whole_number,
        help="Port; 0 for any free one. Default: 8000.",
        rich_help_panel=ACCESS,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TEXT",
        help=f"Secret of clients. Default: {TOKEN}.",
        show_default=False,
        rich_help_panel=ACCESS,
    ),
]
NoAuth = Annotated[
    bool,
    typer.Option("--no-auth", help="Answer everyone who can reach --host.", rich_help_panel=ACCESS),
]
AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="Name of a proxy in front; repeatable.",
        rich_help_panel=ACCESS,
    ),
]


def _limit(name: str, metavar: str, parser: Callable[[str], float], explained: str) -> Any:
    """Declare an option for a limit, whose help says the default."""
    return typer.Option(
        name,
        show_default=False,
        metavar=metavar,
        parser=parser,
        help=explained,
        rich_help_panel=LIMITS,
    )


MaxUpload = Annotated[
    float, _limit("--max-upload", "MB", values.number, "Largest request. Default: 32.")
]
MaxPixels = Annotated[
    float, _limit("--max-pixels", "MILLIONS", values.number, "Largest image. Default: 64.")
]
MaxImages = Annotated[
    int, _limit("--max-images", "N", values.whole_number, "Images per request. Default: 16.")
]
MaxRequests = Annotated[
    int, _limit("--max-requests", "N", values.whole_number, "Requests at a time. Default: 16.")
]
Timeout = Annotated[
    float,
    _limit("--timeout", "SECONDS", values.number, "Longest upload, and longest answer. Default: 30."),
]


def serve(
    model: answers.Model,
    top: answers.Top = 5,
    min_confidence: answers.MinConfidence = None,
    target_precision: answers.TargetPrecision = None,
    trust: answers.Trust = None,
    device: options.Device = None,
    threads: options.Threads = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    no_auth: NoAuth = False,
    allowed_host: AllowedHost = None,
    max_upload: MaxUpload = 32,
    max_pixels: MaxPixels = 64,
    max_images: MaxImages = 16,
    max_requests: MaxRequests = 16,
    timeout: Timeout = 30,
) -> None:
    """Answer over HTTP, with a page for people, until Ctrl-C.

    Images stay in memory and are not kept. Needs the extra serve.

    Try: stackkit serve birds.stackkit
    """
    _check_packages()
    options.check_count("--threads", threads)
    options.check_count("--top", top)
    access = _access(host, token or os.environ.get(TOKEN) or None, no_auth, allowed_host or ())
    limits = _limits(max_upload, max_pixels, max_images, max_requests, timeout)
    from stackkit.cli.progress import progress
    from stackkit.serving.server import listen

    with stdout_set_aside(), listen(host, port) as listening, progress("none") as reporter:
        from stackkit.cli.labelling import predictor_of

        predictor = predictor_of(
            model,
            trust or (),
            reporter,
            top=top,
            min_confidence=min_confidence,
            target_precision=target_precision,
            device=device,
            threads=threads,
        )
        _run(predictor, model.stem, listening, limits, access)


def _run(
    predictor: Predictor, name: str, listening: socket.socket, limits: Limits, access: Access
) -> None:
    """Answer until Ctrl-C."""
    from stackkit.serving.about import about
    from stackkit.serving.running import run

    facts = about(predictor.model, name)
    run(predictor, facts, listening, limits=limits, access=access, tell=_tell, crashed=_crashed)


def _check_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise PluginError(
            f"serve needs packages that are not installed ({', '.join(missing)}); run: "
            "pip install 'stackkit[serve]'"
        )


def _limits(upload_mb: float, megapixels: float, images: int, requests: int, seconds: float) -> Limits:
    from stackkit.serving.limits import Limits

    options.check_count("--max-images", images)
    options.check_count("--max-requests", requests)
    for option, value, least, most in (
        ("--max-upload", upload_mb, 0.01, 10_000),
        ("--max-pixels", megapixels, 0.01, 10_000),
        ("--timeout", seconds, 0.1, 3600),
    ):
        if not least <= value <= most:
            raise UsageError(f"{option} must be from {least:g} to {most}, got {value:g}")
    return Limits(
        upload_bytes=int(upload_mb * 1e6),
        image_pixels=int(megapixels * 1e6),
        images=images,
        requests=requests,
        seconds=seconds,
    )


def _access(host: str, token: str | None, no_auth: bool, allowed: Sequence[str]) -> Access:
    from stackkit.serving.access import LOOPBACK_NAMES, Access, token_problem
    from stackkit.serving.server import is_loopback

    if token is not None and no_auth:
        raise UsageError("--no-auth cannot be combined with a token; leave one of them out")
    if token is not None and (problem := token_problem(token)):
        raise UsageError(f"--token {problem}")
    names = frozenset(name.lower() for name in allowed)
    if is_loopback(host):
        return Access(names=LOOPBACK_NAMES | names, token=token)
    if token is None and not no_auth:
        raise UsageError(
            f"--host {host} can be reached from other machines; add --token TEXT, or --no-auth to "
            "answer everyone"
        )
    return Access(names=names | LOOPBACK_NAMES if names else names, token=token)


def _tell(line: str) -> None:
    say(line, err=True)


def _crashed(error: Exception) -> None:
    if os.environ.get("STACKKIT_DEBUG") == "1":
        traceback.print_exception(error)
    say(f"error: {one_line(error)} (`stackkit --debug serve ...` shows the traceback)", err=True)
