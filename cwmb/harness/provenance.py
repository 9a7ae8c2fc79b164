"""Versions and machine features that a number depends on."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

from cwmb import __version__
from cwmb.benchmark.data import data_root

PACKAGES = ("numpy", "gymnasium", "mujoco")


@cache
def versions() -> dict[str, str]:
    """Versions of cwmb, Python and the packages that the numbers depend on."""
    from importlib.metadata import version  # which takes longer to import than most commands need for the rest

    return {"cwmb": __version__, "python": platform.python_version(), **{p: version(p) for p in PACKAGES}}


def machine() -> str:
    """The kind of processor and system, e.g. ``x86_64-Linux``."""
    return f"{platform.machine()}-{platform.system()}"


@cache
def commit() -> tuple[str | None, bool | None]:
    """The git commit of the checkout that runs and whether it was changed since; None outside of a checkout."""
    root = data_root()
    if not (root / ".git").exists():
        return None, None
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        return head, bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None


@cache
def cpu_features() -> tuple[str, ...]:
    """Those instruction sets of this CPU that numpy dispatches on: they decide the last bit of exp and log."""
    import numpy as np

    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return (*extensions["baseline"], *extensions["found"])


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True).stdout
