"""bundle.md: its block runs on a real bundle, and its tables match the code."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from support.bundles import write
from support.pages import text_of

from stackkit.bundle import Manifest, archive, json_text, manifest, reading
from stackkit.prediction.networks import LARGEST_SIDE

PAGE = text_of("bundle.md")


def rows(heading: str) -> list[list[str]]:
    table = PAGE.split(f"| {heading} |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_the_block_reads_a_bundle_without_stackkit(tmp_path: Path):
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"path": write(tmp_path / "birds.stackkit")}
    exec(compile(block, "bundle.md", "exec"), names)
    assert names["manifest"]["classes"] == ["Laysan Albatross", "Fischmöwe"]
    assert names["state"]["values"] == {"n": 3}
    assert names["arrays"]["learner/coef"].shape == (3, 4)


def test_the_page_lists_every_key_and_the_limits():
    keys = {key for row in rows("key") for key in re.findall(r"`(\w+)`", row[0])}
    assert keys == {field.name for field in dataclasses.fields(Manifest)} | {"schema", "members"}
    limits = {name: int(value.replace(",", "")) for name, value in rows("limit")}
    assert limits == {
        "members": archive.MAX_MEMBERS,
        "bytes of a bundle": archive.MAX_BYTES,
        "bytes of a JSON member": json_text.MAX_JSON_BYTES,
        "bytes of all JSON members": reading.MAX_ALL_JSON_BYTES,
        "bytes of the arrays of a state": reading.MAX_ARRAYS_BYTES,
        "networks": manifest.MAX_BACKBONES,
        "side of the images of a network, in pixels": LARGEST_SIDE,
    }
