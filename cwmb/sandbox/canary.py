"""The canary: a program that tries to get out. Where it can, no other program is run."""

from __future__ import annotations

import threading

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.errors import InfrastructureError
from cwmb.sandbox import wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import Delivery
from cwmb.sandbox.pool import Pool, twice
from cwmb.types import OK, Program, Space

ESCAPES = ("open a file", "open a socket", "fork a process", "send a signal", "map executable memory")

# Its observation says which of the attempts succeeded.
SOURCE = """
import sys

os, socket, mmap = (sys.modules[name] for name in ("os", "socket", "mmap"))


def fork():
    if os.fork() == 0:
        os._exit(0)


ATTEMPTS = (
    lambda: os.open("/", os.O_RDONLY),
    lambda: socket.socket(),
    fork,
    lambda: os.kill(os.getpid(), 0),
    lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
)


def succeeds(attempt):
    try:
        attempt()
    except OSError:
        return 0.0
    return 1.0


class Environment:
    def set_state(self, observation):
        pass

    def step(self, action):
        return [succeeds(attempt) for attempt in ATTEMPTS], 0.0, False
"""

_CPU_SECONDS = 10
_lock = threading.Lock()
_proven: tuple[str, ...] = ()


def proven_layers(pool: Pool) -> tuple[str, ...]:
    """The protections in force, after the canary has tried to get out: once in this process.

    Raises:
        InfrastructureError: it got out.
    """
    global _proven
    with _lock:
        if not _proven:
            _proven = twice(lambda: _send(pool))
        return _proven


def _send(pool: Pool) -> tuple[str, ...]:
    size = len(ESCAPES)
    box = Space("box", (0.0,) * size, (1.0,) * size, "float64")
    answers = Answers(Delivery(np.zeros(1, np.int64), np.zeros((1, 2 * size)), [1]), size)
    with pool.process(Limits(), _CPU_SECONDS, wire.row_bytes(size)) as process:
        conversation = Conversation(process, Program(SOURCE), Limits())
        layers = conversation.set_up(setup(box, box, 0))
        try:
            conversation.load()
            answers.collect(conversation, _CPU_SECONDS)
        except Ended as ended:
            answers.note(ended.failure)
    said = answers.predictions()
    if said.status[0] != OK:
        reason = said.failure.message if said.failure else "no reason known"
        raise InfrastructureError(f"the sandbox's self-test did not run: {reason}")
    escapes = [name for name, value in zip(ESCAPES, said.observations[0], strict=True) if value]
    if escapes:
        raise InfrastructureError(
            f"the sandbox does not hold ({', '.join(layers)}): a program can {' and '.join(escapes)}; no program is run"
        )
    return layers
