"""Read the images of a multipart request into memory, within limits; nothing is written to disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from stackkit.api.errors import plain
from stackkit.serving.limits import Limits
from stackkit.serving.refusal import Refusal

FIELD = "images"
"""Name of the form field that holds images."""

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """The bytes of an image file, and its name on the client's machine, which may be any text."""

    name: str
    content: bytes


@dataclass(slots=True)
class _Part:
    """A part of the form, as far as it has arrived."""

    disposition: bytes = b""
    content: bytearray = field(default_factory=bytearray)


class _Form:
    """Collects the parts of a form.

    Starlette's and python-multipart's own form classes put large files on disk, so only the parser
    below them is used.
    """

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self.uploads: list[Upload] = []
        self.is_complete = False
        self._most = limits.images
        self._part = _Part()
        self._name = bytearray()
        self._value = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": lambda data, start, end: self._part.content.extend(data[start:end]),
                "on_part_end": self._end,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header,
                "on_end": self._finish,
            },
        )

    def write(self, data: bytes) -> None:
        """Take the next bytes of the body; raises FormParserError if they are no form."""
        self._parser.write(data)

    def _begin(self) -> None:
        self._part = _Part()

    def _header(self) -> None:
        # No other header is kept: a part may have millions of them.
        if self._name.lower() == b"content-disposition":
            self._part.disposition = bytes(self._value)
        self._name, self._value = bytearray(), bytearray()

    def _finish(self) -> None:
        self.is_complete = True

    def _end(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        field_name = options.get(b"name", b"").decode("utf-8", "replace")
        if field_name != FIELD:
            raise Refusal(
                422, f"the form has a field {plain(field_name)!r}; send images in the field {FIELD!r}"
            )
        if len(self.uploads) == self._most:
            raise Refusal(422, f"a request may have at most {self._most} images; send several requests")
        name = plain(options.get(b"filename", b"").decode("utf-8", "replace"))[:_LONGEST_NAME]
        self.uploads.append(Upload(name=name, content=bytes(self._part.content)))


async def read_uploads(request: Request, limits: Limits) -> list[Upload]:
    """Return the images of a request.

    Raises
    ------
    Refusal
        408 if the upload takes too long, 413 if it is too large, 415 if the request is no multipart
        form, 422 if the form is malformed, or has no images or too many.

    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise Refusal(415, f"send images as multipart/form-data, in the field {FIELD!r}")
    form = _form(options.get(b"boundary", b""), limits)
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in _body(request, limits.upload_bytes):
                form.write(chunk)
    except FormParserError as error:
        raise Refusal(422, f"the form is malformed: {plain(str(error))}") from None
    except TimeoutError:
        raise Refusal(
            408, f"the upload took longer than {limits.seconds:g} s; send fewer or smaller images"
        ) from None
    except ClientDisconnect:
        raise Refusal(400, "the upload ended early") from None
    if not form.is_complete:
        raise Refusal(422, "the form is malformed: its end is missing")
    if not form.uploads:
        raise Refusal(422, f"the request has no images; send them in the field {FIELD!r}")
    return form.uploads


def _form(boundary: bytes, limits: Limits) -> _Form:
    if not boundary:
        raise Refusal(422, "the form is malformed: the Content-Type header has no boundary")
    try:
        return _Form(boundary, limits)
    except FormParserError as error:
        raise Refusal(422, f"the form is malformed: {plain(str(error))}") from None


async def _body(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield the body, and stop as soon as it is longer than allowed, whatever its header says."""
    too_large = Refusal(
        413, f"the request is larger than {most / 1e6:g} MB; send fewer or smaller images"
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise too_large
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > most:
            raise too_large
        yield chunk
