"""Measure what each addition to the published recipe gains, alone and all together, and what it costs.

    python benchmarks/ablation.py --dataset cub200:root=../shared/data/CUB_200_2011
    python benchmarks/ablation.py --dataset image-folder:root=FOLDER --species 6 --limit 12

Every row is a recipe on the same frozen networks, three EfficientNet-Lite by default. Every second
class is held back: look at the other half while you choose, and let the held-back half decide. The
accuracies are those of stackkit's own 3-fold cross-validation, the differences to the published row are
paired, with Tango's 95 % interval. The last lines show a nested selection over all classes: in each
fold the row is chosen by a cross-validation inside the training images, and then predicts the fold, so
the gain of choosing the best of many rows is not counted.

Times are those of the networks, the best of five passes over 32 images, so decoding and fits are
not in them. Features stay in --store, and a rerun computes nothing twice. The table is Markdown, for
docs/explanation/accuracy.md; the last line is a JSON object with everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import timeit
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from stackkit.api.paths import features_dir, fits_dir
from stackkit.api.reporter import SilentReporter
from stackkit.evaluation.protocol import folds_of, groups_of
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.decoding import Decoder
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.preparation import prepare_backbones
from stackkit.extraction.subset import Subset
from stackkit.extraction.weights import require_weights
from stackkit.host.host import load_host
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, compose, load_recipe, resolve
from stackkit.statistics.intervals import tango
from stackkit.store import FeatureStore
from stackkit.suggestion.trial import Correct, Workplace, evaluate

NETWORKS = {"efficientnet-lite0": 320, "efficientnet-lite1": 340, "efficientnet-lite2": 380}
"""Networks of all rows but those of named recipes, and the larger size of each in pixels."""

PLAIN = {"learners": ["logistic"], "aggregators": ["average-svm"], "baselines": []}
NORMALISED = ["logistic:C=10,normalise=power"]
BOTH = [*NORMALISED, "lda"]
VOTE = ["geometric-vote"]
PUBLISHED = "published recipe"
ROUNDS = 5


def options(size: int, text: str) -> str:
    """Return the options of a network: `text` with its larger size for SIZE."""
    return text.replace("SIZE", str(size))


def rows(networks: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a title and the settings of each row: the published recipe, each addition alone, and all."""

    def on(text: str) -> list[str]:
        return [f"{name}:{options(size, text)}" if text else name for name, size in networks.items()]

    first, size = next(iter(networks.items()))
    yield PUBLISHED, {"backbones": on(""), **PLAIN}
    for title, text in {
        "larger images": "size=SIZE",
        "generalised mean instead of average": "pooling=gem",
        "mirror images as rows": "views=mirror",
        "attention crops as rows": "views=attention",
    }.items():
        yield title, {"backbones": on(text), **PLAIN}
    averaged = {**PLAIN, "learners": ["logistic:views=average"]}
    yield "attention crops, features averaged", {"backbones": on("views=attention"), **averaged}
    for title, learners in {
        "normalised features, C=10": NORMALISED,
        "LDA": ["lda"],
        "logistic and LDA": BOTH,
    }.items():
        yield title, {"backbones": on(""), **PLAIN, "learners": learners}
    yield "geometric mean", {"backbones": on(""), **PLAIN, "aggregators": VOTE}
    everything = {**PLAIN, "learners": ["lda"], "aggregators": VOTE}
    yield "larger images, LDA, geometric mean", {"backbones": on("size=SIZE"), **everything}
    boxes = f"boxes={first}:size={size}"
    for pooling in ("avg", "max", "gem", "avg+gem"):
        text = f"size=SIZE,pooling={pooling},views=attention,{boxes}"
        yield f"all together, pooling={pooling}", {"backbones": on(text), **everything}
    text = f"size=SIZE,pooling=avg+gem,views=attention,{boxes}"
    yield "all together, logistic and LDA", {"backbones": on(text), **everything, "learners": BOTH}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row: which images are predicted correctly, and the time in the networks per image in ms."""

    title: str
    recipe: Recipe
    correct: dict[str, Correct]
    ms: float


class Ablation:
    """Evaluate rows on all classes, on the halves, and inside the training parts of the folds."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        registry = Registry(host=load_host())
        self.dataset_text = arguments.dataset
        dataset = open_dataset(registry.one("dataset", arguments.dataset))
        chosen = _first_of_each_class(dataset.samples, arguments.species, arguments.limit)
        whole, _ = fingerprints(dataset.component.text, dataset, SilentReporter())
        readable = [number for number in chosen if whole.fingerprints[number]]
        self.all = Subset.of(dataset, readable)
        self.parts = {"all": self.all}
        for name, odd in (("development", 0), ("held back", 1)):
            kept = [n for n in readable if dataset.samples[n].label % 2 == odd]
            self.parts[name] = Subset.of(dataset, kept)
        self.place = Workplace(
            registry=registry,
            dataset=dataset,
            rows=whole,
            store=FeatureStore(arguments.store or features_dir()),
            reporter=SilentReporter(),
            fits=fits_dir(),
        )
        self._ms: dict[tuple[str, ...], float] = {}

    def measure(self, title: str, recipe: Recipe) -> Measured:
        """Extract what is missing, measure the networks, and evaluate on every part."""
        place, components = self.place, resolve(recipe, self.place.registry)
        backbones = tuple(map(make_backbone, components.backbones))
        require_weights(components.backbones, backbones, place.registry)
        key = tuple(one.text for one in components.backbones)
        if key not in self._ms:  # rows that differ in learners share a measurement
            self._ms[key] = self._network_ms(backbones)
        parts = {**self.parts}  # all classes first: the features of the other parts are copied
        parts |= {f"inside {n}": part for n, part in enumerate(self.training_parts(recipe))}
        correct = {}
        for name, part in parts.items():
            rows = part.rows(place.rows)
            extract(part, rows, backbones, place.store, place.reporter)
            correct[name] = evaluate(recipe, components, backbones, part, rows, place)
        ms = self._ms[key]
        return Measured(title=title, recipe=recipe, correct=correct, ms=ms)

    def _network_ms(self, backbones: Sequence[CheckedBackbone]) -> float:
        """Return the time in all networks for one image, in all views: the best of several passes."""
        rows, place = self.all.rows(self.place.rows), self.place
        with tempfile.TemporaryDirectory() as empty, Decoder(self.all, rows.fingerprints) as decoder:
            store = FeatureStore(Path(empty))
            preparation = prepare_backbones(decoder, rows, backbones, store, place.reporter)
            seconds = 0.0
            for one in preparation.sets:
                network = one.shared.backbone
                images = preparation.sample_images(network)
                network.features(images)  # not timed: the first call may build a network
                best = min(timeit.repeat(lambda: network.features(images), number=1, repeat=ROUNDS))  # noqa: B023
                seconds += best / len(images) / one.sharing
        return 1000 * seconds

    def folds(self, recipe: Recipe) -> list[Any]:
        """Return the folds over all classes; row numbers are those of `self.all`."""
        numbers = range(len(self.all.samples))
        return folds_of(recipe, self.all, numbers, groups_of(recipe, self.all, numbers, ()))

    def training_parts(self, recipe: Recipe) -> list[Subset]:
        """Return the training images of each fold as datasets of their own."""
        numbers = np.array(self.all.numbers)
        return [Subset.of(self.place.dataset, numbers[f.train].tolist()) for f in self.folds(recipe)]

    def nested(self, measured: Sequence[Measured]) -> tuple[Correct, list[str]]:
        """Choose a row inside each training part; return what the chosen rows predict, and titles."""
        correct, titles = np.full(len(self.all.samples), -1, dtype=np.int8), []
        for number, fold in enumerate(self.folds(measured[0].recipe)):
            best = max(measured, key=lambda one: _accuracy(one.correct[f"inside {number}"]))
            correct[fold.test] = best.correct["all"][fold.test]
            titles.append(best.title)
        return correct, titles


def main() -> None:
    """Measure every row and print the table."""
    arguments = _arguments()
    ablation = Ablation(arguments)
    table: list[tuple[str, Recipe]] = [
        (title, compose(load_recipe("published"), arguments.dataset, _settings(settings)))
        for title, settings in rows(dict(_network(text) for text in arguments.networks))
    ]
    table += [
        (f"recipe `{name}`", compose(load_recipe(name), arguments.dataset, {}))
        for name in arguments.recipes
    ]
    measured = []
    for title, recipe in table:
        if not (title == PUBLISHED or any(fnmatchcase(title, pattern) for pattern in arguments.only)):
            continue
        print(f"measuring: {title}", file=sys.stderr, flush=True)
        measured.append(ablation.measure(title, replace(recipe, cv=3, shuffle=False, baselines=())))
    _print_table(ablation, measured)
    nested, chosen = ablation.nested(measured)
    reference = measured[0].correct["all"]
    print(
        f"\nNested selection, all {len(ablation.all.classes)} classes: {_percent(_accuracy(nested))} %, "
        f"{_difference(nested, reference)} points to the published row; chosen: {', '.join(chosen)}."
    )
    print(json.dumps(_document(measured, nested, chosen)))


def _print_table(ablation: Ablation, measured: Sequence[Measured]) -> None:
    sizes = {name: len(part.samples) for name, part in ablation.parts.items()}
    heads = [
        *("", f"development ({sizes['development']})", f"held back ({sizes['held back']})"),
        *("to published [95 %]", "errors", "network ms", "images/s"),
    ]
    print(f"| {' | '.join(heads)} |")
    print(f"| {' | '.join(['---'] * len(heads))} |")
    reference = measured[0]
    for one in measured:
        decided, before = one.correct["held back"], reference.correct["held back"]
        errors = int(np.sum(before == 0))
        fewer = f"{100 * (int(np.sum(decided == 0)) / errors - 1):+.0f} %" if errors else ""
        cells = [
            one.title,
            _percent(_accuracy(one.correct["development"])),
            _percent(_accuracy(decided)),
            "" if one is reference else _difference(decided, before),
            "" if one is reference else fewer,
            f"{one.ms:.1f}",
            f"{1000 / one.ms:.1f}" if one.ms else "",
        ]
        print(f"| {' | '.join(cells)} |")


def _document(measured: Sequence[Measured], nested: Correct, chosen: Sequence[str]) -> dict[str, Any]:
    return {
        "rows": [
            {
                "title": one.title,
                "backbones": one.recipe.backbones,
                "learners": one.recipe.learners,
                "aggregator": one.recipe.aggregators[0],
                "accuracy": {name: _accuracy(correct) for name, correct in one.correct.items()},
                "network_ms": one.ms,
            }
            for one in measured
        ],
        "nested": {"accuracy": _accuracy(nested), "chosen": list(chosen)},
    }


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}


def _first_of_each_class(samples: Sequence[Any], species: int | None, limit: int | None) -> list[int]:
    """Return the numbers of at most `limit` images of each of the first `species` classes."""
    taken: dict[int, int] = {}
    chosen = []
    for number, sample in enumerate(samples):
        taken[sample.label] = taken.get(sample.label, 0) + 1
        if (species is None or sample.label < species) and (
            limit is None or taken[sample.label] <= limit
        ):
            chosen.append(number)
    return chosen


def _accuracy(correct: Correct) -> float:
    return float(np.mean(correct[correct >= 0]))


def _difference(first: Correct, second: Correct) -> str:
    """Return the difference in points and Tango's interval, for example "+5.1 [+3.0, +7.4]"."""
    both = (first >= 0) & (second >= 0)
    mine, theirs = first[both] == 1, second[both] == 1
    low, high = tango(int(np.sum(mine & ~theirs)), int(np.sum(~mine & theirs)), int(both.sum()))
    return f"{100 * (mine.mean() - theirs.mean()):+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _network(text: str) -> tuple[str, int]:
    name, _, size = text.partition(":")
    return name, int(size or NETWORKS[name])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dataset", default="cub200:root=../shared/data/CUB_200_2011", help="as for stackkit run"
    )
    parser.add_argument("--species", type=int, help="only the first N classes; at least 4")
    parser.add_argument("--limit", type=int, help="at most this many images of each class")
    parser.add_argument("--store", type=Path, help="feature store; default: STACKKIT_HOME/features")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=list(NETWORKS),
        metavar="NAME[:SIZE]",
        help="networks of the rows, with the side of larger images in pixels",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help="only rows whose titles match, such as 'larger*', and the published one",
    )
    parser.add_argument(
        "--recipes", nargs="*", default=["fast", "recommended", "max"], help="recipes to add as rows"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
