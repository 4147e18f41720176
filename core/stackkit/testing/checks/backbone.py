"""What a backbone promises: rows that depend on their own image and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np

from stackkit.api.specs import OptionValue
from stackkit.api.types import PreparableBackbone
from stackkit.host.option_syntax import unparse
from stackkit.testing.check import Check, promise, require, skip, worked
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.fixtures.backbone import TOLERANCE, BackboneSubject, differs
from stackkit.testing.protocols import REMEDY, instance, method, positive, require_members

Options: TypeAlias = Mapping[str, OptionValue]


MEMBERS = (
    positive("image_size"),
    positive("feature_dim"),
    instance("revision", "text", str),
    instance("trained", "True or False", bool),
    method("extract"),
)


def members(subject: BackboneSubject) -> None:
    """Read each of them."""
    require_members(subject.made, MEMBERS)


def feature_width(subject: BackboneSubject) -> None:
    """Compare shape and type with what is declared."""
    made = subject.made
    features = worked("extract", lambda: subject.features)
    came = type(features).__name__
    remedy = "return a NumPy array with a row for each image"
    require(isinstance(features, np.ndarray), f"extract returns {came}, not an array", remedy)
    wanted = (len(subject.pixels), made.feature_dim)
    require(features.shape == wanted, f"shape {features.shape}; feature_dim says {wanted}")
    require(features.dtype == np.float32, f"dtype {features.dtype}")


def images_untouched(subject: BackboneSubject) -> None:
    """Compare the array before and after."""
    mine = subject.pixels.copy()
    subject.made.extract(mine)
    require(np.array_equal(mine, subject.pixels), "extract writes into the array it is given")


def row_independence(subject: BackboneSubject) -> None:
    """Put the first image among other neighbours, and in another place."""
    pixels = subject.pixels
    neighbours = np.concatenate([pixels[:1], 255 - pixels[1:][::-1] // 2])
    gap = differs(subject.extract(neighbours)[:1], subject.features[:1])
    require(gap is None, f"with other neighbours in its batch an image has other features: {gap}")
    gap = differs(subject.extract(pixels[::-1].copy())[::-1], subject.features)
    require(gap is None, f"in another place of its batch an image has other features: {gap}")


def batch_size(subject: BackboneSubject) -> None:
    """Give one image alone, then the same one thrice and forty times: only the number changes."""
    image = subject.pixels[:1]
    alone = subject.extract(image)
    for count in (3, 40):
        gap = differs(subject.extract(np.repeat(image, count, axis=0))[:1], alone)
        require(gap is None, f"in a batch of {count} an image has other features than alone: {gap}")


def repeatability(subject: BackboneSubject) -> None:
    """Extract again, with the same object and with another."""
    require(subject.is_steady, "the same object gives other features for the same images")
    gap = subject.gap_to_another
    require(gap is None, f"another object gives other features: {gap}")


def other_process(subject: BackboneSubject) -> None:
    """Extract in a new process, where no state, address or hash seed is the same."""
    gap = differs(subject.elsewhere[1], subject.features)
    require(gap is None, f"another process gives other features: {gap}")


def stable_revision(subject: BackboneSubject) -> None:
    """Compare the revisions of two objects and of a new process."""
    revision = subject.made.revision
    require(isinstance(revision, str) and revision, f"its revision is {revision!r}")
    require(revision.isascii() and revision.isprintable(), f"revision {revision!r} is no line of ASCII")
    another = subject.create().revision
    require(another == revision, f"another object's revision is {another!r}, not {revision!r}")
    elsewhere = subject.elsewhere[0]
    require(elsewhere == revision, f"another process's revision is {elsewhere!r}, not {revision!r}")


def telling_revision(subject: BackboneSubject) -> None:
    """Make it with other weights, and with other values of options that have few."""
    tried = [_is_told(subject, *pair) for pair in _pairs(subject)]
    if not any(tried):
        skip("no other seed of random weights, choice, or true and false could be tried")


def _pairs(subject: BackboneSubject) -> Iterator[tuple[Options, Options]]:
    """Options of two objects each, which differ in one of them."""
    if subject.declares("seed"):
        random: Options = {"weights": "random"} if subject.declares("weights") else {}
        yield {**random, "seed": 1}, {**random, "seed": 2}
    for option in subject.component.spec.options:
        if option.name == "device":  # the same network elsewhere, which may round otherwise
            continue
        for value in (False, True) if option.value_type is bool else option.choices:
            if value != subject.choice().options[option.name]:
                yield {}, {option.name: value}


def _is_told(subject: BackboneSubject, one: Options, other: Options) -> bool:
    """Whether both could be made; they must not share a place in the store if their features differ."""
    try:
        made = [subject.create(**options) if options else subject.made for options in (one, other)]
        if len({(each.revision, each.image_size, each.feature_dim) for each in made}) == 2:
            return True
        gap = differs(*(each.extract(subject.pixels.copy()) for each in made))
    except Exception:  # an engine that is not here, two options that exclude each other
        return False
    words = " and ".join(unparse(subject.name, options) for options in (one, other))
    require(gap is None, f"{words} give other features ({gap}), and both are {made[0].revision!r}")
    return True


def finite_features(subject: BackboneSubject) -> None:
    """Look at noise, black, white and ramps."""
    names = ("noise", "black", "white", "a ramp", "a ramp", "noise")
    finite = np.array([np.isfinite(row).all() for row in subject.features])
    broken = sorted({name for name, fine in zip(names, finite.tolist(), strict=False) if not fine})
    remedy = "" if finite.any() else "look for NaN in the weights and for divisions by 0"
    where = ", ".join(broken) or "an image of yours"
    require(finite.all(), f"features are not finite for {where}", remedy)


def thread_safety(subject: BackboneSubject) -> None:
    """Extract from two threads at once, other images in each."""
    batches = [subject.pixels[:3], subject.pixels[3:6]] * 3
    alone = [subject.extract(batch) for batch in batches[:2]] * 3
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(subject.extract, batches))
    gaps = [gap for pair in zip(together, alone, strict=True) if (gap := differs(*pair))]
    require(not gaps, f"two threads at once get other features than one alone: {', '.join(gaps[:1])}")


def readiness(subject: BackboneSubject) -> None:
    """Let another object prepare itself, and compare."""
    revision, other = subject.made.revision, subject.create()
    if not isinstance(other, PreparableBackbone):
        skip("it has no prepare()")
    ready = other.prepare(subject.pixels[:6].copy(), lambda line: None)
    settings = dict(ready.settings)
    require(json.loads(json.dumps(settings)) == settings, f"settings {settings} are not what JSON holds")
    require(ready.batch_size >= 1, f"it wants batches of {ready.batch_size}")
    require(other.revision == revision, f"prepare turns revision {revision!r} into {other.revision!r}")
    gap = differs(other.extract(subject.pixels.copy()), subject.features)
    require(gap is None, f"prepare changes the features: {gap}")


_promise = partial(promise, after=("feature-width",))


_OWN = (
    Check(
        name="members",
        check=members,
        sentence="It has `image_size` and `feature_dim`, whole numbers above 0, the text `revision`, "
        "`trained`, which is True or False, and the method `extract`.",
        remedy=REMEDY,
    ),
    _promise(
        "feature-width",
        feature_width,
        "`extract` returns float32 of shape (images, `feature_dim`).",
        "declare the width that the network really has, and end with .astype(np.float32)",
        after=("members",),
    ),
    _promise(
        "images-untouched",
        images_untouched,
        "`extract` leaves the array of images as it was.",
        "work on a copy, such as images.astype(np.float32); *= and preprocess_input write in place",
    ),
    _promise(
        "row-independence",
        row_independence,
        "An image's features do not change with its neighbours in the batch.",
        "put the network into inference mode (training=False, model.eval()): batch normalisation must "
        "use its stored statistics; normalise by constants",
        after=("repeatability",),
    ),
    _promise(
        "batch-size-invariance",
        batch_size,
        f"An image's features are the same whatever the number of images, to {TOLERANCE:g} of their "
        "standard deviation.",
        "let nothing depend on len(images); keep padding of a batch out of the rows",
        after=("repeatability",),
    ),
    _promise(
        "repeatability",
        repeatability,
        "The same images give the same features again, from the same object and from another.",
        "switch dropout and augmentation off, and draw random weights from the seed",
    ),
    _promise(
        "repeatability-across-processes",
        other_process,
        "The same images give the same features in another process.",
        "use nothing that a process has of its own: hash() of text, id(), time, global random state",
        after=("repeatability",),
    ),
    _promise(
        "stable-revision",
        stable_revision,
        "`revision` is one line of ASCII, the same for every object and in every process.",
        "derive it from the weights' bytes, the options and a version number of your own",
    ),
    _promise(
        "telling-revision",
        telling_revision,
        "`revision` changes when the weights do, and with any other option that changes the features.",
        "make a digest of the weights, or the seed of random ones, part of the revision, and the "
        "options that features depend on",
        after=("repeatability",),
    ),
    _promise(
        "finite-features",
        finite_features,
        "Noise, black and white images have finite features.",
        "guard divisions and logarithms against images of one colour",
    ),
    _promise(
        "thread-safety",
        thread_safety,
        "Two threads may extract at the same time.",
        "keep no buffer in the object, or take a lock in extract",
        after=("repeatability",),
    ),
    _promise(
        "readiness",
        readiness,
        "What `prepare` settles on is JSON, and changes neither revision nor features.",
        "let prepare choose among ways that give the same features; options choose the others",
        after=("repeatability",),
    ),
)

PROMISES = (*_OWN, runs_after(_OWN, "telling-revision"))
