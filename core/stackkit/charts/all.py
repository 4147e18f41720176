"""All pictures of a report."""

from __future__ import annotations

from stackkit.charts.accuracy import accuracy, gains
from stackkit.charts.picture import Picture
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
    drawn = [accuracy(record), gains(record)]
    return {picture.name: picture for picture in drawn if picture is not None}
