"""Cells on the nodes of a Ray cluster.

Every node with processors gets one process (``_Node``) that runs many cells in threads, as a run without a cluster
does. The run's folder stays with the machine that the run was started on: a process there (``keeper.Keeper``) writes
each entry of a ledger before the cell on its node gets to see the value. If a node is lost, its cells begin again on
another one with the ledger that they had.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Condition, Event, Lock, Thread
from typing import Any, TypeVar

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cwmb import models
from cwmb.errors import CwmbError, InfrastructureError, StorageError
from cwmb.harness import provenance
from cwmb.harness.cell import CellRun
from cwmb.harness.cores import Cores
from cwmb.harness.executors import Display, Ended, Execution
from cwmb.harness.executors.keeper import Attempt, Keeper, News
from cwmb.harness.executors.local import in_turn, prepared, search
from cwmb.harness.ledger import JOURNALS
from cwmb.harness.metering import Interrupted
from cwmb.harness.records import Cell, Planning, Record
from cwmb.harness.run import Run
from cwmb.harness.setup import Assignment, Setup, Stage
from cwmb.models.openai.pace import Rate, Turn
from cwmb.sandbox import Sandbox
from cwmb.types import Evaluation, Program, Provider, Usage

T = TypeVar("T")

PULSE = 0.2  # seconds between two looks at what the nodes report
PATIENCE = 120.0  # seconds without any node after which a run gives up
REACHING, ANSWERING = 8.0, 20.0  # seconds that a cluster whose address is given has to be reached, and to answer
LOSSES = 3  # a cell that was lost so often with its node is not begun again


@contextmanager
def cluster(
    assignment: Assignment,
    provider: Provider,
    run: Run,
    display: Display,
    stop: Event,
    *,
    jobs: int,
    rate: Rate,
    unsafe: bool,
    address: str | None = None,
) -> Iterator[Execution]:
    """Runs cells on a Ray cluster. See Executor; jobs and rate are those of all nodes together.

    provider: each node has its own, which gets the environment variables that this one names; they are written nowhere.
    address: as ``ray start`` prints it; None: RAY_ADDRESS, else the cluster that this machine is in, else a new one
    of this machine alone.

    Raises:
        CwmbError: the address is of no use, or a node is not like this machine.
        InfrastructureError: there is no cluster, or no node in it; the run's machine is at fault.
    """
    run = replace(run, folder=run.folder.absolute())
    run.share()
    with _connected(address):
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        keeper = ray.remote(Keeper).options(num_cpus=0, max_concurrency=64, scheduling_strategy=here).remote(run, rate)
        _get(keeper.join.remote())

        def start(node_id: str, cpus: int) -> Any:
            there = NodeAffinitySchedulingStrategy(node_id, soft=False)
            actor = (
                ray.remote(_Node)
                .options(num_cpus=cpus, max_concurrency=2 * jobs + 2, scheduling_strategy=there)
                .remote(assignment, keeper, run, cpus, rate, unsafe)
            )
            return actor, actor.set_up.remote(variables)

        variables = {name: os.environ[name] for name in getattr(provider, "environment", ()) if name in os.environ}

        nodes = _Nodes(start, _likeness())
        active = _Active(display)
        over = Event()
        pulse = Thread(target=_pulse, args=(keeper, nodes, active, stop, over), name="pulse", daemon=True)
        pulse.start()
        try:
            yield Execution(
                lambda cell: active.during(cell, lambda: _on_a_node(nodes, cell, stop, "search", Ended)),
                lambda cell, program: active.during(
                    cell, lambda: _on_a_node(nodes, cell, stop, "plan", Planning, program)
                ),
                plans=jobs,
            )
        finally:
            over.set()
            pulse.join()


def _on_a_node(nodes: _Nodes, cell: Cell, stop: Event, what: str, kind: type[T], *more: Any) -> T:
    """What a method of _Node answers. Raises what it returns if that is an exception."""
    for _ in range(LOSSES):
        node = nodes.borrow(stop)
        try:
            answer = _get(getattr(node.actor, what).remote(cell, *more))
        except RayActorError as error:
            nodes.lost(node, _first_line(error))
            continue
        finally:
            nodes.give_back(node)
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, kind)
        return answer
    raise InfrastructureError(f"{cell.environment} seed {cell.seed}: its node was lost {LOSSES} times")


def _pulse(keeper: Any, nodes: _Nodes, active: _Active, stop: Event, over: Event) -> None:
    """What goes on beside the cells: their progress, nodes that come, a stop that must be told to all."""
    while not over.is_set():
        try:
            for news in _get(keeper.news.remote()):
                active.show(news)
            nodes.refresh()
        except RayActorError as error:
            nodes.fail(InfrastructureError(f"the process that keeps the ledgers has ended: {_first_line(error)}"))
        except Exception as error:
            nodes.fail(error)
        if stop.is_set():
            nodes.stop()
        over.wait(PULSE)


class _Active:
    """The cells that the display knows, so that late news of others are dropped."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._cells: set[Cell] = set()
        self._lock = Lock()

    def during(self, cell: Cell, run: Callable[[], T]) -> T:
        with self._lock:
            self._cells.add(cell)
        try:
            return run()
        finally:
            with self._lock:
                self._cells.remove(cell)

    def show(self, news: News) -> None:
        with self._lock:
            if news.cell in self._cells:
                getattr(self._display, news.what)(news.cell, *news.values, **news.more)


# ---------------------------------------------------------------------------------------- the driver's view of nodes


@dataclass(eq=False)
class _Handle:
    """A node's process. ready: what it says when it is set up; cells: how many it runs."""

    node_id: str
    cpus: int
    actor: Any
    ready: Any
    cells: int = 0
    usable: bool = False


@dataclass
class _Nodes:
    """The nodes of the cluster that cells run on.

    start: starts a process on a node; returns its handle and a promise of its likeness; likeness: that of this machine.
    """

    start: Callable[[str, int], tuple[Any, Any]]
    likeness: Mapping[str, Any]
    _handles: dict[str, _Handle] = field(default_factory=dict)
    _trouble: BaseException | None = None
    _usable_at: float = field(default_factory=time.monotonic)  # when there was a node
    _why: str = "none has processors"  # there is none
    _changed: Condition = field(default_factory=Condition)

    def borrow(self, stop: Event) -> _Handle:
        """The node with the least to do, as soon as there is one. Raises Interrupted, and what went wrong."""
        with self._changed:
            while True:
                if self._trouble is not None:
                    raise self._trouble
                if stop.is_set():
                    raise Interrupted
                usable = [h for h in self._handles.values() if h.usable]
                if usable:
                    handle = min(usable, key=lambda h: h.cells / h.cpus)
                    handle.cells += 1
                    return handle
                self._changed.wait(PULSE)

    def give_back(self, handle: _Handle) -> None:
        """A cell on it has ended."""
        with self._changed:
            handle.cells -= 1

    def lost(self, handle: _Handle, why: str) -> None:
        """Its process is gone; if only that, refresh() starts another one."""
        with self._changed:
            handle.usable = False
            self._why = why
            if self._handles.get(handle.node_id) is handle:
                del self._handles[handle.node_id]
                with suppress(Exception):  # it may live on, out of reach
                    ray.kill(handle.actor)

    def fail(self, error: BaseException) -> None:
        """Nothing can go on."""
        with self._changed:
            self._trouble = self._trouble or error
            self._changed.notify_all()

    def stop(self) -> None:
        """Tell all of them to stop."""
        with self._changed:
            for handle in self._handles.values():
                handle.actor.stop.remote()

    def refresh(self) -> None:
        """Start what can be started, take note of what has started.

        Raises:
            CwmbError: a node cannot be used.
            InfrastructureError: there has been none for a long time.
        """
        with self._changed:
            cpus = {n["NodeID"]: int(n["Resources"].get("CPU", 0)) for n in ray.nodes() if n["Alive"]}
            for handle in [h for h in self._handles.values() if h.node_id not in cpus]:
                self.lost(handle, "the node is gone")
            for node_id in [n for n, count in cpus.items() if count and n not in self._handles]:
                self._handles[node_id] = _Handle(node_id, cpus[node_id], *self.start(node_id, cpus[node_id]))
            for handle in [h for h in self._handles.values() if not h.usable]:
                if ray.wait([handle.ready], timeout=0)[0]:
                    self._welcome(handle)
            if any(h.usable for h in self._handles.values()):
                self._usable_at = time.monotonic()
            elif time.monotonic() - self._usable_at > PATIENCE:
                raise InfrastructureError(
                    f"no node of the Ray cluster could be used for {PATIENCE:g} s ({self._why}): start one with "
                    "'ray start', or wait until processors are free"
                )

    def _welcome(self, handle: _Handle) -> None:
        try:
            theirs = _get(handle.ready)
        except RayActorError as error:
            self.lost(handle, _first_line(error))
            return
        for name, ours in self.likeness.items():
            if theirs[name] != ours:
                raise CwmbError(
                    f"node {theirs['host']} has {name} {theirs[name]}, this machine {ours}: install the same on all"
                )
        handle.usable = True
        self._changed.notify_all()


# ------------------------------------------------------------------------------------------------ on another machine


class _Node:
    """The process of a node: runs cells in threads."""

    def __init__(self, assignment: Assignment, keeper: Any, run: Run, cpus: int, rate: Rate, unsafe: bool) -> None:
        self._assignment, self._keeper, self._run = assignment, keeper, run
        self._cpus, self._rate, self._unsafe = cpus, rate, unsafe
        self._stop = Event()

    def set_up(self, environment: dict[str, str]) -> dict[str, Any]:
        """Prepare for cells. Returns the likeness of this machine. Raises what a run without a cluster would."""
        os.environ.update(environment)
        provider = models.load(self._assignment.model_name, self._assignment.worlds)
        if self._rate.limited:
            provider = in_turn(provider, _KeptTurns(self._keeper), self._stop)
        sandbox = Sandbox(workers=self._cpus, unsafe=self._unsafe)
        self._setup = Setup(**vars(self._assignment), provider=provider, sandbox=sandbox, cores=Cores(self._cpus))
        return {**_likeness(), "host": platform.node()}

    def search(self, cell: Cell) -> Ended | BaseException:
        """Search and score a cell. What CellRun.run() raises is returned, lest Ray wraps it."""
        return self._kept(cell, search)

    def plan(self, cell: Cell, program: Program) -> Planning | BaseException:
        """Plan with a program. What CellRun.plan() raises is returned."""
        return self._kept(cell, lambda cell_run: cell_run.plan(program))

    def _kept(self, cell: Cell, work: Callable[[CellRun], T]) -> T | BaseException:
        try:
            attempt: Attempt = _get(self._keeper.begin.remote(cell))
            with TemporaryDirectory(prefix="cwmb-") as folder:
                return self._attempt(attempt, Path(folder), work)
        except RayActorError as error:
            return StorageError(f"the process that keeps the ledgers is out of reach: {_first_line(error)}")
        except (CwmbError, Interrupted) as error:
            return error

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def _attempt(self, attempt: Attempt, folder: Path, work: Callable[[CellRun], T]) -> T:
        cell, number = attempt.cell, attempt.number
        for name, data in attempt.journals.items():
            (folder / name).write_bytes(data)

        def journal(path: Path, data: bytes, *, flush: bool = True) -> None:
            _get(self._keeper.append.remote(cell, number, path.name, data, flush))

        display = _Reporter(self._keeper)
        try:
            done = work(prepared(self._setup, cell, folder, display, self._stop, journal))
        except CwmbError as error:  # it is about a copy
            kept = str(self._run.cell_folder(cell))
            raise type(error)(str(error).replace(str(folder), kept)) from None
        written = (p for p in folder.rglob("*") if p.is_file() and p.name not in JOURNALS)
        files = {str(p.relative_to(folder)): p.read_bytes().decode("utf-8", "surrogatepass") for p in sorted(written)}
        _get(self._keeper.finish.remote(cell, number, files))
        return done


@dataclass(frozen=True)
class _Reporter:
    """A display that is far away."""

    keeper: Any

    def start(self, cell: Cell) -> None:
        """Said by whoever sent the cell here."""

    def stage(self, cell: Cell, stage: Stage) -> None:
        """See Display."""
        self.keeper.tell.remote("stage", cell, stage)

    def search(self, cell: Cell, *, calls: int, best: Evaluation | None, usage: Usage) -> None:
        """See Display."""
        brief = replace(best, mistakes=()) if best else None
        self.keeper.tell.remote("search", cell, calls=calls, best=brief, usage=usage)

    def waits(self, cell: Cell, why: str) -> None:
        """See Display."""
        self.keeper.tell.remote("waits", cell, why)

    def finish(self, cell: Cell, record: Record) -> None:
        """Said by whoever sent the cell here."""

    def planned(self, cell: Cell, record: Record) -> None:
        """Said by whoever sent the cell here."""


@dataclass(frozen=True)
class _KeptTurns:
    """The turns of all nodes, counted in one place."""

    keeper: Any

    def take(self, tokens: int) -> Turn:
        """See cwmb.models.openai.pace.Turns."""
        turn: Turn = _get(self.keeper.take.remote(tokens))
        return turn

    def correct(self, number: int, tokens: int) -> None:
        """See cwmb.models.openai.pace.Turns."""
        self.keeper.correct.remote(number, tokens)


# --------------------------------------------------------------------------------------------------------------- Ray


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """Connected to a cluster, unless this process is already."""
    if ray.is_initialized():
        yield
        return
    if address is not None and "://" in address:
        raise CwmbError(f"--address {address} is a Ray client's: start the run on a machine of the cluster, say auto")
    named = address or os.environ.get("RAY_ADDRESS") or "auto"
    if ":" in named:
        _check_address(named)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that we start reports to nobody
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with ExitStack() as stack:
        try:
            ray.init(address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = address or os.environ.get("RAY_ADDRESS") or "this machine"
            raise InfrastructureError(
                f"no Ray cluster at {where}: start one with 'ray start --head' ({_first_line(error)})"
            ) from error
        stack.callback(ray.shutdown)
        for number, handler in handlers.items():  # Ray has put its own in their place
            signal.signal(number, handler)
        yield


def _check_address(address: str) -> None:
    """Raise InfrastructureError where no cluster is at an address: ray.init would wait for it for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHING).close()
        asked = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
        subprocess.run(asked, capture_output=True, timeout=ANSWERING, check=True)
    except subprocess.SubprocessError:
        raise InfrastructureError(f"no Ray cluster at {address}: something else answers there, or nothing") from None
    except (OSError, ValueError, OverflowError) as error:
        raise InfrastructureError(f"no Ray cluster at {address} ({error}): start one with 'ray start --head'") from None


def _get(reference: Any) -> Any:
    """The value of a promise. Raises what the other side raised, not Ray's wrapping of it."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None


def _likeness() -> dict[str, Any]:
    """What must be the same on all machines of a run."""
    return {**provenance.versions(), "commit": provenance.commit()[0]}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
