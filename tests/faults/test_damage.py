"""Bit flips, cuts and lost pages anywhere in a feature file are found; no wrong row is read."""

import faulthandler
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.stored_features import COUNT, FEATURES, KEY, ROWS, fill

from stackkit.store import FeatureStore
from stackkit.store.catalogue import row_states
from stackkit.store.errors import DamagedFileError
from stackkit.store.integrity import USER_BLOCK_BYTES
from stackkit.store.metadata import read_contents

TRIALS = [150, pytest.param(600, marks=pytest.mark.slow)]


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """End the process with a traceback if something hangs below Python, where no timeout reaches."""
    faulthandler.dump_traceback_later(300, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fill(tmp_path / "features")


def damage_seen(path: Path) -> str:
    """Return what checking finds. Raises AssertionError if a wrong row counts as intact."""
    try:
        contents = read_contents(path)
    except DamagedFileError:
        return "file"
    damaged = row_states(contents).damaged
    with FeatureStore(path.parent.parent).open(KEY, ROWS, {}, create=False) as file:
        intact = file.intact()
        assert np.array_equal(file.read()[intact], FEATURES[intact])
        assert set(np.flatnonzero(~intact)) >= set(damaged)
    return "rows" if len(damaged) else "nothing" if intact.all() else "absent rows"


def recovered(path: Path) -> int:
    """Open to write, as an extraction does; returns the number of rows to be computed again."""
    with FeatureStore(path.parent.parent).open(KEY, ROWS, {"keras": "1"}) as file:
        intact, pending = file.intact(), file.pending()
        assert np.array_equal(file.read()[intact], FEATURES[intact])
        file.write(pending, FEATURES[pending])
        assert file.pending() == []
        assert np.array_equal(file.read(), FEATURES)
    return len(pending)


@pytest.mark.parametrize("trials", TRIALS)
def test_every_flipped_bit_is_found_and_costs_one_row_at_most(path: Path, trials: int) -> None:
    sound, layout = path.read_bytes(), read_contents(path).layout
    draw = random.Random(11)
    for _ in range(trials):
        place, data = draw.randrange(len(sound)), bytearray(sound)
        data[place] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        in_rows = layout.features <= place < layout.features + COUNT * layout.stride
        in_checksums = layout.checksums <= place < layout.checksums + 4 * COUNT
        assert damage_seen(path) == ("rows" if in_rows or in_checksums else "file"), place
        lost = 1 if in_rows or in_checksums else COUNT if place < USER_BLOCK_BYTES else 0
        assert recovered(path) == lost, place


def test_hundreds_of_flipped_bits_at_once_are_found(path: Path) -> None:
    sound, draw = path.read_bytes(), random.Random(12)
    for _ in range(100):
        data = bytearray(sound)
        for _ in range(draw.randrange(2, 500)):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)
        assert damage_seen(path) != "nothing"
        recovered(path)


def test_a_cut_anywhere_is_found_and_rows_before_it_are_kept(path: Path) -> None:
    sound, layout = path.read_bytes(), read_contents(path).layout
    draw = random.Random(13)
    edges = [0, 1, USER_BLOCK_BYTES - 1, USER_BLOCK_BYTES, len(sound) - 1]
    for size in [*edges, *(draw.randrange(len(sound)) for _ in range(100))]:
        path.write_bytes(sound[:size])
        assert damage_seen(path) == "file", size
        lost = recovered(path)
        if size >= max(layout.features + COUNT * layout.stride, layout.checksums + 4 * COUNT):
            assert lost == 0, size


@pytest.mark.parametrize("page", [512, 4096])
def test_pages_that_a_power_failure_left_empty_are_found(path: Path, page: int) -> None:
    sound, draw = path.read_bytes(), random.Random(14)
    for _ in range(100):
        start, data = draw.randrange(len(sound) // page) * page, bytearray(sound)
        data[start : start + page] = bytes(len(data[start : start + page]))
        path.write_bytes(data)
        assert damage_seen(path) != "nothing" or data == sound, start
        recovered(path)


def test_noise_in_place_of_a_file_is_found(path: Path) -> None:
    draw = random.Random(15)
    for _ in range(50):
        path.write_bytes(draw.randbytes(draw.randrange(20_000)))
        assert damage_seen(path) == "file"
        assert recovered(path) == COUNT
