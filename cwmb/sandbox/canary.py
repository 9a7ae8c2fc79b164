"""The canary: a program that tries to get out. Where it can, no other program is run."""

from __future__ import annotations

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
