"""The reader of PyTorch checkpoints is exact on valid files and refuses damaged or malicious ones.

Checkpoints are written here opcode by opcode, because regular tools cannot write malicious ones.
"""

import contextlib
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stackkit.api import WeightsError
from stackkit_plugins.efficientnet_lite.backbone import LITE0
from stackkit_plugins.efficientnet_lite.torch_checkpoint import read_checkpoint

MAGIC = 0x1950A86A20F9469CFC6C
FLOATS, LONGS = ("torch", "FloatStorage"), ("torch", "LongStorage")
REBUILD = ("torch._utils", "_rebuild_tensor_v2")


class Call(tuple):
    """A constructor and its arguments, called when the pickle is loaded."""


class Persistent(tuple):
    """A persistent identifier, with which a checkpoint declares a storage."""


class Global(tuple):
    """A constructor, given by module and name."""


def encoded(value: object) -> bytes:
    """Return protocol 2 pickle opcodes that push `value`."""
    match value:
        case Global((module, name)):
            return f"c{module}\n{name}\n".encode()
        case Call((function, *arguments)):
            return encoded(Global(function)) + encoded(tuple(arguments)) + b"R"
        case Persistent():
            return encoded(tuple(value)) + b"Q"
        case tuple():
            return b"(" + b"".join(map(encoded, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encoded, value)) + b"e"
        case dict():
            return b"}(" + b"".join(encoded(part) for pair in value.items() for part in pair) + b"u"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(content)]) + content
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    raise TypeError(value)


def pickled(value: object) -> bytes:
    return b"\x80\x02" + encoded(value) + b"."


def storage(key: str, count: int, kind: tuple[str, str] = FLOATS) -> Persistent:
    return Persistent(("storage", Global(kind), key, "cpu", count, None))


def tensor(source: object, shape: tuple, strides: tuple, offset: int = 0) -> Call:
    hooks = Call((("collections", "OrderedDict"),))
    return Call((REBUILD, source, offset, shape, strides, False, hooks))


def checkpoint(
    state: object,
    storages: dict[str, np.ndarray],
    *,
    magic: int = MAGIC,
    protocol: object = 1001,
    little_endian: bool = True,
    keys: object = None,
) -> bytes:
    machine = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    listed = list(storages) if keys is None else keys
    pickles = [pickled(part) for part in (magic, protocol, machine, state, listed)]
    return b"".join(pickles) + b"".join(
        struct.pack("<q", values.size) + values.tobytes() for values in storages.values()
    )


SIX = np.arange(6, dtype="<f4")
SMALL = checkpoint({"w": tensor(storage("0", 6), (2, 3), (3, 1))}, {"0": SIX})


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file and read them as a checkpoint."""

    def write_and_read(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return read_checkpoint(path)

    return write_and_read


def test_tensors_are_read_with_names_shapes_types_and_values(read):
    state = {
        "weight": tensor(storage("a", 6), (2, 3), (3, 1)),
        "count": tensor(storage("b", 1, LONGS), (), ()),
    }
    found = read(checkpoint(state, {"b": np.array([7], "<i8"), "a": SIX}))
    assert list(found) == ["weight", "count"]
    assert np.array_equal(found["weight"], [[0, 1, 2], [3, 4, 5]])
    assert found["weight"].dtype == np.float32
    assert found["count"].shape == ()
    assert found["count"].dtype == np.int64
    assert found["count"] == 7


def test_strides_and_offsets_are_respected_in_a_shared_storage(read):
    state = {
        "transposed": tensor(storage("0", 6), (3, 2), (1, 3)),
        "tail": tensor(storage("0", 6), (2,), (2,), offset=3),
        "repeated": tensor(storage("0", 6), (3,), (0,), offset=5),
        "empty": tensor(storage("0", 6), (0, 4), (4, 1)),
    }
    found = read(checkpoint(state, {"0": SIX}))
    assert np.array_equal(found["transposed"], [[0, 3], [1, 4], [2, 5]])
    assert np.array_equal(found["tail"], [3, 5])
    assert np.array_equal(found["repeated"], [5, 5, 5])
    assert found["empty"].shape == (0, 4)
    assert all(values.flags.c_contiguous and values.flags.writeable for values in found.values())


def test_a_published_checkpoint_is_read_completely():
    found = read_checkpoint(LITE0.packaged_file())
    assert found["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert found["_fc.bias"].shape == (1000,)
    assert found["_bn0.num_batches_tracked"].dtype == np.int64
    assert all(np.isfinite(values).all() for values in found.values())
    assert all((values >= 0).all() for name, values in found.items() if name.endswith("running_var"))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("collections", "Counter"),
        ("torch", "DoubleStorage"),
        ("torch._utils", "_rebuild_parameter"),
    ],
)
def test_any_other_constructor_is_refused_by_name_and_not_called(read, tmp_path, module, name):
    victim = tmp_path / "victim"
    state = {"w": Call(((module, name), f"touch {victim}"))}
    with pytest.raises(WeightsError, match=f"{module}.{name}"):
        read(checkpoint(state, {}))
    assert not victim.exists()


def test_a_forbidden_constructor_is_refused_in_every_place(read):
    evil = Call((("os", "system"), "true"))
    for content in (
        pickled(evil),
        pickled(MAGIC) + pickled(evil),
        checkpoint(evil, {}),
        checkpoint({}, {}, protocol=evil),
        checkpoint({}, {}, keys=evil),
    ):
        with pytest.raises(WeightsError, match=r"os\.system"):
            read(content)


def test_a_file_cut_short_anywhere_is_refused(read):
    for length in range(len(SMALL)):
        with pytest.raises(WeightsError):
            read(SMALL[:length])


def test_a_published_checkpoint_cut_short_is_refused(read):
    content = LITE0.packaged_file().read_bytes()
    for length in (1000, 42_486, 47_000, 47_180, len(content) // 2, len(content) - 1):
        with pytest.raises(WeightsError, match=r"weights\.pth"):
            read(content[:length])


def test_bytes_after_the_last_storage_are_refused(read):
    with pytest.raises(WeightsError, match="1 bytes follow"):
        read(SMALL + b"\0")


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_a_changed_byte_gives_either_an_error_or_arrays(read):
    generator = random.Random(5)
    for _ in range(3000):
        content = bytearray(SMALL)
        content[generator.randrange(len(content))] = generator.randrange(256)
        with contextlib.suppress(WeightsError):
            found = read(bytes(content))
            assert sum(values.size for values in found.values()) <= 6


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (checkpoint({}, {}, magic=1), "magic number"),
        (checkpoint({}, {}, protocol=1002), "protocol is 1002, expected 1001"),
        (checkpoint({}, {}, little_endian=False), "little-endian"),
        (checkpoint([], {}), "expected a dictionary of tensors, got list"),
        (checkpoint({"w": 3}, {}), "'w' is not a tensor"),
        (checkpoint({}, {}, keys=["0"]), "lists are not those"),
        (checkpoint({}, {}, keys=7), "no list of storages"),
        (b"a note, not a checkpoint", "damaged"),
        (b"", "damaged"),
    ],
)
def test_a_file_in_another_format_is_refused_with_the_reason(read, content, reason):
    with pytest.raises(WeightsError, match=reason):
        read(content)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((7,), (1,), 0),
        ((6,), (1,), 1),
        ((2, 3), (4, 1), 0),
        ((1 << 40,), (0,), 0),
        ((1 << 62, 1 << 62), (0, 0), 0),
        ((-1,), (1,), 0),
        ((2,), (-1,), 1),
        ((2,), (1,), -1),
        ((2, 3), (1,), 0),
        ((True,), (1,), 0),
        (("2",), (1,), 0),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(read, shape, strides, offset):
    state = {"w": tensor(storage("0", 6), shape, strides, offset)}
    with pytest.raises(WeightsError):
        read(checkpoint(state, {"0": SIX}))


@pytest.mark.parametrize("count", [-1, 5, 1 << 40])
def test_a_storage_of_another_length_than_declared_is_refused(read, count):
    state = {"w": tensor(storage("0", count), (1,), (1,))}
    with pytest.raises(WeightsError):
        read(checkpoint(state, {"0": SIX}))


def test_a_storage_longer_than_the_file_is_refused(read):
    state = {"w": tensor(storage("0", 1 << 40), (1,), (1,))}
    head = checkpoint(state, {}, keys=["0"])
    with pytest.raises(WeightsError, match="ends within storage 0"):
        read(head + struct.pack("<q", 1 << 40) + SIX.tobytes())


def test_one_storage_declared_in_two_ways_is_refused(read):
    state = {
        "v": tensor(storage("0", 6), (1,), (1,)),
        "w": tensor(storage("0", 6, LONGS), (1,), (1,)),
    }
    with pytest.raises(WeightsError, match="twice"):
        read(checkpoint(state, {"0": SIX}))


def test_a_pickle_that_would_allocate_all_memory_is_refused(read):
    huge_memo = b"\x80\x02" + encoded(MAGIC) + b"r" + struct.pack("<I", 0xFFFFFFFF) + b"."
    huge_text = b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x."
    for content in (huge_memo, huge_text):
        with pytest.raises(WeightsError):
            read(content)


def test_for_the_newer_zip_format_the_error_tells_how_to_convert_it(tmp_path):
    path = tmp_path / "new.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"")
    with pytest.raises(WeightsError, match="_use_new_zipfile_serialization=False"):
        read_checkpoint(path)


def test_a_missing_file_is_a_weights_error(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(Path(tmp_path / "nothing.pth"))
