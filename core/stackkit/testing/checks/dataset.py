"""Checks of a dataset: the same labelled images every time, and fingerprints that follow the images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from stackkit.api.dataset import Dataset, Sample
from stackkit.api.paths import user_path
from stackkit.api.specs import DatasetSpec, load_text
from stackkit.host.requirements import missing_requirements
from stackkit.testing.check import CheckList, require, skip
from stackkit.testing.child_process import contents
from stackkit.testing.corruption import changes, copied
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.fakes import serving
from stackkit.testing.under_test import ComponentUnderTest, ask_process

MAX_HASHED = 2000
"""So many samples, evenly spaced, are compared between splits."""


@dataclass(frozen=True, kw_only=True)
class DatasetUnderTest(ComponentUnderTest):
    """A dataset, and a dozen of its samples."""

    @property
    def dataset(self) -> Dataset:
        """The first object."""
        dataset: Dataset = self.made
        return dataset

    @cached_property
    def some(self) -> Sequence[int]:
        """Indices of at most twelve samples, including the first and the last."""
        last = len(self.dataset.samples) - 1
        return sorted({round(last * step / 11) for step in range(12)})

    @cached_property
    def paths(self) -> dict[str, Path]:
        """The options that name existing files or folders: given ones, and defaults like a path."""
        declared = {option.name: option for option in self.component.spec.options}
        found = {}
        for name, value in self.configured().options.items():
            if isinstance(value, str) and value and not declared[name].choices:
                is_path = name in self.given or name == "root" or os.sep in value
                if is_path and (path := user_path(value)).exists():
                    found[name] = path
        return found

    @cached_property
    def elsewhere(self) -> dict[str, list[str]]:
        """The contents in a new process with other hashes of text and another order of files."""
        # Hashes of text must differ from those here, also if PYTHONHASHSEED fixes them.
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        request = self.request("contents", some=list(self.some))
        found: dict[str, list[str]] = ask_process(self.target, request, {"PYTHONHASHSEED": seed})
        return found


CHECKS = CheckList(after=("unique-ids",))


@CHECKS.add(
    "unique-ids", "use the path relative to the root, or a number with the dataset's name", after=()
)
def unique_ids(component: DatasetUnderTest) -> None:
    """Every sample is a `Sample` with its own id, one line of text."""
    samples = component.dataset.samples
    require(len(samples) > 0, "it has no samples")
    others = sorted({type(sample).__name__ for sample in samples if not isinstance(sample, Sample)})
    require(not others, f"samples must be Sample, got {', '.join(others)}")
    ids = [sample.id for sample in samples]
    wrong = [name for name in ids if not _is_line(name)]
    require(not wrong, f"sample id {wrong[:1]} is not one line of text")
    repeated = sorted(name for name, count in Counter(ids).items() if count > 1)
    require(not repeated, f"{len(repeated)} ids belong to several samples, such as {repeated[:1]}")


def _is_line(text: object) -> bool:
    return type(text) is str and text.isprintable() and bool(text)


@CHECKS.add(
    "stable-samples",
    "sort the files that a folder lists, and every set; shuffle nothing",
    after=("telling-fingerprint",),
)
def stable_samples(component: DatasetUnderTest) -> None:
    """Made again, also in another process, it has the same classes, samples and fingerprints in the same
    order.
    """
    here = contents(component.dataset, component.some)
    another_process = "in a process with another hash() of text and another order of files in folders"
    for where, found in (
        ("made again", contents(component.create(), component.some)),
        (another_process, component.elsewhere),
    ):
        different = [what for what in here if here[what] != found[what]]
        require(
            not different, f"{where}, it has other {' and '.join(different)} or another order of them"
        )


@CHECKS.add(
    "dense-labels", "number the classes that have samples; use int(label) and str(name) for other types"
)
def dense_labels(component: DatasetUnderTest) -> None:
    """Labels are integers from 0 that index `classes`, which are different names, each with a sample."""
    dataset = component.dataset
    classes = list(dataset.classes)
    require(len(set(classes)) == len(classes), "two of its classes have the same name")
    require(len(classes) >= 2, f"it must have at least 2 classes, got {len(classes)}")
    wrong = [name for name in classes if not _is_line(name)]
    require(not wrong, f"class {wrong[:1]} is not one line of text")
    labels = [sample.label for sample in dataset.samples]
    kinds = sorted({type(label).__name__ for label in labels} - {"int"})
    require(not kinds, f"labels must be int, got {', '.join(kinds)}")
    used = set(labels)
    outside = sorted(used - set(range(len(classes))))
    require(not outside, f"labels must be from 0 to {len(classes) - 1}, got {outside[:1]}")
    empty = [name for label, name in enumerate(classes) if label not in used]
    require(not empty, f"{len(empty)} classes have no sample, such as {empty[:1]}")


@CHECKS.add("known-splits", 'translate the dataset\'s own words, such as "valid"')
def known_splits(component: DatasetUnderTest) -> None:
    """A sample's split is "train", "val", "test" or None."""
    splits = {sample.split for sample in component.dataset.samples}
    wrong = sorted(str(split) for split in splits - {"train", "val", "test", None})
    require(not wrong, f'a split must be "train", "val", "test" or None, got {wrong[:1]}')


@CHECKS.add(
    "disjoint-splits",
    "leave out one of the two images, and mention it in notes",
    after=("known-splits", "telling-fingerprint"),
)
def disjoint_splits(component: DatasetUnderTest) -> None:
    """No image belongs to two parts of the official split."""
    dataset = component.dataset
    if len({sample.split for sample in dataset.samples}) < 2:
        skip("it has no official split")
    step = 1 + len(dataset.samples) // MAX_HASHED
    seen: dict[str, tuple[str | None, str]] = {}
    for i in range(0, len(dataset.samples), step):
        sample = dataset.samples[i]
        split, first = seen.setdefault(dataset.fingerprint(i), (sample.split, sample.id))
        same = split == sample.split
        require(same, f"{first} ({split}) and {sample.id} ({sample.split}) are the same image")


@CHECKS.add("rgb-images", "return stackkit.api.read_image(path), or image.convert('RGB')")
def rgb_images(component: DatasetUnderTest) -> None:
    """`image(i)` is a Pillow image of mode RGB, the same every time."""
    dataset = component.dataset
    for i in component.some:
        name, image = dataset.samples[i].id, dataset.image(i)
        require(isinstance(image, Image.Image), f"image {name} is {type(image).__name__}")
        require(image.mode == "RGB", f"image {name} must have mode RGB, got {image.mode}")
        require(min(image.size) > 0, f"image {name} has no pixels")
        require(image.tobytes() == dataset.image(i).tobytes(), f"image {name} changes from call to call")


@CHECKS.add(
    "thread-safety",
    "open the file in image(i), or hold a lock while you use a shared handle",
    after=("rgb-images",),
)
def thread_safety(component: DatasetUnderTest) -> None:
    """Images can be read from several threads at once."""
    dataset = component.dataset
    # Three rounds: a race between threads does not show every time.
    alone = [dataset.image(i).tobytes() for i in component.some] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: dataset.image(i).tobytes(), [*component.some] * 3))
    require(together == alone, "four threads at once get other images than one thread")


@CHECKS.add(
    "telling-fingerprint",
    "return stackkit.api.file_fingerprint(path) or bytes_fingerprint(content)",
    after=("rgb-images",),
)
def telling_fingerprint(component: DatasetUnderTest) -> None:
    """A fingerprint is 1 to 64 ASCII characters, and different images have different ones."""
    dataset = component.dataset
    texts = [dataset.fingerprint(i) for i in component.some]
    for text in texts:
        fine = isinstance(text, str) and text.isascii() and 0 < len(text) <= 64
        require(fine, f"a fingerprint must be 1 to 64 ASCII characters, got {text!r}")
    images = {(dataset.image(i).size, dataset.image(i).tobytes()) for i in component.some}
    count = len(set(texts))
    require(count >= len(images), f"{len(images)} different images have {count} fingerprints")


@CHECKS.add(
    "following-fingerprint",
    "make the fingerprint from the file's bytes, not from its name",
    after=("stable-samples",),
)
def following_fingerprint(component: DatasetUnderTest) -> None:
    """An image's fingerprint changes when the image does."""
    if not component.paths:
        skip("no option is an existing file or folder that could be copied and changed")
    with TemporaryDirectory(prefix="stackkit-copy-") as temporary:
        copies = {name: copied(path, Path(temporary) / name) for name, path in component.paths.items()}
        original = _images_by_id(component, copies)
        for change in changes(list(copies.values())):
            change()
            found = _images_by_id(component, copies)
            changed = [each for each in original.keys() & found if original[each][0] != found[each][0]]
            for each in changed:
                same = original[each][1] == found[each][1]
                require(not same, f"image {each} has changed, but not its fingerprint")
            if changed:
                return  # one change that the fingerprint follows is enough
    skip("changing the copied files changed no image: does the dataset read other files?")


def _images_by_id(
    component: DatasetUnderTest, copies: Mapping[str, Path]
) -> dict[str, tuple[bytes, str]]:
    """Return pixels and fingerprint of each image that can be read from such copies."""
    found = {}
    with suppress(Exception):  # the dataset may refuse files that were changed
        dataset = component.create(**{name: str(path) for name, path in copies.items()})
        for i in component.some:
            with suppress(Exception):  # a changed file may no longer be an image
                found[dataset.samples[i].id] = dataset.image(i).tobytes(), dataset.fingerprint(i)
    return found


@CHECKS.add(
    "verified-fetch",
    "compare a digest of the download before you unpack it, and raise DatasetError if it differs",
)
def verified_fetch(component: DatasetUnderTest) -> None:
    """`fetch` can be imported, and refuses a download that is not the dataset."""
    spec = component.component.spec
    if not isinstance(spec, DatasetSpec) or not spec.fetch:
        skip("it has nothing to download")
    if missing := missing_requirements(spec):
        skip(f"it {missing}")
    require(callable(load_text(spec.fetch)), f"fetch={spec.fetch!r} is not callable")
    if not component.declares("url"):
        skip("it has no option url, so its download cannot be tested offline")
    with (
        serving(b"this is not the dataset") as url,
        TemporaryDirectory(prefix="stackkit-home-") as home,
    ):
        # The given root= is left out: it may be the user's own folder.
        request = {**component.request("fetch"), "options": {"url": url}}
        outcome, text = ask_process(component.target, request, {"STACKKIT_HOME": home})
    require(outcome != "crash", f"a wrong download ends without a clear error: {text}")
    require(outcome == "refused", f"a wrong download is accepted: {text}")


CHECKS.append(runs_after(CHECKS, "following-fingerprint", "verified-fetch"))
