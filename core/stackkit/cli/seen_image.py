"""Show what a network saw of one image, see `stackkit features show --image`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import StoreError
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.store.metadata import Contents


def show_image(
    path: Path, contents: Contents, name: str, out: Path | None, *, overwrite: bool, as_json: bool
) -> None:
    """Print what the network saw of an image, and write it to `out`."""
    from stackkit.extraction.overlay import seen_image
    from stackkit.host.registry import Registry
    from stackkit.utils.files import atomic_write

    if out and (out.exists() or out.is_symlink()) and not overwrite:
        raise StoreError(f"{out} already exists; choose another --out or add --overwrite")
    with stdout_set_aside():
        seen = seen_image(path, contents, name, Registry(host=the_host()))
    if out:
        try:
            with atomic_write(out) as temporary:
                seen.overlay().save(temporary, format="PNG")
        except OSError as error:
            raise StoreError(f"{out}: cannot be written ({error.strerror or error})") from error
    width, height = seen.image.size
    edges = [round(edge, 1) for edge in seen.region]
    if as_json:
        document = {"image": name, "width": width, "height": height, "view": contents.key.view}
        print_json({**document, "region": edges, "share": round(seen.share, 4), "out": out and str(out)})
        return
    left, top, right, bottom = edges
    say(f"{name}: {width} x {height} pixels, view {contents.key.view}")
    say(f"seen: x {left:g} to {right:g}, y {top:g} to {bottom:g}, {seen.share:.0%} of the image")
    if out:
        say(f"{out}: the image, with a frame around what the network saw")
