"""Results as pandas tables. Nothing else here needs pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def data_frame(columns: Mapping[str, Any], index: str | None = None) -> pd.DataFrame:
    """Return columns as a table.

    Arguments:
        columns: values by the column's name.
        index: the column that names the rows; None numbers them.

    Raises:
        ModuleNotFoundError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"to_pandas() needs {error.name}, which is not installed: pip install pandas", name=error.name
        ) from error
    frame = pd.DataFrame(dict(columns))
    return frame if index is None else frame.set_index(index)
