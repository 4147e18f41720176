"""Options that many components declare, so that each has the same name and meaning everywhere."""

from __future__ import annotations

from typing import Literal

from stackkit.api.option import Option

MOST_SEED = 2**32 - 1
"""The largest seed that NumPy's and scikit-learn's generators accept."""


def seed_option(decides: str) -> Option:
    """Return the option `seed`, which defaults to the seed of the run.

    Parameters
    ----------
    decides : str
        What depends on the seed, as help text: "order of the rows".

    Returns
    -------
    Option
        An integer from 0 to 2**32 - 1, default 0. `stackkit run --seed` replaces the default.

    """
    return Option(
        name="seed",
        default=0,
        minimum=0,
        maximum=MOST_SEED,
        help=f"{decides}; the run's seed by default",
    )


def limit_option() -> Option:
    """Return the option `limit` of a dataset; pass its value to `limit_per_class`.

    Returns
    -------
    Option
        An integer >= 1, or None (the default) for all images.

    """
    return Option(
        name="limit", default=None, type=int, minimum=1, help="at most this many images per class"
    )


def min_per_class_option() -> Option:
    """Return the option `min_per_class` of a dataset; pass its value to `leave_out_small_classes`.

    Returns
    -------
    Option
        An integer >= 1, or None (the default) for all classes.

    """
    return Option(
        name="min_per_class",
        default=None,
        type=int,
        minimum=1,
        help="leave out classes with fewer images",
    )


def pixel_options(orientation: Literal["exif", "ignore"] = "exif") -> tuple[Option, ...]:
    """Return the options of a dataset that are the fields of `PixelOptions`.

    Parameters
    ----------
    orientation : {"exif", "ignore"}
        The default of the option `orientation`.

    Returns
    -------
    tuple of Option
        `orientation`, `background` and `scale_16bit`, see `PixelOptions`.

    """
    return (
        Option(
            name="orientation",
            default=orientation,
            choices=("exif", "ignore"),
            help="turn photographs upright by their EXIF data, or ignore it as Keras does",
        ),
        Option(
            name="background",
            default=None,
            type=str,
            help="colour behind transparent pixels, such as white or '#ff8000'; default: drop alpha",
        ),
        Option(
            name="scale_16bit",
            default=65535,
            minimum=1,
            maximum=65535,
            words=("image",),
            help="value of 16-bit images that becomes white; image: each from its darkest to brightest",
        ),
    )


def fit_on_option(default: Literal["in-sample", "out-of-fold"]) -> Option:
    """Return the option `fit_on` of an aggregator that learns from probabilities.

    Parameters
    ----------
    default : {"in-sample", "out-of-fold"}
        The value if the user gives none.

    Returns
    -------
    Option
        Text; the aggregator keeps it as its attribute `fit_on`.

    See Also
    --------
    FitOn : What each value means.

    """
    return Option(
        name="fit_on",
        default=default,
        choices=("in-sample", "out-of-fold"),
        help="probabilities of rows that the learners were fitted on (in-sample), "
        "or of rows held out (out-of-fold)",
    )
