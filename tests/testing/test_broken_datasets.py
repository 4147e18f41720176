"""Each check of a dataset finds a toy with one fault, and no other check does."""

import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackkit.testing.checks import dataset

BROKEN = {
    "unique-ids": """
        class Made(Sound):
            def sample(self, i, file):
                return Sample(id=file.name, label=self.classes.index(file.parent.name))
    """,
    "stable-samples": """
        class Made(Sound):
            made = 0

            def __init__(self, *, root):
                super().__init__(root=root)
                Made.made += 1
                if Made.made % 2 == 0:
                    self.samples, self.files = self.samples[::-1], self.files[::-1]
    """,
    "dense-labels": """
        class Made(Sound):
            classes = ("cat", "dog", "cow")
    """,
    "known-splits": """
        class Made(Sound):
            def sample(self, i, file):
                name = file.relative_to(self.root).as_posix()
                return Sample(id=name, label=self.classes.index(file.parent.name), split="training")
    """,
    "disjoint-splits": """
        class Made(Sound):
            def __init__(self, *, root):
                super().__init__(root=root)
                self.files[1] = self.files[0]
    """,
    "rgb-images": """
        class Made(Sound):
            def image(self, i):
                return super().image(i).convert("L")
    """,
    "thread-safety": """
        import time

        class Made(Sound):
            def image(self, i):
                self.last = super().image(i)
                time.sleep(0.005)
                return self.last
    """,
    "telling-fingerprint": """
        class Made(Sound):
            def sample(self, i, file):
                name = file.relative_to(self.root).as_posix()
                return Sample(id=name, label=self.classes.index(file.parent.name))

            def fingerprint(self, i):
                return file_fingerprint(self.files[i // 2 * 2])
    """,
    "following-fingerprint": """
        class Made(Sound):
            def fingerprint(self, i):
                return self.samples[i].id
    """,
    "verified-fetch": """
        class Made(Sound):
            pass

        def fetch(*, root, url, reporter):
            import urllib.request

            from stackkit.api import datasets_dir
            target = datasets_dir() / "toy.tgz"
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url) as answer:
                target.write_bytes(answer.read())
            return target
    """,
    "runs": """
        import threading

        class Made(Sound):
            def image(self, i):
                if threading.current_thread().name.startswith("stackkit"):
                    raise RuntimeError("no image in a run")
                return super().image(i)
    """,
}

FETCHING = {
    "fetch": "'toy_work:fetch'",
    "options": "(Option(name='root', default=None, type=str, help='r'),"
    " Option(name='url', default='', help='u'))",
}


@pytest.fixture
def options(tmp_path_factory):
    """Four small images of two classes; two of them have the same name."""
    root = tmp_path_factory.mktemp("pets")
    random = np.random.default_rng(1)
    for path in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/3.png"):
        (root / path).parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (6, 7, 3)).astype(np.uint8)).save(root / path)
    return {"toy": {"root": str(root)}}


def test_a_sound_dataset_passes(toy, failed, options):
    toy("dataset")
    assert failed(options=options) == {}


def test_every_check_has_its_toy():
    assert set(BROKEN) == {check.name for check in dataset.CHECKS}


@pytest.mark.parametrize("check", BROKEN)
def test_only_the_faulty_property_is_found(toy, failed, options, check):
    if check == "verified-fetch":
        toy(
            "dataset",
            BROKEN[check].replace("class Made(Sound):\n            pass", TAKES_A_URL),
            **FETCHING,
        )
    else:
        toy("dataset", BROKEN[check])
    assert list(failed(options=options)) == [check]


TAKES_A_URL = """class Made(Sound):
            def __init__(self, *, root, url):
                super().__init__(root=root)
"""


def test_a_dataset_that_refuses_a_wrong_download_passes(toy, failed, options):
    refusing = BROKEN["verified-fetch"].replace(
        "return target", "raise DatasetError(f'{url} is not the toy: another digest')"
    )
    toy("dataset", refusing.replace("class Made(Sound):\n            pass", TAKES_A_URL), **FETCHING)
    assert failed(options=options) == {}


@pytest.mark.parametrize(
    ("check", "code", "found"),
    [
        (
            "telling-fingerprint",
            "def fingerprint(self, i):\n        return 3 * super().fingerprint(i)",
            "a fingerprint must be 1 to 64 ASCII characters",
        ),
        ("dense-labels", "classes = ('cat', 'dog\\n')", "is not one line of text"),
        ("runs", "notes = property()", "AttributeError: property 'notes' of 'Made' object"),
    ],
)
def test_members_must_be_there_and_texts_must_be_lines(toy, failed, options, check, code, found):
    sample = "def sample(self, i, file):\n        return Sample(id=str(i), label=i // 2)"
    toy("dataset", f"class Made(Sound):\n    {sample}\n\n    {code}\n")
    (fault,) = failed(options=options).items()
    assert fault[0] == check
    assert found in fault[1]


@pytest.mark.parametrize("order", ["list(set(found))", "found"], ids=["of a set", "of the file system"])
def test_an_order_that_only_another_process_or_machine_changes_fails(toy, failed, options, order):
    for number in range(10, 20):  # four files might come in the same order by chance
        shade = Image.new("RGB", (6, 7), (number, 0, 0))
        shade.save(f"{options['toy']['root']}/cat/{number}.png")
    toy(
        "dataset",
        f"""
        class Made(Sound):
            def __init__(self, *, root):
                super().__init__(root=root)
                found = list(self.root.rglob("*.png"))
                self.files = {order}
                self.samples = [self.sample(i, file) for i, file in enumerate(self.files)]

            def sample(self, i, file):
                name = file.relative_to(self.root).as_posix()
                return Sample(id=name, label=self.classes.index(file.parent.name))
    """,
    )
    assert list(failed(options=options)) == ["stable-samples"]


def test_a_folder_that_is_a_default_is_copied_and_changed_too(toy, failed, options):
    root = options["toy"]["root"]
    toy(
        "dataset",
        BROKEN["following-fingerprint"],
        options=f"(Option(name='root', default={root!r}, help='the folder'),)",
    )
    assert list(failed()) == ["following-fingerprint"]


ARCHIVE = """
    from PIL import Image
    from stackkit.api import bytes_fingerprint

    class Made(Sound):
        def __init__(self, *, root):
            if root is None:
                raise UsageError("root= is required")
            if not Path(root).is_file():
                raise DatasetError(f"{root} not found; pass root=FILE")
            self.root = root
            self.samples = [Sample(id=str(i), label=i % 2) for i in range(4)]

        def image(self, i):
            content = self.content()[i * 126 : i * 126 + 126]
            return Image.frombytes("RGB", (6, 7), content)

        def content(self):
            return Path(self.root).read_bytes()

        def fingerprint(self, i):
            return {fingerprint}
"""


@pytest.fixture
def archive(tmp_path):
    file = tmp_path / "pets.raw"
    file.write_bytes(np.random.default_rng(1).bytes(4 * 126))
    return {"toy": {"root": str(file)}}


@pytest.mark.parametrize(
    ("fingerprint", "found"),
    [
        ("bytes_fingerprint(self.content()[i * 126 : i * 126 + 126])", []),
        ("f'image {i}'", ["following-fingerprint"]),
    ],
)
def test_bytes_of_an_archive_are_changed_if_no_file_is_an_image(
    toy, failed, archive, fingerprint, found
):
    toy("dataset", ARCHIVE.replace("{fingerprint}", fingerprint))
    assert list(failed(options=archive)) == found


def test_an_archive_that_is_refused_after_a_change_passes(toy, failed, archive):
    crc = zlib.crc32(Path(archive["toy"]["root"]).read_bytes())
    checked = f"""
            if zlib.crc32(Path(root).read_bytes()) != {crc}:
                raise DatasetError("another archive")
            self.root = root
"""
    code = ARCHIVE.replace("{fingerprint}", "f'image {i}'").replace(
        "    from PIL", "    import zlib\n    from PIL"
    )
    toy("dataset", code.replace("            self.root = root\n", checked.lstrip("\n")))
    assert failed(options=archive) == {}


TAR = """
    import io
    import tarfile

    from PIL import Image
    from stackkit.api import bytes_fingerprint

    class Made(Sound):
        def __init__(self, *, root):
            if root is None:
                raise UsageError("root= is required")
            if not Path(root).is_file():
                raise DatasetError(f"{root} not found; pass root=FILE")
            with tarfile.open(root) as archive:
                self.contents = {
                    member.name: archive.extractfile(member).read() for member in archive.getmembers()
                }
            self.samples = [Sample(id=name, label=i % 2) for i, name in enumerate(self.contents)]

        def image(self, i):
            with Image.open(io.BytesIO(self.contents[self.samples[i].id])) as image:
                return image.convert("RGB")

        def fingerprint(self, i):
            return {fingerprint}
"""


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize(
    ("fingerprint", "found"),
    [
        ("bytes_fingerprint(self.contents[self.samples[i].id])", []),
        ("self.samples[i].id", ["following-fingerprint"]),
    ],
)
def test_images_in_a_tar_archive_are_changed(toy, failed, options, tmp_path, mode, fingerprint, found):
    file = tmp_path / "pets.tar"
    with tarfile.open(file, mode) as archive:
        for image in sorted(Path(options["toy"]["root"]).rglob("*.png")):
            archive.add(image, f"{image.parent.name}-{image.name}")
    toy("dataset", TAR.replace("{fingerprint}", fingerprint))
    assert list(failed(options={"toy": {"root": str(file)}})) == found
