"""What one client may ask of the server, so that no request can take all of its memory or time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a server.

    Parameters
    ----------
    upload_bytes : int
        Most bytes of the body of one request.
    image_pixels : int
        Most pixels of one image, read from its header before anything is decoded. The images of a
        batch have no more pixels than this together, unless a batch is one image.
    images : int
        Most images of one request.
    requests : int
        Most requests at a time, while they upload or wait for their answer.
    seconds : float
        Most seconds for an upload, and most for the answer after it.
    batch : int
        Most images that go through the networks together.
    wait_s : float
        How long a batch waits for images that other requests are uploading.

    """

    upload_bytes: int = 32_000_000
    image_pixels: int = 64_000_000
    images: int = 16
    requests: int = 16
    seconds: float = 30.0
    batch: int = 16
    wait_s: float = 0.005
