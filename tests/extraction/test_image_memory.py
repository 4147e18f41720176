"""An image that does not fit in memory ends the run as a memory error, and is not a broken image."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from stackkit.api.dataset import Sample
from stackkit.api.errors import ImageMemoryError
from stackkit.extraction.dataset import CheckedDataset
from stackkit.extraction.decoding import Decoder, Request
from stackkit.extraction.geometry import Geometry
from stackkit.host.host import load_host
from stackkit.host.registry import Registry

DECODING = """
import resource, sys
from pathlib import Path
from stackkit.api import ImageError, Sample, file_fingerprint, read_image
from stackkit.api.errors import ImageMemoryError
from stackkit.extraction.decoding import Decoder, Request
from stackkit.extraction.geometry import Geometry


class Photographs:
    def __init__(self, folder):
        self.samples = [Sample(id=path.name, label=0) for path in sorted(folder.iterdir())]
        self.folder = folder

    def image(self, i):
        return read_image(self.folder / self.samples[i].id)


geometries = [Geometry(size=8)]
dataset = Photographs(Path(sys.argv[1]))
with Decoder(dataset) as decoder:
    decoder.chunk(Request(numbers=[0], geometries=geometries))  # imports, and starts threads
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # A limit of the machine, and not of stackkit: no fake raises MemoryError here.
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 2**20, -1))
    try:
        chunk = decoder.chunk(Request(numbers=range(len(dataset.samples)), geometries=geometries))
        print("rows", chunk.rows, [each.id for each in chunk.failed])
    except ImageMemoryError as error:
        print(error)
"""


def decoded(folder: Path, spare_mb: int) -> str:
    command = [sys.executable, "-c", DECODING, str(folder), str(spare_mb)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and macOS ignores RLIMIT_AS")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"format": "PNG"}, id="png", marks=pytest.mark.slow),
        pytest.param({"format": "JPEG", "progressive": True}, id="progressive jpeg"),
    ],
)
def test_a_huge_image_is_not_recorded_as_broken(tmp_path: Path, options: dict) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "0 small", **options)
    Image.new("RGB", (6000, 6000)).save(tmp_path / "1 huge", **options)
    assert decoded(tmp_path, 2000) == "rows [0, 1] []\n"
    text = decoded(tmp_path, 160)
    assert text.startswith("1 huge (6000 x 6000 pixels) does not fit in memory, also when it is read")


class Greedy:
    """Image 2 fits in memory only while no other image is decoded, and image 5 never."""

    def __init__(self) -> None:
        self.samples = [Sample(id=f"{i}", label=0) for i in range(8)]
        self.tries = dict.fromkeys(range(8), 0)

    def image(self, i):
        self.tries[i] += 1
        if (i == 2 and self.tries[2] == 1) or i == 5:
            raise MemoryError("9 x 9 pixels")
        return Image.new("RGB", (9, 9))


def test_an_image_without_memory_is_tried_alone_before_the_run_ends() -> None:
    dataset = Greedy()
    requests = [Request(numbers=range(k, k + 4), geometries=[Geometry(size=4)]) for k in (0, 4)]
    with Decoder(dataset) as decoder:
        chunks = decoder.chunks(requests)
        first = next(chunks)
        assert (first.rows, first.failed) == ([0, 1, 2, 3], [])
        assert first.pixels[Geometry(size=4)].shape == (4, 4, 4, 3)
        with pytest.raises(ImageMemoryError, match=r"^5 \(9 x 9 pixels\) does not fit in memory"):
            next(chunks)
    assert (dataset.tries[2], dataset.tries[5], dataset.tries[0]) == (2, 2, 1)


def test_too_little_memory_for_a_fingerprint_is_not_the_plugins_fault() -> None:
    class TooLarge:
        classes, notes = ("a", "b"), ()
        samples = (Sample(id="large", label=0), Sample(id="small", label=1))

        def fingerprint(self, i: int) -> str:
            raise MemoryError

    dataset = CheckedDataset(
        component=Registry(host=load_host()).one("dataset", "mnist"),  # for messages
        dataset=TooLarge(),  # type: ignore[arg-type]
        classes=TooLarge.classes,
        samples=TooLarge.samples,
        notes=(),
    )
    with pytest.raises(ImageMemoryError, match="large does not fit in memory"):
        dataset.fingerprint(0)
