"""Read recipes from TOML files, and check every key and value before anything is computed."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackkit.api.common_options import MOST_SEED
from stackkit.api.errors import UsageError
from stackkit.api.paths import user_path

PUBLISHED = "published"
"""The recipe of a command without --recipe."""

FOLDER = Path(__file__).parent
"""Where the named recipes are."""

SUFFIX = ".toml"

Setting = tuple[str, ...] | bool | int | float | str

SPLITS = ("official", "both")
"""Values of `split`: the dataset's own split in place of folds, or after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """A recipe as its file has it: some settings of an experiment, and what people should know of it.

    Parameters
    ----------
    name : str
        One of `names`, or the path of a file as the user gave it.
    summary : str
        What it does, in a few words.
    cost : str
        What it costs, in a few words.
    settings : mapping of str to tuple of str, bool, int, float or str
        The settings that the file has, by its keys. For others, the defaults of `Recipe` hold.

    """

    name: str
    summary: str
    cost: str
    settings: Mapping[str, Setting]


def names() -> list[str]:
    """Return the names of the recipes that come with stackkit, from the quickest to the slowest."""
    return ["fast", "recommended", "max", PUBLISHED]


def path_of(name: str) -> Path:
    """Return the path of a named recipe or of one's own file.

    Parameters
    ----------
    name : str
        One of `names`, or a path: text that ends in ".toml" or contains a separator of folders.

    Raises
    ------
    UsageError
        If it is neither.

    """
    if name in names():
        return FOLDER / f"{name}{SUFFIX}"
    if name.endswith(SUFFIX) or "/" in name or "\\" in name:
        return user_path(name)
    known = names()
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"available: {', '.join(known)}."
    raise UsageError(
        f"unknown recipe {name!r}; {hint} Give a file of your own by its path: mine{SUFFIX}"
    )


def load_recipe(name: str) -> RecipeFile:
    """Read a recipe and check it.

    Parameters
    ----------
    name : str
        See `path_of`.

    Returns
    -------
    RecipeFile
        The recipe; names and options of components are checked by `resolve`.

    Raises
    ------
    UsageError
        If there is no such recipe, or a key or a value is not allowed.

    """
    path = path_of(name)
    document = _read(path)
    texts = {key: _text(document.pop(key), path, key) for key in ("summary", "cost") if key in document}
    settings = {key: _checked(path, key, value) for key, value in document.items()}
    _refuse_contradictions(path, settings)
    return RecipeFile(
        name=name, summary=texts.get("summary", ""), cost=texts.get("cost", ""), settings=settings
    )


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise UsageError(f"recipe {path} is not a text file in UTF-8") from None
    except OSError as error:
        raise UsageError(f"recipe {path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {path} is not valid TOML: {error}") from None


def _checked(path: Path, key: str, value: object) -> Setting:
    if key not in CHECKS:
        raise UsageError(f"recipe {path}: unknown key {key!r}; {_hint(key)}")
    return CHECKS[key](value, path, key)


def _hint(key: str) -> str:
    if key in ELSEWHERE:
        return f"give it on the command line, with --{key}"
    allowed = ["summary", "cost", *CHECKS]
    close = difflib.get_close_matches(key, allowed, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(allowed)}"


def _refused(path: Path, key: str, allowed: str, value: object) -> UsageError:
    return UsageError(f"recipe {path}: {key} must be {allowed}, got {_shown(value)}")


def _shown(value: object) -> str:
    """Return a value as TOML writes it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _text(value: object, path: Path, key: str) -> str:
    if isinstance(value, str) and "\n" not in value:
        return value
    raise _refused(path, key, "text on one line", value)


def _truth(value: object, path: Path, key: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _refused(path, key, "true or false", value)


def _split(value: object, path: Path, key: str) -> str:
    if isinstance(value, str) and value in SPLITS:
        return value
    raise _refused(path, key, '"official" or "both"', value)


def _share(value: object, path: Path, key: str) -> float:
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise _refused(path, key, "a share between 0 and 1, such as 0.2", value)


def _whole(least: int, most: int | None = None) -> Callable[[object, Path, str], int]:
    def check(value: object, path: Path, key: str) -> int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if is_whole and value >= least and (most is None or value <= most):  # type: ignore[operator]
            return int(value)  # type: ignore[call-overload,no-any-return]
        limit = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise _refused(path, key, f"a whole number {limit}", value)

    return check


def _components(example: str, *, least: int) -> Callable[[object, Path, str], tuple[str, ...]]:
    def check(value: object, path: Path, key: str) -> tuple[str, ...]:
        allowed = f'a list of texts such as ["{example}"]'
        if not isinstance(value, list):
            raise _refused(path, key, allowed, value)
        for number, text in enumerate(value):
            if not (isinstance(text, str) and text.strip()):
                raise _refused(path, f"{key}[{number}]", f'text such as "{example}"', text)
        if len(value) < least:
            raise _refused(path, key, f"{allowed} with at least {least}", value)
        return tuple(value)

    return check


CHECKS: Mapping[str, Callable[[object, Path, str], Setting]] = {
    "backbones": _components("resnet50:size=320", least=1),
    "learners": _components("logistic:C=10", least=1),
    "aggregators": _components("soft-vote", least=1),
    "baselines": _components("linear-svm", least=0),
    "cv": _whole(2),
    "split": _split,
    "holdout": _share,
    "shuffle": _truth,
    "repeats": _whole(1),
    "group_duplicates": _truth,
    "seed": _whole(0, MOST_SEED),
    "inner_cv": _whole(2),
    "refit": _truth,
    "learning_curve": _truth,
    "strict": _truth,
}
"""The settings that a file may have, each with the function that checks its value."""

ELSEWHERE = ("dataset", "device", "threads", "jobs", "store", "out")
"""What belongs to a dataset, a machine or one run, and not into a recipe."""

OF_FOLDS = ("cv", "shuffle", "repeats", "group_duplicates")
"""Settings that an official split makes meaningless."""

OF_ALL_FOLDS = ("cv", "shuffle")
"""Settings that a hold-out, which is drawn at random, makes meaningless."""

_HARMLESS: Mapping[str, Setting] = {"shuffle": False, "repeats": 1, "group_duplicates": False}
"""Values that ask for nothing."""


def asks_for_folds(settings: Mapping[str, Setting]) -> list[str]:
    """Return the keys among some settings that an official split contradicts."""
    return [key for key in OF_FOLDS if key in settings and settings[key] != _HARMLESS.get(key)]


def _refuse_contradictions(path: Path, settings: Mapping[str, Setting]) -> None:
    split, holdout = settings.get("split"), "holdout" in settings
    contradicting = [*(["holdout"] if split and holdout else []), *_contradicting(settings)]
    if contradicting:
        protocol = f'split = "{split}"' if split else f"holdout = {settings['holdout']}"
        raise UsageError(
            f"recipe {path}: {protocol} cannot be combined with {' and '.join(contradicting)}; "
            "choose one protocol"
        )
    repeats = settings.get("repeats", 1)
    if repeats != 1 and not (settings.get("shuffle") or holdout):
        raise UsageError(
            f"recipe {path}: repeats = {repeats} would repeat the same folds; add shuffle = true"
        )


def _contradicting(settings: Mapping[str, Setting]) -> list[str]:
    """Return the keys of folds that the protocol of a file makes meaningless."""
    if settings.get("split") == "official":
        return asks_for_folds(settings)
    return [key for key in OF_ALL_FOLDS if key in settings] if "holdout" in settings else []
