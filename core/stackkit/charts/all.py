"""All pictures of a report."""

from __future__ import annotations

from stackkit.charts.accuracy import accuracy, gains
from stackkit.charts.agreement import agreement
from stackkit.charts.classes import classes
from stackkit.charts.confusion_matrix import confusion_matrix
from stackkit.charts.learning_curve import learning_curve
from stackkit.charts.picture import Picture
from stackkit.charts.reliability import reliability
from stackkit.report.record import Record


def pictures(record: Record) -> dict[str, Picture]:
    """Draw every picture for which a record has the data.

    Parameters
    ----------
    record : Record
        A finished run.

    Returns
    -------
    dict of str to Picture
        By name, in the order in which a page shows them.

    """
    draw = (accuracy, gains, agreement, confusion_matrix, classes, reliability, learning_curve)
    drawn = [each(record) for each in draw]
    return {picture.name: picture for picture in drawn if picture is not None}
