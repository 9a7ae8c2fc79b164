"""Full disks, read-only and torn files, folders of others."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest
from conftest import Endpoint, RunStrategy, Scripted, Undisturbed, answered, contents, evaluation, said, worse_and_worse
from killable import Fault, Killable
from test_budgets import Does, asks_for_ever

from cwmb.errors import CwmbError, StorageError
from cwmb.harness.metering import Budget
from cwmb.harness.records import read_records
from cwmb.harness.run import Configuration, Extent, open_run
from cwmb.types import Evaluate, LanguageModel, Message, Prompt


def check(process: Killable, endpoint: Endpoint, undisturbed: Undisturbed, tmp_path: Path, at: int, how: str) -> None:
    """From an operation on nothing can be written; then it can again."""
    out = tmp_path / f"run-{at}-{how}"
    before = len(endpoint.server.bodies)
    failed = process.run(*evaluation(out), fault=Fault(str(out), os.devnull, at, how), **endpoint.environment)
    late = at >= undisturbed.operations[-1][0]  # only the folder's own entry was not flushed
    assert failed.code == (0 if late else 4), (at, how, failed.errors)
    if not late:
        *finished, said = failed.errors.splitlines()
        assert said.startswith("cwmb: cannot write "), (at, how, failed.errors)
        assert all(line.startswith(("CartPole-v1 ", "CliffWalking-v0 ")) for line in finished), (at, how, failed.errors)
        assert os.strerror(getattr(errno, how)) in failed.errors
        begun = at > undisturbed.nth("replace", "run.json")
        assert ("the same command goes on" in failed.errors) == begun
    lost = len(endpoint.server.bodies) - before - answered(out)
    assert lost in (0, 1)
    resumed = process.run(*evaluation(out), **endpoint.environment)
    assert resumed.code == 0, (at, how, resumed.errors)
    assert contents(out) == undisturbed.files, (at, how)
    assert len(endpoint.server.bodies) - before == undisturbed.requests + lost


@pytest.mark.parametrize(
    ("name", "file", "n", "how"),
    [("write", "ledger.jsonl", 2, "ENOSPC"), ("fsync", "ledger.jsonl", 2, "EIO"), ("mkdir", "", 0, "EROFS")],
)
def test_a_disk_that_cannot_be_written(
    cwmb_process: Killable,
    endpoint: Endpoint,
    undisturbed: Undisturbed,
    tmp_path: Path,
    name: str,
    file: str,
    n: int,
    how: str,
) -> None:
    check(cwmb_process, endpoint, undisturbed, tmp_path, undisturbed.nth(name, file, n), how)


@pytest.mark.torture
@pytest.mark.parametrize("part", range(4))
def test_a_disk_that_cannot_be_written_from_any_operation_on(
    cwmb_process: Killable, endpoint: Endpoint, undisturbed: Undisturbed, tmp_path: Path, part: int
) -> None:
    chosen = [operation for operation in undisturbed.operations if operation[1] != "open"][part::4]
    for number, name, _ in chosen:
        how = {"write": "ENOSPC", "fsync": "EIO"}.get(name, "EROFS")
        check(cwmb_process, endpoint, undisturbed, tmp_path, number, how)
    print(f"faults injected: {len(chosen)}")


def test_a_limit_on_the_size_of_files(run_strategy: RunStrategy, tmp_path: Path) -> None:
    def asks_at_length(llm: LanguageModel, evaluate: Evaluate) -> None:
        while True:
            llm.complete(Prompt("generate", (Message("user", "x" * 6_000_000),)))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    provider = Scripted(lambda index: said("nothing"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*ledger.jsonl: File too large"):
            run_strategy(Does(asks_at_length), provider, seeds=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert provider.asked == 2  # one was kept, one was lost, and no other cell paid for anything
    run_strategy(Does(asks_at_length), provider, seeds=3)
    assert provider.asked == 3 * 3 + 1


def test_a_folder_that_is_a_file(cwmb_process: Killable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    ended = cwmb_process.run(*evaluation(tmp_path / "file" / "run", "--model", "simulated"))
    assert ended.code == 4
    assert ended.errors.startswith("cwmb: cannot write ")


def test_the_second_run_in_a_folder_refuses(cwmb_process: Killable, tmp_path: Path) -> None:
    configuration = Configuration("refine", {}, "simulated", "quick", "0", Budget(2), "default")
    with open_run(tmp_path / "run", configuration, Extent(["CartPole-v1"], 1)):
        before = contents(tmp_path / "run")
        ended = cwmb_process.run(*evaluation(tmp_path / "run", "--model", "simulated"))
        assert ended.code == 2
        assert ended.errors.startswith("cwmb: another process runs in ")
        assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["cells/CartPole-v1/seed-0/record.json", "records.jsonl"])
@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_torn_record_is_made_anew_at_no_cost(
    run_strategy: RunStrategy, tmp_path: Path, name: str, keep: float
) -> None:
    run_strategy(Does(asks_for_ever), Scripted(worse_and_worse))
    whole = contents(tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_bytes(whole[name][: int(keep * len(whole[name]))])
    if name == "records.jsonl" and keep:
        with pytest.raises(CwmbError, match=r"records.jsonl:1 is no record"):
            read_records(tmp_path / "run")
    run_strategy(Does(asks_for_ever), Scripted(lambda _: pytest.fail("asked again")))
    assert contents(tmp_path / "run") == whole


def test_a_damaged_configuration_is_refused(run_strategy: RunStrategy, tmp_path: Path) -> None:
    run_strategy(Does(asks_for_ever), Scripted(worse_and_worse))
    (tmp_path / "run/run.json").write_text("{")
    with pytest.raises(CwmbError, match=r"run.json is no run's configuration .* name another --out"):
        run_strategy(Does(asks_for_ever), Scripted(worse_and_worse))
