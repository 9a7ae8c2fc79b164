"""Where the benchmark's own data lies, for a checkout and for an installed wheel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cwmb.errors import CwmbError


def data_root() -> Path:
    """The folder that holds environments/, descriptions/, trajectories/, harness/ and results/."""
    package = Path(__file__).parents[1]
    packed = package / "_data"
    return packed if packed.is_dir() else package.parent


def data_path(*parts: str) -> Path:
    """A path below the data root."""
    return data_root().joinpath(*parts)


@contextmanager
def well_formed(what: str, path: Path) -> Iterator[None]:
    """While a file is read, of which kind it is said. Raises CwmbError: it is not as it must be, whatever was found."""
    try:
        yield
    except (OSError, TypeError, ValueError) as error:  # those of tomllib and msgspec are ValueErrors
        raise CwmbError(f"{what} file {path}: {error}") from error
