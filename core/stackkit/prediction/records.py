"""Make records of what a model says about images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stackkit.api.pixels import ImageRemark, RemarkKind
from stackkit.model.answers import Answers
from stackkit.model.model import Model
from stackkit.prediction.record import Candidate, Prediction, Vote

_REMARKS: Mapping[RemarkKind, str] = {
    "damaged": "the file is damaged",
    "turned": "turned upright by its EXIF orientation",
    "not-turned": "its EXIF orientation was ignored, as in training",
    "alpha-dropped": "transparent pixels are used in the colours under them",
    "on-background": "transparent pixels are laid on the background",
    "16-bit-dark": "16 bits that use less than a quarter of their range",
    "16-bit-colour-dark": "16 bits per colour that use less than a quarter of their range",
    "16-bit-scaled": "16 bits that are scaled",
}


def records(
    model: Model,
    answers: Answers,
    sources: Sequence[str],
    remarks: Sequence[Sequence[ImageRemark]],
    *,
    top: int,
    least: float,
) -> list[Prediction]:
    """Return a record per image.

    Parameters
    ----------
    model, answers : Model, Answers
        A model, and what it says about n images.
    sources, remarks : sequence
        The name of each image, and what is special about it.
    top : int
        How many of the most probable classes a record has.
    least : float
        The probability from which a label is accepted.

    """
    order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :top]
    return [
        _record(model, answers, row, order[row].tolist(), sources[row], remarks[row], least)
        for row in range(len(sources))
    ]


def _record(
    model: Model,
    answers: Answers,
    row: int,
    best: Sequence[int],
    source: str,
    remarks: Sequence[ImageRemark],
    least: float,
) -> Prediction:
    label, probabilities = int(answers.labels[row]), answers.probabilities[row]
    return Prediction(
        source=source,
        label=model.classes[label],
        probability=float(probabilities[label]),
        accepted=bool(probabilities[label] >= least),
        top=tuple(
            Candidate(label=model.classes[each], probability=float(probabilities[each])) for each in best
        ),
        votes=_votes(model, answers, row),
        novelty=float(answers.novelty[row]),
        novel=bool(answers.novel[row]),
        remarks=tuple(_text(each) for each in remarks),
    )


def _votes(model: Model, answers: Answers, row: int) -> tuple[Vote, ...]:
    """Return the most probable class of each base learner."""
    found = []
    for learner, votes in zip(model.stack.learners, answers.votes[:, row], strict=True):
        winner = int(votes.argmax())
        found.append(
            Vote(
                learner=learner.component.label,
                backbone=model.backbones[learner.backbone].label,
                label=model.classes[winner],
                probability=float(votes[winner]),
            )
        )
    return tuple(found)


def _text(remark: ImageRemark) -> str:
    known = _REMARKS[remark.kind]
    return f"{known}: {remark.text}" if remark.text else known
