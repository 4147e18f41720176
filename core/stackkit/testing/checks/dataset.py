"""What a dataset promises: the same labelled images every time, and fingerprints that follow them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from stackkit.api.errors import StackkitError
from stackkit.api.specs import DatasetSpec
from stackkit.api.types import Sample
from stackkit.testing.check import Check, CheckFailedError, promise, require, skip
from stackkit.testing.corruption import changes, copied
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.fakes import serving
from stackkit.testing.fixtures.dataset import DatasetSubject
from stackkit.testing.fixtures.images import is_followed, seen
from stackkit.testing.protocols import REMEDY, method, require_members, sequence
from stackkit.testing.subject import is_crash, probe

MOST_HASHED = 2000
"""Samples whose fingerprints are compared between splits."""


MEMBERS = (
    sequence("classes", "a sequence of names"),
    sequence("samples", "a sequence of Sample"),
    sequence("notes", "a sequence of lines, () for none,"),
    method("image"),
    method("fingerprint"),
)


def members(subject: DatasetSubject) -> None:
    """Read each of them."""
    require_members(subject.dataset, MEMBERS)


def unique_ids(subject: DatasetSubject) -> None:
    """Count them."""
    samples = subject.dataset.samples
    require(len(samples) > 0, "it has no samples")
    others = sorted({type(sample).__name__ for sample in samples if not isinstance(sample, Sample)})
    require(not others, f"samples are {', '.join(others)} and not Sample")
    ids = [sample.id for sample in samples]
    wrong = [name for name in ids if type(name) is not str or not name.isprintable() or not name]
    require(not wrong, f"sample id {wrong[:1]} is no line of text")
    twice = sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []
    require(not twice, f"{len(twice)} ids are given twice, such as {twice[:1]}")


def stable_samples(subject: DatasetSubject) -> None:
    """Make it again, here and in a process where hashes and the file system's order are others."""
    dataset, again = subject.dataset, subject.create()
    require(list(again.classes) == list(dataset.classes), "made again, it has other classes")
    require(list(again.samples) == list(dataset.samples), "made again, it has other samples")
    here = [again.fingerprint(i) for i in subject.some]
    for i, found in zip(subject.some, here, strict=True):
        same = found == dataset.fingerprint(i)
        require(same, f"made again, it has another fingerprint of {dataset.samples[i].id}")
    elsewhere = subject.elsewhere
    where = "where the file system lists in another order and hash() of text differs, it has other"
    same = elsewhere["classes"] == [str(name) for name in dataset.classes]
    require(same, f"{where} classes, or another order of them")
    same = elsewhere["samples"] == [repr(sample) for sample in dataset.samples]
    require(same, f"{where} samples, or another order of them")
    require(elsewhere["fingerprints"] == here, f"{where} fingerprints")


def dense_labels(subject: DatasetSubject) -> None:
    """Compare labels and classes."""
    dataset = subject.dataset
    classes = list(dataset.classes)
    require(
        len(set(classes)) == len(classes) >= 2, f"its {len(classes)} classes are not two distinct names"
    )
    labels = [sample.label for sample in dataset.samples]
    kinds = sorted({type(label).__name__ for label in labels} - {"int"})
    require(not kinds, f"labels are {', '.join(kinds)} and not int")
    outside = sorted(set(labels) - set(range(len(classes))))
    require(not outside, f"label {outside[:1]} is none of {len(classes)} classes")
    empty = [name for label, name in enumerate(classes) if label not in set(labels)]
    require(not empty, f"{len(empty)} classes have no sample, such as {empty[:1]}")


def lines_of_text(subject: DatasetSubject) -> None:
    """Read the names of classes, and what a report will say of the dataset."""
    for what, texts in (("class", subject.dataset.classes), ("note", subject.dataset.notes)):
        wrong = [text for text in texts if not (type(text) is str and text and text.isprintable())]
        require(not wrong, f"{what} {wrong[:1]} is no line of text")


def known_splits(subject: DatasetSubject) -> None:
    """Read the words."""
    words = {sample.split for sample in subject.dataset.samples}
    wrong = sorted(str(word) for word in words - {"train", "val", "test", None})
    require(not wrong, f'split {wrong[:1]} is none of "train", "val", "test" and None')


def disjoint_splits(subject: DatasetSubject) -> None:
    """Look for one image in two parts, by its fingerprint."""
    dataset = subject.dataset
    if len({sample.split for sample in dataset.samples}) < 2:
        skip("it has no official split")
    step = 1 + len(dataset.samples) // MOST_HASHED
    seen: dict[str, tuple[str | None, str]] = {}
    for i in range(0, len(dataset.samples), step):
        sample = dataset.samples[i]
        split, first = seen.setdefault(dataset.fingerprint(i), (sample.split, sample.id))
        same = split == sample.split
        require(same, f"{first} ({split}) and {sample.id} ({sample.split}) are the same image")


def rgb_images(subject: DatasetSubject) -> None:
    """Read a dozen images twice."""
    dataset = subject.dataset
    for i in subject.some:
        name, image = dataset.samples[i].id, dataset.image(i)
        require(isinstance(image, Image.Image), f"image {name} is {type(image).__name__}")
        require(image.mode == "RGB", f"image {name} has mode {image.mode}")
        require(min(image.size) > 0, f"image {name} has no pixels")
        require(image.tobytes() == dataset.image(i).tobytes(), f"image {name} is another one each time")


def thread_safety(subject: DatasetSubject) -> None:
    """Read a dozen images from four threads."""
    dataset = subject.dataset
    alone = [dataset.image(i).tobytes() for i in subject.some] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: dataset.image(i).tobytes(), [*subject.some] * 3))
    require(together == alone, "four threads at once get other images than one alone")


def fingerprint_text(subject: DatasetSubject) -> None:
    """Read a dozen fingerprints."""
    for i in subject.some:
        text = subject.dataset.fingerprint(i)
        fine = isinstance(text, str) and text.isascii() and 0 < len(text) <= 64
        require(fine, f"fingerprint {text!r}; ASCII of at most 64 characters is wanted")


def telling_fingerprint(subject: DatasetSubject) -> None:
    """Compare a dozen fingerprints with their images."""
    dataset = subject.dataset
    pixels = {(dataset.image(i).size, dataset.image(i).tobytes()) for i in subject.some}
    texts = {dataset.fingerprint(i) for i in subject.some}
    require(len(texts) >= len(pixels), f"{len(pixels)} images have {len(texts)} fingerprints")


def following_fingerprint(subject: DatasetSubject) -> None:
    """Copy the dataset, change its files, and ask again."""
    if not subject.paths:
        skip("no option is a file or folder that could be copied and changed")
    with TemporaryDirectory(prefix="stackkit-copy-") as temporary:
        copies = {name: copied(path, Path(temporary) / name) for name, path in subject.paths.items()}
        original = seen(subject, copies)
        for change in changes(list(copies.values())):
            change()
            if is_followed(original, seen(subject, copies)):
                return
    skip("no image could be changed by changing files: is its folder or file the one that is read?")


def missing_root(subject: DatasetSubject) -> None:
    """Point root= at a folder that is not there."""
    if not subject.declares("root"):
        skip("it has no option root")
    with TemporaryDirectory(prefix="stackkit-none-") as temporary:
        nowhere = str(Path(temporary) / "nowhere")
        try:
            samples = list(subject.create(root=nowhere).samples)
        except StackkitError as error:
            require(not is_crash(error), str(error))
            if str(error) == str(subject.outcome):
                skip("it lacks something else than a root, see creation")
            require(nowhere in str(error), f"the error does not name the folder: {error}")
            return
    raise CheckFailedError(
        f"root={nowhere} is not there, and it has {len(samples)} samples all the same"
    )


def verified_fetch(subject: DatasetSubject) -> None:
    """Serve something else than the dataset at url= on this machine, and download that."""
    spec = subject.component.spec
    if not isinstance(spec, DatasetSpec) or not spec.fetch:
        skip("it has nothing to download")
    if not subject.declares("url"):
        skip("it has no option url, so its download cannot be tried offline")
    with (
        serving(b"this is not the dataset") as url,
        TemporaryDirectory(prefix="stackkit-home-") as home,
    ):
        request = {"ask": "fetch", "name": subject.name, "options": {"url": url}}
        answer = probe(subject.target, request, environ={"STACKKIT_HOME": home})
    if answer["outcome"] == "crash":
        raise CheckFailedError(f"a wrong download ends it without a clear error: {answer['text']}")
    require(
        answer["outcome"] == "refused", f"a wrong download is taken for the dataset: {answer['text']}"
    )


_promise = partial(promise, after=("members",))


_OWN = (
    Check(
        name="members",
        check=members,
        sentence="It has the sequences `classes`, `samples` and `notes` and the methods `image` and "
        "`fingerprint`.",
        remedy=REMEDY,
    ),
    _promise(
        "unique-ids",
        unique_ids,
        "Every sample has an id of its own, one line of text.",
        "use the path relative to the root, or a number with the dataset's name",
    ),
    _promise(
        "stable-samples",
        stable_samples,
        "Made again, also in another process, it has the same classes, samples and fingerprints in the "
        "same order.",
        "sort what the file system lists, and every set; shuffle nothing",
        after=("fingerprint-text",),
    ),
    _promise(
        "dense-labels",
        dense_labels,
        "Labels are whole numbers from 0 on that index `classes`, and every class has a sample.",
        "number the classes that have samples; int(label) for NumPy's integers",
        after=("unique-ids",),
    ),
    _promise(
        "lines-of-text",
        lines_of_text,
        "Names of classes, and `notes`, are single lines of text.",
        "give each note a line of its own in the sequence; str(name) for names that are numbers",
    ),
    _promise(
        "known-splits",
        known_splits,
        'A sample\'s split is "train", "val", "test" or None.',
        'translate the dataset\'s own words, such as "valid"',
    ),
    _promise(
        "disjoint-splits",
        disjoint_splits,
        "No image is in two parts of the official split.",
        "leave one of the two out, and say so in notes",
        after=("known-splits", "fingerprint-text"),
    ),
    _promise(
        "rgb-images",
        rgb_images,
        "`image(i)` is a Pillow image of mode RGB, the same every time.",
        "return stackkit.api.read_image(path), or image.convert('RGB')",
        after=("unique-ids",),
    ),
    _promise(
        "thread-safety",
        thread_safety,
        "Images can be read from several threads.",
        "open the file in image(i), or take a lock around a shared handle",
        after=("rgb-images",),
    ),
    _promise(
        "fingerprint-text",
        fingerprint_text,
        "A fingerprint is ASCII text of 1 to 64 characters.",
        "return stackkit.api.file_fingerprint(path) or bytes_fingerprint(content)",
        after=("unique-ids",),
    ),
    _promise(
        "telling-fingerprint",
        telling_fingerprint,
        "Other images have other fingerprints.",
        "make the fingerprint of the image's content: features are looked up by it",
        after=("rgb-images", "fingerprint-text"),
    ),
    _promise(
        "following-fingerprint",
        following_fingerprint,
        "When an image's bytes change, its fingerprint does.",
        "make the fingerprint of the file's bytes, not of its name",
        after=("rgb-images", "stable-samples"),
    ),
    _promise(
        "missing-root",
        missing_root,
        "A root that is not there is an error of stackkit's own that names the folder.",
        "raise DatasetError in the factory, and say what the folder should hold",
    ),
    _promise(
        "verified-fetch",
        verified_fetch,
        "A download that is not the dataset is refused.",
        "compare a digest of what came before unpacking it, and raise DatasetError",
    ),
)

PROMISES = (*_OWN, runs_after(_OWN, "following-fingerprint", "missing-root", "verified-fetch"))
