"""The real command line in processes that can be killed.

``Killable`` is a server process that has imported everything and forks one child for each run, so that a run costs a
second instead of many. The children run ``cwmb ...`` with the protocols' planning and audits cut short and hardly any
waits between attempts; nothing else is changed. A child can be told to end itself, or to run into an error, at its n-th
operation on the files of a folder.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from cwmb.benchmark.protocols import BenchmarkProtocol, protocol

COMMIT = ("0" * 40, False)  # the checkout may change while tests run


def light(name: str) -> BenchmarkProtocol:
    """A protocol with little planning and few audits."""
    full = protocol(name)
    return replace(full, episodes=1, max_steps=3, scoring=replace(full.scoring, audit=2))


@dataclass(frozen=True)
class Fault:
    """What happens at the operation number ``at`` (from 0) on files below ``folder``; -1: nothing, only count.

    how: ``kill`` before it, ``half`` to be killed in the middle of a write, or the name of an errno: half of a write is
    done, and from then on everything fails (a full disk can be shortened, though). Each operation is written as a line
    to ``log`` before it is done.
    """

    folder: str
    log: str
    at: int = -1
    how: str = "kill"

    def install(self) -> None:
        """Put it between Python and the operating system."""
        done = [0]
        log = Path(self.log).open("a", buffering=1)  # noqa: SIM115 open until the process ends

        def wrap(name: str) -> None:
            real = getattr(os, name)

            def operation(target: Any, *arguments: Any, **keywords: Any) -> Any:
                path = str(Path(f"/proc/self/fd/{target}").readlink()) if isinstance(target, int) else os.fspath(target)
                creates = name != "open" or (arguments and arguments[0] & os.O_CREAT)
                if not (creates and path.startswith(self.folder)):
                    return real(target, *arguments, **keywords)
                number = done[0]
                done[0] += 1
                log.write(json.dumps([number, name, path]) + "\n")
                lasts = self.how not in ("kill", "half") and not (self.how == "ENOSPC" and name == "truncate")
                if not (number == self.at or (lasts and 0 <= self.at < number)):
                    return real(target, *arguments, **keywords)
                if name == "write" and self.how != "kill" and number == self.at:
                    real(target, bytes(arguments[0])[: len(arguments[0]) // 2])
                if self.how in ("kill", "half"):
                    os.kill(os.getpid(), signal.SIGKILL)
                code = getattr(errno, self.how)
                raise OSError(code, os.strerror(code), path)

            setattr(os, name, operation)

        for name in ("open", "write", "fsync", "replace", "truncate", "mkdir"):
            wrap(name)


@dataclass(frozen=True)
class Ended:
    """How a run ended. code: the exit code, or minus the signal."""

    code: int
    output: str
    errors: str


class Killable:
    """See the module. One run at a time; a context manager."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._log = Path(tempfile.mkdtemp())

    def __enter__(self) -> Killable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.communicate(timeout=60)

    def start(self, *arguments: object, fault: Fault | None = None, **environment: str) -> int:
        """Start ``cwmb *arguments`` and return its process id."""
        job = {
            "arguments": [str(a) for a in arguments],
            "environment": environment,
            "fault": asdict(fault) if fault else None,
            "streams": [str(self._log / name) for name in ("out", "err")],
        }
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(job) + "\n")
        return int(self._server.stdout.readline())

    def errors(self) -> str:
        """What has been written to stderr so far."""
        return (self._log / "err").read_text()

    def wait(self) -> Ended:
        """Wait for the end of what was started."""
        assert self._server.stdout
        code = os.waitstatus_to_exitcode(int(self._server.stdout.readline()))
        return Ended(code, *((self._log / name).read_text() for name in ("out", "err")))

    def run(self, *arguments: object, fault: Fault | None = None, **environment: str) -> Ended:
        """Both."""
        self.start(*arguments, fault=fault, **environment)
        return self.wait()


def serve() -> None:
    """The server: one job a line, answered with the process id and then with its wait status."""
    import cwmb.cli.progress
    import cwmb.harness.cell
    import cwmb.harness.matrix
    import cwmb.harness.planning
    import cwmb.models.openai.client
    import cwmb.models.simulated
    import cwmb.plugins
    import cwmb.report.render
    import cwmb.report.results
    import cwmb.strategies.gif_mcts.search
    import cwmb.strategies.refine  # noqa: F401
    from cwmb.benchmark.catalog import environment
    from cwmb.benchmark.trajectories import transitions
    from cwmb.sandbox import Sandbox

    for name in ("CliffWalking-v0", "CartPole-v1"):
        for split in ("train", "test"):
            transitions(environment(name), split)
    with Sandbox(workers=1):
        pass  # proven once, for all children
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(job)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


def _child(job: Mapping[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        os.environ.update(job["environment"])
        for descriptor, path in zip((1, 2), job["streams"], strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        lighten()
        if job["fault"]:
            Fault(**job["fault"]).install()
        from cwmb.cli import main

        sys.argv = ["cwmb", *job["arguments"]]
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def lighten() -> None:
    """Make runs of this process cheap (see the module)."""
    import cwmb.cli.commands
    import cwmb.harness.provenance
    import cwmb.models.openai.waiting

    cwmb.cli.commands.protocol = light  # type: ignore[assignment]
    cwmb.harness.provenance.commit = lambda: COMMIT  # type: ignore[assignment]
    cwmb.models.openai.waiting.FIRST_WAIT = 0.001


if __name__ == "__main__":
    serve()
