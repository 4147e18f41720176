"""Each promise of a dataset is broken by a toy that this check, and no other, finds."""

import numpy as np
import pytest
from PIL import Image

from stackkit.testing import dataset

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
