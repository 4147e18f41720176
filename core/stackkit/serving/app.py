"""The HTTP application: the page, /predict, /model, /health and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from stackkit import __version__
from stackkit.api.errors import plain
from stackkit.serving.about import About, ModelDocument
from stackkit.serving.access import Access
from stackkit.serving.answering import Answerer
from stackkit.serving.batching import Batcher
from stackkit.serving.guard import Guard
from stackkit.serving.limits import Limits
from stackkit.serving.metrics import Metrics
from stackkit.serving.neighbours import Answer
from stackkit.serving.page_files import add_page
from stackkit.serving.refusal import CODES, ErrorDocument, Refusal, error_response
from stackkit.serving.uploads import FIELD


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """The answers to the images of a request, in its order."""

    predictions: list[Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The state of the server; only a server that answers has one."""

    status: str


def create_app(
    batcher: Batcher,
    about: About,
    *,
    limits: Limits,
    access: Access,
    metrics: Metrics,
    thumbnails: Sequence[bytes] = (),
    ready: Callable[[], None] = lambda: None,
    failed: Callable[[], None] = lambda: None,
    crashed: Callable[[Exception], None] = lambda error: None,
) -> ASGIApp:
    """Return the application; its start and end are those of the batcher.

    Parameters
    ----------
    batcher : Batcher
        Answers images; `observe` of it should be `metrics.batch`.
    about : About
        What the page says about the model.
    limits, access, metrics
        See `Limits`, `Access` and `Metrics`.
    thumbnails : sequence of bytes
        JPEG files of the training images that answers refer to.
    ready, failed : callable
        Called when the networks are warm, and if they cannot be opened.
    crashed : callable
        Called with the error of a request that failed for no known reason.

    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start(ready, failed)
        yield
        await run_in_threadpool(batcher.close)

    # The schema is answered without the token, which protects what is known about the model.
    app = _bare_app("stackkit" if access.token else f"stackkit: {about.name}", lifespan)
    metrics.watch(batcher)
    _answer_errors_as_json(app)
    secret = [] if access.token is None else [Depends(HTTPBearer(auto_error=False))]
    answerer = Answerer(batcher, limits, metrics)
    _add_predict(app, answerer, limits, secret)
    _add_reports(app, answerer, about.document(limits), metrics, secret)
    _add_thumbnails(app, thumbnails, secret)
    page = add_page(app)
    paths = frozenset({"/predict", "/model", "/health", "/metrics", "/openapi.json", "/examples"}) | page
    return Guard(app, access, metrics, paths, crashed)


def _bare_app(title: str, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Return an application without endpoints."""
    return FastAPI(
        title=title,
        version=__version__,
        docs_url=None,  # FastAPI's pages load scripts from another server
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )


def _add_predict(app: FastAPI, answerer: Answerer, limits: Limits, secret: Sequence[Any]) -> None:
    refused = (401,) if secret else ()

    @app.post(
        "/predict",
        summary="Label images",
        response_model=Predictions,
        responses=_errors(400, 403, 408, 413, 415, 421, 422, 429, 500, 503, *refused),
        openapi_extra={"requestBody": _form_schema(limits)},
        dependencies=list(secret),
    )
    async def predict(request: Request) -> JSONResponse:
        found = await answerer.answer(request)
        return _json({"predictions": [{"neighbours": [], **each.document()} for each in found]})


def _add_reports(
    app: FastAPI, answerer: Answerer, model: dict[str, Any], metrics: Metrics, secret: Sequence[Any]
) -> None:
    refused = (401,) if secret else ()

    @app.get(
        "/model",
        summary="Describe the model and the limits",
        response_model=ModelDocument,
        responses=_errors(421, 500, *refused),
        dependencies=list(secret),
    )
    async def described() -> JSONResponse:
        return _json(model)

    @app.get(
        "/health",
        summary="Tell whether the server answers",
        response_model=Health,
        responses=_errors(421, 500, 503),
    )
    async def health() -> JSONResponse:
        answerer.check_ready()
        return _json({"status": "ready"})

    @app.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **_errors(421, 500, *refused),
        },
        dependencies=list(secret),
    )
    async def all_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_thumbnails(app: FastAPI, thumbnails: Sequence[bytes], secret: Sequence[Any]) -> None:
    refused = (401,) if secret else ()

    @app.get(
        "/examples/{number}",
        summary="Small copy of a training image",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}},
            **_errors(404, 421, 422, 500, *refused),
        },
        dependencies=list(secret),
    )
    async def thumbnail(number: int) -> Response:
        if not 0 <= number < len(thumbnails):
            raise Refusal(404, f"the model has {len(thumbnails)} examples, and none is number {number}")
        headers = {"Cache-Control": "private, max-age=3600"}
        return Response(thumbnails[number], media_type="image/jpeg", headers=headers)


def _json(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": ErrorDocument, "description": CODES[status]} for status in sorted(statuses)
    }


def _form_schema(limits: Limits) -> dict[str, Any]:
    image = {"type": "string", "format": "binary"}
    images = {"type": "array", "items": image, "minItems": 1, "maxItems": limits.images}
    form = {
        "type": "object",
        "required": [FIELD],
        "properties": {FIELD: images},
        "additionalProperties": False,
    }
    kinds = {FIELD: {"contentType": "image/jpeg, image/png, image/gif, image/webp, image/tiff"}}
    return {"required": True, "content": {"multipart/form-data": {"schema": form, "encoding": kinds}}}


def _answer_errors_as_json(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        return refusal.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(422, "; ".join(plain(str(each["msg"])) for each in error.errors()))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        told = {404: "there is no such page; see /openapi.json", 405: "this page has other methods"}
        message = told.get(error.status_code, str(error.detail))
        return error_response(error.status_code, message, headers=dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return error_response(500, "the server failed; its log says why")
