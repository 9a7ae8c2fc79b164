from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import killable
import pytest
from killable import Fault, Killable
from scripted_server import Behaviour, Body, ScriptedServer, answer

from cwmb.benchmark.protocols import BenchmarkProtocol
from cwmb.harness.executors.local import in_folders
from cwmb.harness.matrix import run_cells
from cwmb.harness.metering import Budget
from cwmb.harness.records import Cell, Record
from cwmb.harness.run import Configuration, Extent, open_run
from cwmb.harness.setup import Setup
from cwmb.models.simulated import Simulated
from cwmb.plugins import Chosen
from cwmb.sandbox import Sandbox
from cwmb.types import Message, Provider, Reply, Request, Sampling, Strategy, Usage

KEY = "sk-marker-0123456789abcdef"


@pytest.fixture(autouse=True)
def _the_checkout_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cwmb.harness.provenance.commit", lambda: killable.COMMIT)


@pytest.fixture(scope="session")
def cwmb_process() -> Iterator[Killable]:
    with Killable() as process:
        yield process


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(workers=1) as made:
        yield made


def programmer(body: Body) -> Behaviour:
    """Answers like the simulated model: a function of the request."""
    messages = tuple(Message(m["role"], m["content"]) for m in body["messages"])
    return answer(Simulated().complete(Request(messages, Sampling(), body["seed"])).text)


@dataclass
class Endpoint:
    """An OpenAI-compatible server on loopback whose behaviour can be changed while it runs."""

    behave: Callable[[Body], Behaviour] = programmer
    server: ScriptedServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = ScriptedServer(lambda body: self.behave(body))

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that lead to it."""
        return {"OPENAI_BASE_URL": self.server.url, "OPENAI_API_KEY": KEY}

    @property
    def repeated(self) -> int:
        """How many requests were received that had been received before."""
        return sum(self.server.counts.values()) - len(self.server.counts)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    with made.server:
        yield made


def contents(out: Path) -> Mapping[str, bytes]:
    """Every file of a run but those that tell the time."""
    files = (p for p in sorted(out.rglob("*")) if p.is_file() and p.name != "timings.jsonl")
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def answered(out: Path) -> int:
    """How many calls stand in the ledgers."""
    whole = (p.read_bytes() for p in out.rglob("ledger.jsonl"))
    return sum(data[: data.rfind(b"\n") + 1].count(b'{"type": "call"') for data in whole)


def evaluation(out: Path, *more: object) -> list[object]:
    """The arguments of a small ``cwmb eval`` with the scripted endpoint; later ones win."""
    fixed = ["eval", "--strategy", "refine", "--model", "openai:scripted", "--envs", "CliffWalking-v0,CartPole-v1"]
    return [*fixed, "--out", out, "--seeds", 1, "--budget", 2, *more]


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: its files, its operations on them (number, name, path), its requests."""

    files: Mapping[str, bytes]
    operations: list[tuple[int, str, str]]
    requests: int

    def nth(self, name: str, file: str, n: int = 0) -> int:
        """The number of the n-th operation of that name on a file whose name contains a word."""
        return [number for number, what, path in self.operations if what == name and file in Path(path).name][n]


@pytest.fixture(scope="session")
def undisturbed(cwmb_process: Killable, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    endpoint = Endpoint()
    with endpoint.server:
        fault = Fault(str(folder / "run"), str(folder / "log"))
        ended = cwmb_process.run(*evaluation(folder / "run"), fault=fault, **endpoint.environment)
    assert ended.code == 0, ended.errors
    operations = [tuple(json.loads(line)) for line in (folder / "log").read_text().splitlines()]
    return Undisturbed(contents(folder / "run"), operations, len(endpoint.server.bodies))


class Silent:
    """A display that shows nothing."""

    def start(self, *_: object) -> None: ...

    def stage(self, *_: object) -> None: ...

    def search(self, *_: object, **__: object) -> None: ...

    def waits(self, *_: object) -> None: ...

    def finish(self, *_: object) -> None: ...

    def planned(self, *_: object) -> None: ...


@dataclass
class Scripted:
    """A provider that answers from a function; counts what it was asked."""

    reply: Callable[[int], Reply]
    name: str = "scripted"
    asked: int = 0

    def complete(self, request: Request) -> Reply:
        self.asked += 1
        return self.reply(self.asked - 1)


def said(text: str, tokens: int = 10, dollars: float | None = 0.1) -> Reply:
    return Reply(text, Usage(1, tokens - 5, 0, 5, 0, dollars), model="scripted")


PROGRAM = """
class Environment:
    def set_state(self, observation):
        self.observation = observation

    def step(self, action):
        return self.observation, {reward}, False
"""


def worse_and_worse(index: int) -> Reply:
    """Different programs, the first of which is the best one."""
    return said(f"```python\n{PROGRAM.format(reward=1 + index)}```")


RunStrategy = Callable[..., list[Record]]


@pytest.fixture
def run_strategy(sandbox: Sandbox, tmp_path: Path) -> RunStrategy:
    """Runs a strategy in this process over cells of CartPole, in a folder that later calls go on in."""

    def run(
        strategy: Strategy,
        provider: Provider,
        budget: Budget | None = None,
        *,
        seeds: int = 1,
        jobs: int = 1,
        out: Path = tmp_path / "run",
        stop: Event | None = None,
        display: Any = None,
        sandbox: Sandbox = sandbox,
        plan: bool = True,
        protocol: BenchmarkProtocol | None = None,
    ) -> list[Record]:
        protocol, budget = protocol or killable.light("quick"), budget or Budget(3)
        chosen = Chosen("scripted", lambda: strategy, {}, "tests 0")
        setup = Setup(chosen, "scripted", protocol, budget, "default", provider, sandbox)
        display, stop = display or Silent(), stop or Event()
        configuration = Configuration("scripted", {}, "scripted", "quick", protocol.checksum, budget, "default")
        with open_run(out, configuration, Extent(["CartPole-v1"], seeds)) as opened:
            execution = in_folders(setup, opened, display, stop)
            return run_cells(opened, protocol, execution, jobs=jobs, display=display, stop=stop, plan=plan)

    return run


def cell_folder(out: Path, cell: Cell | None = None) -> Path:
    return out / (cell or Cell("CartPole-v1", 0)).path
