"""How fast this machine is: CPU seconds here for a reference second, which is what limits are stated in.

A fixed workload of the kind that programs are made of, small arrays and floats of Python, is run in a child as programs
are, and its time divided by what it takes on the reference machine. So the same program meets the same limits on a fast
machine and on a slow one.
"""

from __future__ import annotations

import threading
import time

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.errors import InfrastructureError
from cwmb.sandbox import wire
from cwmb.sandbox.answers import Answers
from cwmb.sandbox.conversation import Conversation, Ended, setup
from cwmb.sandbox.delivery import Delivery
from cwmb.sandbox.pool import Pool, twice
from cwmb.types import Program, Space

REFERENCE_SECONDS = 0.0035  # of the workload on the reference machine
SLOWEST, FASTEST = 4.0, 0.25  # beyond them nothing is made up for
_VALID_SECONDS = 30.0  # virtual machines have been seen at half their pace within minutes
_TIMES = 7  # of which the shortest counts: what disturbs a measurement makes it longer
_LIMITS = Limits(load_seconds=60.0)
_CPU_SECONDS = 60

SOURCE = """
import math
import numpy as np


class Environment:
    def __init__(self):
        self.matrix = np.eye(6) + 0.01
        self.step(None)

    def set_state(self, observation):
        pass

    def step(self, action):
        state, total = np.linspace(-1.0, 1.0, 6), 0.0
        for i in range(400):
            force = self.matrix @ state - 0.1 * np.sin(state)
            state = np.clip(state + 0.01 * force, -1.0, 1.0)
            total += math.sqrt(1.0 + float(state[i % 6]) ** 2)
            for j in range(10):
                total = 0.5 * total + math.cos(total) if total > j else total + 0.1
        return [total], 0.0, False
"""

_lock = threading.Lock()
_measured: tuple[float, float] | None = None  # what, and when


def pace(pool: Pool) -> float:
    """CPU seconds of this machine for a reference second, measured at first and again after a while.

    Raises:
        InfrastructureError: the workload does not run.
    """
    global _measured
    with _lock:
        if _measured is None or time.monotonic() - _measured[1] > _VALID_SECONDS:
            seconds = twice(lambda: _time(pool))
            _measured = min(max(seconds / REFERENCE_SECONDS, FASTEST), SLOWEST), time.monotonic()
        return _measured[0]


def _time(pool: Pool) -> float:
    """Seconds that the workload takes here."""
    box = Space("box", (0.0,), (1.0,), "float64")
    row = Delivery(np.zeros(1, np.int64), np.zeros((1, 2)), [1])
    seconds = []
    with pool.process(_LIMITS, _CPU_SECONDS, wire.row_bytes(1), beside=True) as process:
        conversation = Conversation(process, Program(SOURCE), _LIMITS)
        conversation.set_up(setup(box, box, 0))
        try:
            conversation.load()
            for _ in range(_TIMES):
                before = process.cpu_seconds()
                Answers(row, 1).collect(conversation, _CPU_SECONDS)
                seconds.append(process.cpu_seconds() - before)
        except Ended as ended:
            raise InfrastructureError(f"the sandbox cannot measure this machine: {ended}") from None
    return min(seconds)
