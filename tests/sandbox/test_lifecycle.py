"""Processes: killed ones, leaks, threads, other users, older kernels, other systems."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.errors import CwmbError, InfrastructureError
from cwmb.sandbox import Sandbox, calibration, canary, conversation, kernel
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.process import Process, ZygoteDied
from cwmb.sandbox.running import ScriptLimits
from cwmb.types import OK, Failure, Program

from .worlds import HONEST, QUICK, bounded, box, discrete, transitions

DATA = transitions(np.ones((3, 4)))
TESTS = Path(__file__).parents[1]

# Takes about 50 ms for each row.
SLOW = Program(HONEST.source.replace("self.state = observation", "self.state = observation; sum(range(2_000_000))"))


def processes() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(stat.parent.name)] = int(fields[1])
    return found


def descendants(pid: int) -> set[int]:
    parents = processes()
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def zygotes() -> set[int]:
    """Children of this process that run the zygote."""
    parents = processes()
    mine = {p for p, parent in parents.items() if parent == os.getpid()}
    return {p for p in mine if b"zygote" in Path(f"/proc/{p}/cmdline").read_bytes()}


def soon(condition: Callable[[], Any]) -> bool:
    """Whether it becomes true within a few seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def own() -> Iterator[tuple[Sandbox, int]]:
    """A sandbox, and the process id of its zygote."""
    before = zygotes()
    with Sandbox(workers=1) as sandbox:
        healthy(sandbox)
        (zygote,) = zygotes() - before
        yield sandbox, zygote


def healthy(sandbox: Sandbox) -> None:
    said = sandbox.predict(HONEST, box(4), discrete(2), DATA, Limits(), 0)
    assert said.failure is None
    assert (said.observations == 2.0).all()


def test_the_layers_in_force(sandbox: Sandbox) -> None:
    assert {"rlimits", "no_new_privs", "seccomp"} <= set(sandbox.layers)
    assert ("setuid" in sandbox.layers) == (os.geteuid() == 0)


def test_a_killed_zygote_is_replaced(own: tuple[Sandbox, int]) -> None:
    sandbox, zygote = own
    os.kill(zygote, signal.SIGKILL)
    healthy(sandbox)


@pytest.mark.parametrize("victim", ["zygote", "child"])
def test_a_program_in_flight_is_run_again(own: tuple[Sandbox, int], victim: str) -> None:
    sandbox, zygote = own
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(sandbox.predict, SLOW, box(4), discrete(2), DATA, Limits(step_seconds=10), 0)
        assert soon(lambda: descendants(zygote))
        os.kill(zygote if victim == "zygote" else min(descendants(zygote)), signal.SIGKILL)
        said = future.result()
    assert said.failure is None
    assert (said.observations == 2.0).all()


def killed_children(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """From now on so many children are killed when they have been told their program. Returns their process ids."""
    killed: list[int] = []
    load = Conversation.load

    def load_and_kill(talk: Conversation) -> None:
        load(talk)
        if len(killed) < times:
            killed.append(talk.process._pid)  # type: ignore[attr-defined]
            talk.process.signal(signal.SIGKILL)

    monkeypatch.setattr(Conversation, "load", load_and_kill)
    return killed


@pytest.mark.parametrize(("times", "kind"), [(1, None), (2, None), (3, "crash")])
def test_a_program_whose_process_is_always_killed_has_crashed(
    own: tuple[Sandbox, int], monkeypatch: pytest.MonkeyPatch, times: int, kind: str | None
) -> None:
    """So it cannot leave an average, as what is nobody's fault does."""
    sandbox, _ = own
    assert sandbox.pace
    killed = killed_children(monkeypatch, times)
    said = sandbox.predict(HONEST, box(4), discrete(2), DATA, Limits(), 0)
    assert len(killed) == times
    assert (said.failure and said.failure.kind) == kind
    assert (said.status == OK).all() == (kind is None)


def test_a_plan_whose_process_is_always_killed_has_failed(
    own: tuple[Sandbox, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, _ = own
    assert sandbox.pace
    killed_children(monkeypatch, 3)
    with sandbox.planning(HONEST, box(4), discrete(2), PlannerSpec("mcts", {}), Limits(), 0) as session:
        plan = session.plan(np.zeros(4))
    assert plan.failure is not None
    assert plan.failure.kind == "crash"


@pytest.mark.parametrize("victim", ["zygote", "child"])
def test_a_planning_session_goes_on_where_it_was(own: tuple[Sandbox, int], victim: str) -> None:
    sandbox, zygote = own
    planner = PlannerSpec("icem", {"horizon": 5, "iterations": 2, "samples": 20, "elites": 4, "execute": 1})
    program = Program(HONEST.source.replace("1.0, False", "float(action.sum() * self.state.sum()), False"))

    def episode(kill: bool) -> list[Any]:
        with sandbox.planning(program, box(4), bounded(2), planner, QUICK, 5) as session:
            said = []
            for i in range(4):
                if kill and i == 2:
                    os.kill(zygote if victim == "zygote" else min(descendants(zygote)), signal.SIGKILL)
                plan = session.plan(np.full(4, float(i)))
                assert plan.actions is not None
                said.append(plan.actions.tolist())
            return said

    assert episode(kill=True) == episode(kill=False)


NAP = """
import sys
lock = sys.modules["_thread"].allocate_lock()
lock.acquire()
while True:
    lock.acquire(timeout=0.09)
    sum(range(5000))
"""
BUSY = "while True: pass"
DEAF = f"import sys\nsignal = sys.modules['signal']\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{BUSY}"


@contextlib.contextmanager
def loading(sandbox: Sandbox, source: str, limits: Limits, cpu_seconds: int) -> Iterator[tuple[Process, Failure]]:
    """A process after it has failed to load a program. cpu_seconds: when the kernel ends it."""
    with sandbox._pool.process(limits, cpu_seconds, 1024) as process:
        talk = Conversation(process, Program(source), limits)
        talk.set_up(setup(box(1), box(1), 0))
        with pytest.raises(Ended) as ended:
            talk.load()
        yield process, ended.value.failure


def test_sleep_counts_like_work(sandbox: Sandbox) -> None:
    with loading(sandbox, NAP, Limits(load_seconds=0.6), 0) as (process, failure):
        assert failure.kind == "timeout"
        try:
            assert process.cpu_seconds() < 0.3
        except OSError:  # it is gone already
            ended = process.wait(10)
            assert ended is not None
            assert not ended.out_of_time


@pytest.mark.parametrize("source", [BUSY, DEAF], ids=["it-obeys", "it-ignores-the-signal"])
def test_a_child_that_the_kernel_ends_for_its_time_has_timed_out(sandbox: Sandbox, source: str) -> None:
    with loading(sandbox, source, Limits(load_seconds=100), 1) as (_, failure):
        assert (failure.kind, failure.message) == ("timeout", "the CPU time ran out")


def test_a_child_that_is_killed_for_want_of_memory_is_not_killed_from_outside(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills = iter([3, 3, 4])
    monkeypatch.setattr(conversation, "_oom_kills", lambda: next(kills))

    def failure_of_a_killed_child() -> Failure:
        with sandbox._pool.process(QUICK, 0, 1024) as process:
            talk = Conversation(process, HONEST, QUICK)
            process.signal(signal.SIGKILL)
            with pytest.raises(Ended) as ended:
                talk.load()
            return ended.value.failure

    assert conversation._out_of_memory()  # before this child
    with pytest.raises(ZygoteDied, match="killed from outside"):
        failure_of_a_killed_child()
    assert failure_of_a_killed_child().kind == "memory"


@contextlib.contextmanager
def killing(zygote: int) -> Iterator[None]:
    """While whatever a zygote forks is killed."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(0.001):
            for pid in descendants(zygote):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("what", ["analyse", "run", "predict"])
def test_who_is_killed_again_and_again_has_crashed_and_the_harness_has_not(
    own: tuple[Sandbox, int], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, zygote = own
    monkeypatch.setattr(calibration, "_measured", (1.0, time.monotonic()))  # not while children are killed
    with killing(zygote):
        if what == "analyse":
            failure = sandbox.analyse(BUSY, None, box(4), discrete(2), DATA, QUICK, 0).failure
        elif what == "run":
            (ran,) = sandbox.run(Program(BUSY), [""], ScriptLimits())
            failure = ran.failure
        else:
            failure = sandbox.predict(Program(BUSY), box(4), discrete(2), DATA, QUICK, 0).failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("crash", "the process was killed from outside, three times in a row")
    healthy(sandbox)


def test_a_closed_sandbox_says_so_and_leaves_nothing(own: tuple[Sandbox, int]) -> None:
    sandbox, zygote = own
    sandbox.close()
    assert soon(lambda: zygote not in processes())
    with pytest.raises(InfrastructureError, match="closed"):
        healthy(sandbox)


def test_everything_dies_with_the_parent() -> None:
    script = '''
import numpy as np
from cwmb.benchmark.protocols import Limits, PlannerSpec
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Space
one = Space("box", (0.0,), (1.0,), "float64")
program = Program("""
class Environment:
    def set_state(self, o): pass
    def step(self, a):
        while True: pass
""")
with Sandbox(workers=1).planning(program, one, one, PlannerSpec("cem", {}), Limits(), 0) as session:
    print("go", flush=True)
    session.plan(np.zeros(1))
'''
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=TESTS.parent) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"go\n"
        assert soon(lambda: len(descendants(parent.pid)) == 2)
        family = descendants(parent.pid)
        parent.kill()
    assert soon(lambda: not family & set(processes()))


@pytest.mark.parametrize("ready", [True, False], ids=["when-ready", "before"])
def test_a_zygote_ends_quietly_when_its_parent_goes_while_it_starts(ready: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = f"from cwmb.sandbox.zygote import main; main({theirs.fileno()}, {{}})"
    command = [sys.executable, "-c", code]
    with theirs:
        zygote = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True)
    if ready:
        select.select([ours], [], [], 60)  # it has said that it is ready, which nobody reads
    ours.close()
    _, said = zygote.communicate(timeout=60)
    assert (zygote.returncode, said) == (0, "")


@pytest.mark.parametrize("how", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "1>&- 2>/dev/null"])
def test_a_parent_without_input_or_output(how: str, tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import Sandbox
from cwmb.types import Program, Space, Transitions
one = Space("box", (0.0,), (1.0,), "float64")
zero = np.zeros((3, 1))
false = np.zeros(3, bool)
data = Transitions(zero, zero, zero[:, 0], zero, false, false, np.arange(3), np.arange(3), false)
program = Program('''
import sys
class Environment:
    def set_state(self, o): self.o = o
    def step(self, a):
        print("x")
        sys.stdout.write("x"); sys.stderr.write("x")
        return self.o, 1.0, False
''')
with Sandbox(workers=1) as sandbox:
    said = sandbox.predict(program, one, one, data, Limits(), 0)
open(sys.argv[1], "w").write(f"{said.rewards.tolist()} {said.failure} {sandbox.layers}")
"""
    said = tmp_path / "said"
    command = ["sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-c", script, str(said)]
    subprocess.run(command, check=True, cwd=TESTS.parent)
    assert said.read_text().startswith("[1.0, 1.0, 1.0] None")
    assert "seccomp" in said.read_text()


def test_many_threads_share_a_sandbox() -> None:
    def work(i: int) -> bool:
        data = transitions(np.full((20, 4), float(i)))
        said = sandbox.predict(HONEST, box(4), discrete(2), data, Limits(), 0)
        return bool((said.observations == i + 1.0).all() and said.failure is None)

    affinity = os.sched_getaffinity(0)
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(60)))
    assert os.sched_getaffinity(0) == affinity
    assert threading.active_count() < 20


def test_zygotes_may_use_all_cores() -> None:
    """Also those that are started while a thread stays on one core, beside the child that it talks to."""
    before = zygotes()
    with Sandbox(workers=2) as sandbox:
        with sandbox.planning(HONEST, box(4), discrete(2), PlannerSpec("mcts", {}), Limits(), 0) as session:
            session.plan(np.zeros(4))
            healthy(sandbox)
        ours = zygotes() - before
        assert len(ours) == 2
        assert all(os.sched_getaffinity(zygote) == os.sched_getaffinity(0) for zygote in ours)


def test_a_thread_may_predict_while_it_plans(own: tuple[Sandbox, int]) -> None:
    sandbox, _ = own
    with sandbox.planning(HONEST, box(4), discrete(2), PlannerSpec("mcts", {}), Limits(), 0) as session:
        assert session.plan(np.zeros(4)).actions is not None
        healthy(sandbox)
        assert session.plan(np.zeros(4)).actions is not None


CRASH = Program("import sys\nsys.modules['os'].abort()")
RAISE = Program(HONEST.source.replace("self.state = observation", "raise ValueError"))


def run_many(count: int) -> None:
    """Run programs, a third of which crash, and see that nothing is left of them."""

    def resources() -> tuple[int, int, int]:
        pages = int(Path(f"/proc/{zygote}/statm").read_text().split()[1])
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{zygote}/fd")), pages  # noqa: PTH208

    before = zygotes()
    with Sandbox(workers=1) as sandbox:
        healthy(sandbox)
        (zygote,) = zygotes() - before
        for program in (CRASH, RAISE, HONEST) * 10:
            sandbox.predict(program, box(4), discrete(2), DATA, QUICK, 0)
        assert soon(lambda: not descendants(zygote))
        first = resources()
        for i in range(count):
            sandbox.predict((CRASH, RAISE, HONEST)[i % 3], box(4), discrete(2), DATA, QUICK, 0)
        assert soon(lambda: not descendants(zygote))
        # Fewer is no leak: the first count may hold what is just being closed, here or by an earlier test.
        assert soon(lambda: all(now <= then for now, then in zip(resources()[:2], first[:2], strict=True)))
        assert resources()[2] <= first[2] + 256  # a megabyte
        healthy(sandbox)


def test_no_leak_over_300_candidates() -> None:
    run_many(300)


@pytest.mark.torture
def test_no_leak_over_5000_candidates() -> None:
    run_many(5000)


def run_attacks(folder: Path, option: str = "", python: str = sys.executable, **identity: Any) -> Any:
    folder.chmod(0o777)
    (folder / "secret").write_text("print('run')")
    command = [python, "-m", "sandbox.run_attacks", str(folder), option]
    path = os.pathsep.join((str(TESTS), *(str(Path(p).resolve()) for p in sys.path)))
    done = subprocess.run(
        command, cwd="/", env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, **identity
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def python_for(**identity: Any) -> str:
    """An interpreter of this version that somebody else may run."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", ""], check=False, **identity).returncode == 0:
                return python
    pytest.skip("this Python is for root only")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_attacks_as_an_ordinary_user_who_may_open_few_files() -> None:
    identity = {"user": 54321, "group": 54321, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="cwmb-test-"))
    try:
        said = run_attacks(folder, "few-files", python=python_for(**identity), **identity)
    finally:
        shutil.rmtree(folder)
    assert said["problems"] == {}
    assert said["n"] > 100
    assert "setuid" not in said["layers"]
    assert "seccomp" in said["layers"]


def test_attacks_where_there_is_no_landlock(tmp_path: Path) -> None:
    said = run_attacks(tmp_path, "no-landlock")
    assert said["problems"] == {}
    assert not [layer for layer in said["layers"] if "landlock" in layer]


def test_without_seccomp_no_program_is_run(tmp_path: Path) -> None:
    assert "InfrastructureError: the sandbox's child could not be set up: OSError: [Errno 38] seccomp" in run_attacks(
        tmp_path, "no-seccomp"
    )


def test_a_canary_that_gets_out_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "_proven", ())
    monkeypatch.setattr(canary, "SOURCE", canary.SOURCE.replace("return 0.0", "return 1.0"))
    before = zygotes()
    with pytest.raises(InfrastructureError, match=r"does not hold .*: a program can open a file and open a socket and"):
        Sandbox(workers=1).predict(CRASH, box(4), discrete(2), DATA, QUICK, 0)
    assert zygotes() == before


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "supported", lambda: False)
    with pytest.raises(CwmbError, match=r"needs Linux on x86_64 or aarch64, this is .*--unsafe-no-sandbox"):
        Sandbox()


def test_a_sandbox_needs_a_worker() -> None:
    with pytest.raises(CwmbError, match="at least 1 worker, not 0"):
        Sandbox(workers=0)


def test_without_protection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "supported", lambda: False)
    monkeypatch.delattr(os, "memfd_create")
    with Sandbox(unsafe=True) as sandbox:
        assert sandbox.layers == ("none",)
        healthy(sandbox)
        said = sandbox.predict(Program("while True:\n    pass"), box(4), discrete(2), DATA, QUICK, 0)
        assert said.failure is not None
        assert (said.failure.kind, said.failure.code is not None) == ("timeout", True)
        said = sandbox.predict(CRASH, box(4), discrete(2), DATA, QUICK, 0)
        assert said.failure is not None
        assert said.failure.kind == "crash"
        with sandbox.planning(HONEST, box(4), discrete(2), PlannerSpec("mcts", {}), Limits(), 0) as session:
            assert session.plan(np.zeros(4)).actions is not None
