"""A Ray cluster of several nodes on this machine, one of which is killed; and a user who stops a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killable
import pytest
from conftest import KEY, Endpoint, Silent, answered, contents, programmer
from scripted_server import Behaviour, Body

from cwmb.harness.executors import find
from cwmb.harness.matrix import run_cells
from cwmb.harness.metering import Budget, Interrupted
from cwmb.harness.records import Cell, Record
from cwmb.harness.run import Configuration, Extent, open_run
from cwmb.harness.setup import Assignment
from cwmb.models import load
from cwmb.models.openai.pace import Rate
from cwmb.plugins import chosen_strategy
from cwmb.seeds import Purpose, number

pytest.importorskip("ray", reason="Ray is not installed: pip install 'cwmb[scale]'")
from cwmb.harness.executors import cluster

pytestmark = pytest.mark.torture

MEMORY = 80 << 20  # of a node's object store
CELLS = 4
FIRST = {number(seed, "CartPole-v1", Purpose.REQUEST, 0) for seed in range(CELLS)}  # the seeds of their first calls


class Hosts:
    """A cluster whose head runs no cells."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        # Who is silent is declared dead sooner than in half a minute, but not for being slow.
        health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY, "_system_config": health}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]

    def kill(self, node_id: str) -> None:
        """A node, without any warning."""
        [node] = [n for n in self.nodes if n.node_id == node_id]
        self.cluster.remove_node(node, allow_graceful=False)

    @property
    def logs(self) -> Path:
        return Path(self.cluster.head_node.get_session_dir_path())


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Its processes, too, believe that the checkout does not change."""
    startup = tmp_path_factory.mktemp("startup")
    code = f"from cwmb.harness import provenance\nprovenance.commit = lambda: {killable.COMMIT}\n"
    (startup / "sitecustomize.py").write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(startup))
        made = Hosts()
    yield made
    made.cluster.shutdown()


class Progress(Silent):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.started: list[Cell] = []
        self.finished: list[Cell] = []
        self.told: set[str] = set()

    def start(self, cell: Cell) -> None:
        self.started.append(cell)

    def stage(self, *_: object) -> None:
        self.told.add("stage")

    def search(self, *_: object, **__: object) -> None:
        self.told.add("search")

    def finish(self, cell: Cell, _: Record) -> None:
        self.finished.append(cell)


def run_on(
    executor: str,
    address: str | None,
    out: Path,
    display: Any = None,
    stop: threading.Event | None = None,
    plan: bool = True,
) -> list[Record]:
    protocol, budget = killable.light("quick"), Budget(3)
    display, stop = display or Silent(), stop or threading.Event()
    chosen = chosen_strategy("refine", {})
    assignment = Assignment(chosen, "openai:scripted", protocol, budget, "default")
    configuration = Configuration(
        "refine", chosen.options, "openai:scripted", "quick", protocol.checksum, budget, "default"
    )
    with (
        open_run(out, configuration, Extent(["CartPole-v1"], CELLS)) as run,
        find(executor, address)(
            assignment, load("openai:scripted"), run, display, stop, jobs=CELLS, rate=Rate(10_000), unsafe=False
        ) as execute,
    ):
        return run_cells(run, protocol, execute, jobs=CELLS, display=display, stop=stop, plan=plan)


class Holding(Endpoint):
    """Answers every cell's first question, and holds back all others until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(self.hold)
        self.all_asked, self.go = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._held = 0

    def hold(self, body: Body) -> Behaviour:
        if body["seed"] not in FIRST and not self.go.is_set():
            with self._lock:
                self._held += 1
                if self._held == CELLS:
                    self.all_asked.set()
            self.go.wait(300)
        return programmer(body)


def undisturbed(out: Path, monkeypatch: pytest.MonkeyPatch, plan: bool = True) -> dict[str, bytes]:
    """What a run in this process leaves behind."""
    endpoint = Endpoint()
    with endpoint.server:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        run_on("local", None, out, plan=plan)
    return dict(contents(out))


def test_a_killed_nodes_cells_go_on_elsewhere_and_nothing_is_asked_twice(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, display, out = Holding(), Progress(), tmp_path / "run"
    borrow, busy = cluster._Nodes.borrow, []

    def note(nodes: cluster._Nodes, stop: threading.Event) -> Any:
        handle = borrow(nodes, stop)
        busy.append(handle.node_id)
        return handle

    monkeypatch.setattr(cluster._Nodes, "borrow", note)

    def disturb() -> None:
        assert endpoint.all_asked.wait(300)
        hosts.kill(busy[0])
        endpoint.go.set()

    with endpoint.server:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        killer = threading.Thread(target=disturb, daemon=True)
        killer.start()
        records = run_on("ray", hosts.cluster.address, out, display, plan=False)  # only searches borrow nodes
        killer.join()
        asked = len(endpoint.server.bodies)
    assert [r.state for r in records] == ["done"] * CELLS
    assert sorted(display.started) == sorted(display.finished) == [r.cell for r in records]
    assert display.told == {"stage", "search"}
    in_flight = busy[:CELLS].count(busy[0])  # each of its cells had asked a second time, and none had been answered
    assert busy[CELLS:] == [next(n for n in busy if n != busy[0])] * in_flight
    assert endpoint.repeated <= in_flight
    assert contents(out) == undisturbed(tmp_path / "local", monkeypatch, plan=False)
    assert asked - endpoint.repeated == answered(out) > 2 * CELLS
    said = [p for p in hosts.logs.rglob("*") if p.is_file()]
    assert len(said) > 10
    assert not [p for p in [*said, *out.rglob("*")] if p.is_file() and KEY.encode() in p.read_bytes()]


def test_a_stop_finishes_the_calls_in_flight_on_all_nodes(
    hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, stop, out = Holding(), threading.Event(), tmp_path / "run"

    tell = cluster._Nodes.stop

    def told(nodes: cluster._Nodes) -> None:
        tell(nodes)
        cluster.ray.get([handle.actor.stop.remote() for handle in nodes._handles.values()])
        endpoint.go.set()

    monkeypatch.setattr(cluster._Nodes, "stop", told)

    def interrupt() -> None:
        assert endpoint.all_asked.wait(300)
        stop.set()

    with endpoint.server:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        user = threading.Thread(target=interrupt, daemon=True)
        user.start()
        with pytest.raises(Interrupted):
            run_on("ray", hosts.cluster.address, out, stop=stop)
        user.join()
        asked = len(endpoint.server.bodies)
        assert asked == answered(out) == 2 * CELLS
        run_on("local", None, out)  # the executor is nobody's business
        assert endpoint.repeated == 0
    assert contents(out) == undisturbed(tmp_path / "local", monkeypatch)
