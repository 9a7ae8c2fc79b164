"""Where the benchmark's own data lies: one function, for a checkout and for an installed wheel."""

from __future__ import annotations

from pathlib import Path


def data_root() -> Path:
    """The folder that holds environments/, descriptions/, trajectories/, harness/ and results/."""
    package = Path(__file__).parents[1]
    packed = package / "_data"
    return packed if packed.is_dir() else package.parent


def data_path(*parts: str) -> Path:
    """A path below the data root."""
    return data_root().joinpath(*parts)
