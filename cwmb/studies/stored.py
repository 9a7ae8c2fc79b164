"""What a study has stored in results/."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cwmb.errors import CwmbError

if TYPE_CHECKING:
    import pandas as pd


def read_frame(path: Path, command: str) -> pd.DataFrame:
    """The rows of a CSV file that a command has written.

    Raises:
        CwmbError: there is no such file.
    """
    import pandas as pd

    try:
        return pd.read_csv(path)
    except OSError as error:
        raise CwmbError(f"{path} is not there: run '{command}'") from error
