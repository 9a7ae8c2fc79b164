"""``cwmb doctor``: whether this machine can run the benchmark, and what to do where it cannot."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from textwrap import fill
from typing import Literal

from cwmb.errors import CwmbError

State = Literal["fine", "note", "wrong"]

DISK = 2 << 30  # bytes that a run of standard with all programs and ledgers fits in
LAYERS = {
    "setuid": "only a child of root can become nobody; as an ordinary user this is as it should be",
    "landlock": "this kernel has none, or it is switched off: seccomp alone holds",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. remedy: what to do, where it is not fine."""

    name: str
    state: State
    found: str
    remedy: str = ""


def findings() -> Iterator[Finding]:
    """Everything that is looked at, one after the other. Nothing is changed, and only the endpoint costs a request."""
    for look in (_machine, _versions, _plugins, _sandbox, _data, _baselines, _checkout, _endpoint, _disk):
        try:
            yield from look()
        except CwmbError as error:
            yield Finding(look.__name__.strip("_"), "wrong", str(error), "see the message")


def text(finding: Finding, width: int = 10_000) -> str:
    """A finding and its remedy, in lines of so many columns under each other."""
    mark = {"fine": "ok   ", "note": "note ", "wrong": "WRONG"}[finding.state]
    start = f"{mark} {finding.name:11} "
    indent = " " * len(start)
    found = fill(finding.found, width, initial_indent=start, subsequent_indent=indent)
    return f"{found}\n{fill(finding.remedy, width, initial_indent=indent, subsequent_indent=indent)}".rstrip()


def _machine() -> Iterator[Finding]:
    from cwmb.harness.provenance import cpu_features, machine
    from cwmb.machine import cores

    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    memory = pages * size / (1 << 30)
    found = f"{machine()}, {cores()} cores, {memory:.0f} GiB, {' '.join(cpu_features()[-2:])}"
    needed = cores() * 1.5  # a program may take one, and numpy stands beside it
    if memory < needed:
        yield Finding(
            "machine", "note", found, f"{needed:.0f} GiB would let every core run a program: use fewer --jobs"
        )
    else:
        yield Finding("machine", "fine", found)


def _versions() -> Iterator[Finding]:
    """What is pinned exactly decides the dynamics."""
    pinned = dict(r.replace("[mujoco]", "").split("==") for r in requires("cwmb") or () if "==" in r and ";" not in r)
    try:
        there = {name: version(name) for name in pinned}
    except PackageNotFoundError as error:
        yield Finding("versions", "wrong", f"{error.name} is not installed", "pip install --editable .")
        return
    found = ", ".join(f"{name} {v}" for name, v in there.items())
    other = [f"{name}=={pinned[name]}" for name in pinned if there[name] != pinned[name]]
    if other:
        yield Finding("versions", "wrong", found, f"the dynamics differ: pip install {' '.join(other)}")
    else:
        yield Finding("versions", "fine", f"Python {platform.python_version()}, {found}, numpy {version('numpy')}")


def _plugins() -> Iterator[Finding]:
    """Every strategy, model and planner is imported: one that fails disturbs nothing until it is asked for."""
    from cwmb.plugins import GROUPS, find, load, names

    count = 0
    for kind, group in GROUPS.items():
        for name in names(group):
            try:
                load(find(group, kind, name), kind)
                count += 1
            except CwmbError as error:
                yield Finding("plugins", "note", str(error), "the others are not concerned")
    yield Finding("plugins", "fine", f"{count} strategies, models and planners can be imported")


def _sandbox() -> Iterator[Finding]:
    from cwmb.sandbox import Sandbox

    with Sandbox(workers=1) as sandbox:
        layers = sandbox.layers
    missing = [why for name, why in LAYERS.items() if not any(layer.startswith(name) for layer in layers)]
    yield Finding("sandbox", "note" if missing else "fine", ", ".join(layers), "; ".join(missing))


def _data() -> Iterator[Finding]:
    """Every data set against the checksum in its environment's file."""
    from cwmb.benchmark.catalog import environment, environment_ids
    from cwmb.benchmark.descriptions import description
    from cwmb.benchmark.trajectories import transitions
    from cwmb.types import SPLITS

    count = 0
    for name in environment_ids():
        description(name)
        for split in SPLITS:
            count += len(transitions(environment(name), split))
    yield Finding("data", "fine", f"{len(environment_ids())} environments, {count:,} transitions, checksums right")


def _baselines() -> Iterator[Finding]:
    from cwmb.benchmark.baselines import baselines
    from cwmb.benchmark.catalog import environment_ids
    from cwmb.benchmark.protocols import protocol, protocol_names

    for name in protocol_names():
        known = baselines(name)
        missing = [e for e in environment_ids() if known.of(e).test is None or known.of(e).scale is None]
        if known.protocol_sha256 != protocol(name).checksum:
            found = f"those of {name} were measured under another version of it"
        elif missing:
            found = f"{name} has none of {', '.join(missing)}"
        else:
            yield Finding(
                "baselines", "fine", f"{name}: floors, ceilings, random and oracle returns of all environments"
            )
            continue
        yield Finding("baselines", "note", found, f"make baselines PROTOCOL={name}")


def _checkout() -> Iterator[Finding]:
    from cwmb.harness.provenance import commit

    head, dirty = commit()
    if head is None:
        yield Finding("checkout", "fine", "installed, no git checkout: records name the version only")
    elif dirty:
        remedy = "commit or undo changes before a run that is to be ranked"
        yield Finding("checkout", "note", f"commit {head[:12]}, changed since", remedy)
    else:
        yield Finding("checkout", "fine", f"commit {head[:12]}")


def _endpoint() -> Iterator[Finding]:
    """Whether the endpoint that the variables name answers; the key is not shown."""
    key, address = os.environ.get("OPENAI_API_KEY"), os.environ.get("OPENAI_BASE_URL")
    if not key:
        remedy = "export OPENAI_API_KEY=… (and OPENAI_BASE_URL for servers of your own) to use openai:NAME"
        yield Finding("endpoint", "note", "no key: simulated, manual, local and replay work without", remedy)
        return
    from openai import OpenAI, OpenAIError

    where = address or "api.openai.com"
    try:
        models = OpenAI(timeout=10.0, max_retries=0).models.list()
        yield Finding("endpoint", "fine", f"{where} answers: {len(models.data)} models")
    except OpenAIError as error:
        what = " ".join(str(error).split())[:100].replace(key, "…")
        yield Finding("endpoint", "wrong", f"{where}: {what}", "check the address, the key and the network")


def _disk() -> Iterator[Finding]:
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    found = f"{free / (1 << 30):.1f} GiB free below the working folder"
    if not os.access(here, os.W_OK):
        yield Finding("disk", "wrong", "the working folder cannot be written", "go elsewhere, or name --out")
    elif free < DISK:
        yield Finding("disk", "note", found, "a run stops when the disk is full; nothing that was paid for is lost")
    else:
        yield Finding("disk", "fine", found)


def examine(show: Callable[[str], None]) -> bool:
    """Look at everything and show each finding at once. Returns whether nothing is wrong."""
    states = []
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    for finding in findings():
        show(text(finding, width))
        states.append(finding.state)
    return "wrong" not in states
