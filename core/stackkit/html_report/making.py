"""How a report was made: what a reader needs to repeat it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from stackkit.evaluation.outcomes import Outcomes
from stackkit.html_report.text import count, percent, seconds

DURATIONS = {
    "extraction_s": "Features",
    "evaluation_s": "Fitting and evaluation",
    "total_s": "Whole run",
}


def facts(document: Mapping[str, Any], outcomes: Outcomes) -> Iterator[tuple[str, str]]:
    """Yield what was done, as pairs of a name and a text."""
    yield "stackkit", document["stackkit"]
    yield "Made", document["created"]
    yield "Dataset", document["dataset"]
    yield "Images", f"{count(document['n_images'])} in {count(len(document['classes']))} classes"
    yield "Protocol", document["protocol"]["title"]
    yield "Seed", str(document["protocol"]["seed"])
    yield from _groups(document)
    for name, heading in DURATIONS.items():
        if name in document["timings"]:
            yield heading, seconds(document["timings"][name])
    if executor := document.get("executor"):
        yield "Computed by", _executor(executor)
    yield "SHA-256 of images and labels", data_digest(outcomes)
    yield "SHA-256 of settings", settings_digest(document)
    if model := document.get("model"):
        yield from _model(model)


def _executor(executor: Mapping[str, Any]) -> str:
    workers = f"{count(executor['workers'])} worker" + "s" * (executor["workers"] != 1)
    return f"{executor['name']}, {workers} ({executor['distribution']} {executor['version']})"


def _groups(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if groups := document.get("groups"):
        yield "Groups", f"{count(groups['count'])}; the largest has {count(groups['largest'])} images"
    duplicates = document["duplicates"]
    if duplicates["contents"]:
        files = f"{count(duplicates['images'])} images share {count(duplicates['contents'])} contents"
        yield "Identical files", files


def _model(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if expected := model.get("accuracy"):  # absent if the model was not written to a file
        share = percent(expected["accuracy"])
        yield "Model", f"{model['aggregator']}, expected accuracy {share} %"
    if digest := model.get("sha256"):
        yield "SHA-256 of the model's manifest", digest


def data_digest(outcomes: Outcomes) -> str:
    """Return the SHA-256 of the ids, classes and contents of all images, in any order."""
    lines = sorted(
        f"{name}\0{outcomes.classes[label]}\0{fingerprint}"
        for name, label, fingerprint in zip(
            outcomes.ids, outcomes.labels, outcomes.fingerprints, strict=True
        )
    )
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def settings_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the components with their options and of the protocol."""
    settings = {"components": document["components"], "protocol": document["protocol"]}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
