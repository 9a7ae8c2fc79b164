"""``make verify``: the entries of the leaderboard, all of them or those that a change touches, verified in part.

The whole verification of an entry, fresh data included, stands beside it in verification.json and may take hours. Here
it is checked that it is this bundle's, and one drawn cell is verified again, or a few where a change touches the entry.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from secrets import randbelow
from typing import Any

import click

from cwmb.benchmark.data import data_path
from cwmb.errors import CwmbError
from cwmb.submission.opening import Bundle, BundleError, OtherVersion, opened
from cwmb.submission.verify import verify

BUNDLE, VERIFICATION = "bundle.zip", "verification.json"
CELLS, CELLS_OF_OLD, EPISODES = 3, 1, 1  # of an entry that are verified again; old: no change is known to touch it


@click.command()
@click.option("--base", default="", help="Only entries that differ from this commit; else all.")
def main(base: str) -> None:
    """Verify entries of results/leaderboard/ in part."""
    folder = data_path("results", "leaderboard")
    try:
        names = touched(folder, base) if base else sorted(p.name for p in folder.iterdir() if p.is_dir())
        wrong = [name for name in names if not say(name, folder / name, strict=bool(base))]
    except CwmbError as error:
        print(f"cwmb: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{len(names)} entries, {len(wrong)} of them wrong" if names else "no entries to verify")
    sys.exit(1 if wrong else 0)


def touched(folder: Path, base: str) -> list[str]:
    """The entries in which the working tree differs from where it left ``base``."""
    found = _git(folder, "diff", "--name-only", "--relative", "--merge-base", base, "--", ".").splitlines()
    names = {Path(name).parts[0] for name in found if len(Path(name).parts) > 1}
    return sorted(name for name in names if (folder / name).is_dir())


def say(name: str, folder: Path, strict: bool) -> bool:
    """Check an entry and say what came of it.

    strict: a change touches it, so that more cells are verified, and one of another version is wrong, too.
    """
    try:
        print(f"{name}: {check(folder, CELLS if strict else CELLS_OF_OLD)}", flush=True)
    except OtherVersion as error:
        print(f"{name}: kept as it was verified: {error}", flush=True)
        return not strict
    except BundleError as error:
        print(f"{name}: WRONG: {error}", flush=True)
        return False
    return True


def check(folder: Path, cells: int = CELLS) -> str:
    """Check an entry's folder. Returns what was found right.

    Raises:
        BundleError: it is not as it must be, or a figure is different.
    """
    found = sorted(path.name for path in folder.iterdir())
    if found != [BUNDLE, VERIFICATION]:
        raise BundleError(f"holds {', '.join(found)}: an entry is {BUNDLE} and {VERIFICATION}")
    with opened(folder / BUNDLE) as bundle:
        check_report(bundle, (folder / VERIFICATION).read_bytes())
        done = verify(bundle, randbelow(2**31), episodes=EPISODES, cells=cells, fresh=False)
    verified = ", ".join(f"{cell.environment} seed {cell.seed}" for cell in done.cells)
    if done.verdict == "different":
        raise BundleError(f"a figure is different in {verified} (verification seed {done.seed})")
    return f"{done.verdict} in {verified}"


def check_report(bundle: Bundle, data: bytes) -> None:
    """Check that a report is one on this bundle, on all of it, and found nothing different. Raises BundleError."""
    try:
        report: Any = json.loads(data)
        of, verdict, verified = report["bundle"], report["verdict"], _cells(report["cells"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{VERIFICATION} is no report of 'cwmb verify --json' ({error})") from error
    expected = {(i, r.environment, r.seed) for i, run in enumerate(bundle.runs) for r in run.records}
    if of != bundle.sha256:
        raise BundleError(f"{VERIFICATION} is of another bundle ({str(of)[:16]!a})")
    if verified != expected:
        raise BundleError(f"{VERIFICATION} is of {len(verified)} cells, not of these {len(expected)}")
    if verdict not in ("confirmed", "consistent"):
        raise BundleError(f"{VERIFICATION} says that the bundle is {verdict!a}")


def _cells(cells: Iterable[Any]) -> set[tuple[int, str, int]]:
    return {(cell["run"], cell["environment"], cell["seed"]) for cell in cells}


def _git(folder: Path, *arguments: str) -> str:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise CwmbError(f"git {' '.join(arguments)} failed: {getattr(error, 'stderr', error)}") from error


if __name__ == "__main__":
    main()
