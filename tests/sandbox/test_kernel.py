"""The seccomp filter, on both architectures, by interpreting it."""

import errno
import mmap
import signal
import struct

import pytest

from cwmb.sandbox.kernel import CALLS, Calls, seccomp_filter

ALLOW, KILL = 0x7FFF0000, 0x80000000
PID = 4711


def decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What a filter says about a system call."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    instructions = list(struct.iter_unpack("<HBBI", program))
    position, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x06:
                return int(value)
            case 0x15 | 0x35 | 0x45:
                true = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
                position += if_true if true else if_false
            case _:
                raise AssertionError(f"instruction {code:#x}")


@pytest.fixture(params=sorted(CALLS))
def calls(request: pytest.FixtureRequest) -> Calls:
    return CALLS[request.param]


def says(calls: Calls, number: int, *arguments: int) -> int:
    return decide(seccomp_filter(calls, PID), calls.arch, number, *arguments)


def error(code: int) -> int:
    return 0x50000 | code


def test_what_is_on_the_list_is_allowed_and_nothing_else(calls: Calls) -> None:
    special = {*calls.mapping.values(), *calls.sleeping.values(), *calls.files.values(), calls.tgkill, calls.ioctl}
    for number in range(calls.last + 1):
        if number in calls.allowed.values():
            assert says(calls, number) == ALLOW
        elif number not in special:
            assert says(calls, number) == error(errno.EPERM)


def test_calls_of_newer_kernels_are_missing(calls: Calls) -> None:
    for number in (calls.last + 1, 435, 450, 0x40000000, 0x40000002, 0xFFFFFFFF):
        assert says(calls, number) == error(errno.ENOSYS)


def test_memory_must_not_be_executable(calls: Calls) -> None:
    for number in calls.mapping.values():
        assert says(calls, number, 0, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == ALLOW
        for protection in (4, 5, 6, 7, 1 << 32 | 4):
            assert says(calls, number, 0, 4096, protection) == error(errno.EACCES)


def test_a_process_may_abort_itself_and_signal_nobody_else(calls: Calls) -> None:
    assert says(calls, calls.tgkill, PID, PID, signal.SIGABRT) == ALLOW
    for arguments in ((PID + 1, PID, 6), (PID, PID, 9), (PID, PID, 19), (0, 0, 6), (2**32 - 1, PID, 6)):
        assert says(calls, calls.tgkill, *arguments) == error(errno.EPERM)


def test_sleep_is_over_at_once(calls: Calls) -> None:
    assert {says(calls, number) for number in calls.sleeping.values()} == {error(0)}


def test_files_are_denied(calls: Calls) -> None:
    assert {says(calls, number) for number in calls.files.values()} == {error(errno.EACCES)}
    assert says(calls, calls.ioctl) == error(errno.ENOTTY)


def test_another_architecture_is_killed(calls: Calls) -> None:
    other = next(c for c in CALLS.values() if c is not calls)
    assert decide(seccomp_filter(calls, PID), other.arch, calls.allowed["read"]) == KILL
