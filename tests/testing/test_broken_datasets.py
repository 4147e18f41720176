"""Each promise of a dataset is broken by a toy that this check, and no other, finds."""

import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stackkit.testing.checks import dataset

BROKEN = {
    "members": """
        class Made(Sound):
            notes = property()  # as if there were none
    """,
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
    "lines-of-text": """
        class Made(Sound):
            notes = ("two of the dogs are wolves", "\\n")
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
    "fingerprint-text": """
        class Made(Sound):
            def fingerprint(self, i):
                return 3 * super().fingerprint(i)
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
    "missing-root": """
        class Made(Sound):
            def __init__(self, *, root):
                if root is None:
                    raise UsageError("root= is wanted")
                if not Path(root).exists():
                    raise FileNotFoundError(root)
                super().__init__(root=root)
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
        class Made(Sound):
            def image(self, i):
                self.read = {*getattr(self, "read", ()), i}
                return super().image(i)

            def fingerprint(self, i):  # of the pixels, once they are there
                seen = i in getattr(self, "read", ())
                return super().fingerprint(i) + ("-seen" if seen else "")
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


def test_a_sound_dataset_breaks_nothing(toy, broken, options):
    toy("dataset")
    assert broken(options=options) == {}


def test_every_promise_has_its_toy():
    assert list(BROKEN) == [promise.name for promise in dataset.PROMISES]


@pytest.mark.parametrize("promise", BROKEN)
def test_only_the_broken_promise_is_found(toy, broken, options, promise):
    if promise == "verified-fetch":
        toy(
            "dataset",
            BROKEN[promise].replace("class Made(Sound):\n            pass", TAKES_A_URL),
            **FETCHING,
        )
    else:
        toy("dataset", BROKEN[promise])
    assert list(broken(options=options)) == [promise]


TAKES_A_URL = """class Made(Sound):
            def __init__(self, *, root, url):
                super().__init__(root=root)
"""


def test_a_download_that_is_refused_is_as_it_should_be(toy, broken, options):
    refusing = BROKEN["verified-fetch"].replace(
        "return target", "raise DatasetError(f'{url} is not the toy: another digest')"
    )
    toy("dataset", refusing.replace("class Made(Sound):\n            pass", TAKES_A_URL), **FETCHING)
    assert broken(options=options) == {}


def test_a_root_is_no_matter_where_something_else_is_wanted(toy, broken):
    """Without options this one cannot be made, wherever its root is."""
    asking = """
        class Made(Sound):
            def __init__(self, *, root, file):
                raise UsageError("file= is wanted")
    """
    asked = [f"Option(name='{name}', default=None, type=str, help='h')" for name in ("root", "file")]
    toy("dataset", asking, options=f"({', '.join(asked)})")
    assert broken() == {}


@pytest.mark.parametrize("order", ["list(set(found))", "found"], ids=["of a set", "of the file system"])
def test_an_order_that_only_another_process_or_machine_changes_is_found(toy, broken, options, order):
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
    assert list(broken(options=options)) == ["stable-samples"]


def test_the_default_folder_is_copied_and_changed_too(toy, broken, options):
    root = options["toy"]["root"]
    toy(
        "dataset",
        BROKEN["following-fingerprint"],
        options=f"(Option(name='root', default={root!r}, help='the folder'),)",
    )
    assert list(broken()) == ["following-fingerprint"]


ARCHIVE = """
    from PIL import Image
    from stackkit.api import bytes_fingerprint

    class Made(Sound):
        def __init__(self, *, root):
            if root is None:
                raise UsageError("root= is wanted")
            if not Path(root).is_file():
                raise DatasetError(f"{root} is not there; point root= at the archive")
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
def test_a_byte_of_an_archive_is_changed_where_no_file_is_an_image(
    toy, broken, archive, fingerprint, found
):
    toy("dataset", ARCHIVE.replace("{fingerprint}", fingerprint))
    assert list(broken(options=archive)) == found


def test_an_archive_that_is_refused_once_it_was_changed_is_no_fault(toy, broken, archive):
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
    assert broken(options=archive) == {}


TAR = """
    import io
    import tarfile

    from PIL import Image
    from stackkit.api import bytes_fingerprint

    class Made(Sound):
        def __init__(self, *, root):
            if root is None:
                raise UsageError("root= is wanted")
            if not Path(root).is_file():
                raise DatasetError(f"{root} is not there; point root= at the archive")
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
def test_images_in_a_tar_archive_are_changed(toy, broken, options, tmp_path, mode, fingerprint, found):
    file = tmp_path / "pets.tar"
    with tarfile.open(file, mode) as archive:
        for image in sorted(Path(options["toy"]["root"]).rglob("*.png")):
            archive.add(image, f"{image.parent.name}-{image.name}")
    toy("dataset", TAR.replace("{fingerprint}", fingerprint))
    assert list(broken(options={"toy": {"root": str(file)}})) == found
