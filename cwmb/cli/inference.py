"""``cwmb bench-inference``: a step by a program against a step by a language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from cwmb.benchmark.catalog import EnvironmentSpec
from cwmb.benchmark.protocols import protocol
from cwmb.benchmark.suites import Worlds, shipped
from cwmb.cli.own_program import read_program
from cwmb.errors import CwmbError
from cwmb.harness.inference import Inference, measure, store
from cwmb.harness.records import read_records
from cwmb.harness.run import JUDGED, judged
from cwmb.report.inference import inference_table
from cwmb.report.render import text
from cwmb.sandbox import Sandbox
from cwmb.types import Program


def bench_inference(
    what: Path, model: str, env: str | None, rows: int, protocol_name: str, suite: str, out: Path | None
) -> str:
    """Measure, and return the table.

    Raises:
        CwmbError: what is neither a program nor a run, or the environment is not known.
    """
    from cwmb import models

    provider = models.load(model)
    folder = out or Path("runs") / f"inference-{provider.name.replace(':', '-').replace('/', '-')}"
    console = Console(stderr=True)
    found: list[Inference] = []
    with Sandbox(workers=1) as sandbox, console.status("") as status:
        for spec, program in _programs(what, env, shipped(suite)):

            def watch(done: int, name: str = spec.id) -> None:
                status.update(f"{name}: {done} of {rows} steps asked for")

            ledger = folder / spec.id
            found.append(measure(spec, program, provider, sandbox, protocol(protocol_name), rows, ledger, watch))
            store(folder, found)
    return text([inference_table(found)]) + f"\n\nResults and ledgers: {folder}"


def _programs(what: Path, env: str | None, worlds: Worlds) -> Iterator[tuple[EnvironmentSpec, Program]]:
    if what.is_file():
        if env is None:
            raise CwmbError(f"--env is missing: which environment is {what} of?")
        yield worlds.environment(env), read_program(what)
        return
    if not what.is_dir():
        raise CwmbError(f"{what} does not exist: name a program's file or a run's folder")
    names = _names(env)
    for record in read_records(what):
        folder = what / record.cell.path
        wanted = record.seed == 0 and record.program is not None and (not names or record.environment in names)
        if wanted and (folder / JUDGED).exists():
            yield shipped(record.suite).environment(record.environment), judged(folder, record)


def _names(env: str | None) -> Sequence[str]:
    return [name.strip() for name in env.split(",")] if env else []
