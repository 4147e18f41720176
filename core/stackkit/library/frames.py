"""Make pandas data frames, where pandas is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stackkit.api.errors import StackkitError


def data_frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """Return a pandas DataFrame with a row per mapping.

    Raises
    ------
    StackkitError
        If pandas is not installed.

    """
    try:
        import pandas
    except ImportError:
        raise StackkitError("to_dataframe() needs pandas; install it: pip install pandas") from None
    return pandas.DataFrame(list(rows), columns=columns)
