"""What parent and child say to each other. Both sides import this module and nothing else in common.

A packet is its length (u32, little-endian) and then that many bytes; it begins with the nonce of the question, so that
bytes written by a program that tampers with the channel are no answer. The child gets, one after the other: the setup
(JSON), the source, and then questions. A question about transitions is float64 rows (observation, action), where an
observation of NaN means: from the state that the program is in; the rows of its answer lie in shared memory, where
those finished before a crash remain readable. A question for a plan is one observation; the actions follow the report
of its answer. The question to learn is float64 rows (observation, action, reward, next observation, terminated); what
was learned takes the place of the source in the processes that follow.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

NONCE_BYTES = 8
LENGTH = struct.Struct("<I")
REPORT = struct.Struct(
    "<8sBIqI"
)  # nonce, kind (index into KINDS), line (0: unknown), row of the question (-1: none), text bytes
PLAN = struct.Struct("<QQQ")  # model steps, failed steps, how they were taken; float64 actions follow
WRITTEN = struct.Struct("<Q")  # bytes that a script wrote, in shared memory
FITTED = struct.Struct("<Q")  # bytes of the fitted environment, in shared memory; 0 where there is no method fit
STEPPED, AT_ONCE, REFUSED = range(3)  # by step; by the program's step_many; that was refused, and the text says why
PROGRESS = struct.Struct("<Q")  # model steps of the plan so far, in shared memory while it is made
ROW_HEAD = struct.Struct("<BB6xd")  # status, done, reward; float64 observation follows

# Between parent and zygote; descriptors travel beside these.
FORK = struct.Struct("<QQiQ")  # memory bytes, CPU seconds (0: no backstop), core (-1: any), bytes of shared memory
FORKED = struct.Struct("<q")  # process id, with its pidfd
EXITED = struct.Struct("<iqd")  # wait status, peak memory in bytes, CPU seconds
READY = b"ready"
LOG_BYTES = 64 << 10

MAX_TEXT = 4096
MAX_PACKET = 1 << 20  # that a parent accepts

DATA_FD, LOG_FD = 3, 4  # of a child

KINDS = (
    "",  # nothing went wrong
    "syntax_error",
    "load_error",
    "forbidden_import",
    "exception",
    "bad_return",
    "bad_observation",
    "memory",
    "infrastructure",
    "fit_error",
    "flood",
)


class Report(NamedTuple):
    """What a child says went wrong: nothing where kind is empty."""

    kind: str = ""
    text: str = ""
    line: int = 0
    row: int = -1


NOTHING = Report()
_NOTHING = REPORT.pack(bytes(NONCE_BYTES), 0, NOTHING.line, NOTHING.row, 0)[NONCE_BYTES:]


def row_bytes(observation_size: int) -> int:
    """Bytes of a row of an answer."""
    return ROW_HEAD.size + 8 * observation_size


def pack_report(nonce: bytes, report: Report, tail: bytes = b"") -> bytes:
    """The packet of an answer."""
    if report == NOTHING:  # as it is most of the time
        return LENGTH.pack(REPORT.size + len(tail)) + nonce + _NOTHING + tail
    text = report.text.encode("utf-8", "replace")[:MAX_TEXT]
    line = report.line if 0 < report.line < 1 << 32 else 0
    head = REPORT.pack(nonce, KINDS.index(report.kind), line, report.row, len(text))
    return LENGTH.pack(len(head) + len(text) + len(tail)) + head + text + tail


def unpack_report(packet: bytes, nonce: bytes) -> tuple[Report, bytes]:
    """The report and the tail of an answer, given without its length.

    Raises:
        ValueError: it is none, or none to this question.
    """
    if len(packet) < REPORT.size:
        raise ValueError("an answer is cut off")
    echo, kind, line, row, size = REPORT.unpack_from(packet)
    if echo != nonce:
        raise ValueError("bytes that are no answer")
    if packet.startswith(_NOTHING, NONCE_BYTES):
        return NOTHING, packet[REPORT.size :]
    if kind >= len(KINDS) or size > min(MAX_TEXT, len(packet) - REPORT.size):
        raise ValueError("a malformed answer")
    text = packet[REPORT.size : REPORT.size + size].decode("utf-8", "replace")
    return Report(KINDS[kind], text, line, row), packet[REPORT.size + size :]
