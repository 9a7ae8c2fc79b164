"""What Linux does to confine a child: resource limits, another user, Landlock, seccomp. Pure ctypes, no dependency.

The seccomp filter is the layer that decides: a list of harmless system calls is allowed, everything else refused, so
there is no way to open, connect, fork, execute, signal or map executable memory. The others are a second wall.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from collections.abc import Iterable
from dataclasses import dataclass

NOBODY = 65534
_ANY_PID = 0x7FFFFFFF  # stands for a child's own in the zygote's filter


@dataclass(frozen=True)
class Calls:
    """System call numbers of an architecture.

    arch: its AUDIT_ARCH number; seccomp: the call that loads a filter; last: the highest number of the table.
    allowed: what Python and numpy need once everything is loaded; mapping: allowed without PROT_EXEC;
    sleeping: answered with success at once, so that a program that waits only burns its CPU time;
    tgkill: allowed for sending SIGABRT to itself, which is what abort() does;
    files: refused as "permission denied", the usual answer; ioctl: refused as "not a terminal".
    """

    arch: int
    seccomp: int
    last: int
    allowed: dict[str, int]
    mapping: dict[str, int]
    sleeping: dict[str, int]
    files: dict[str, int]
    tgkill: int
    ioctl: int


def _numbers(table: str) -> dict[str, int]:
    """The numbers of a text like ``read=0 write=1``."""
    return {name: int(number) for name, _, number in (entry.partition("=") for entry in table.split())}


CALLS = {
    "x86_64": Calls(
        arch=0xC000003E,
        seccomp=317,
        last=334,
        allowed=_numbers("""
            read=0 write=1 close=3 fstat=5 lseek=8 munmap=11 brk=12 rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15
            readv=19 writev=20 sched_yield=24 mremap=25 madvise=28 getpid=39 exit=60 gettimeofday=96 getrusage=98
            times=100 sigaltstack=131 gettid=186 time=201 futex=202 sched_getaffinity=204 restart_syscall=219
            clock_gettime=228 clock_getres=229 exit_group=231 getcpu=309 getrandom=318
        """),
        mapping=_numbers("mmap=9 mprotect=10"),
        sleeping=_numbers("poll=7 select=23 nanosleep=35 clock_nanosleep=230 pselect6=270 ppoll=271"),
        files=_numbers("open=2 stat=4 lstat=6 access=21 readlink=89 openat=257 newfstatat=262"),
        tgkill=234,
        ioctl=16,
    ),
    "aarch64": Calls(
        arch=0xC00000B7,
        seccomp=277,
        last=293,
        allowed=_numbers("""
            close=57 lseek=62 read=63 write=64 readv=65 writev=66 fstat=80 exit=93 exit_group=94 futex=98
            clock_gettime=113 clock_getres=114 sched_getaffinity=123 sched_yield=124 restart_syscall=128
            sigaltstack=132 rt_sigaction=134 rt_sigprocmask=135 rt_sigreturn=139 times=153 getrusage=165 getcpu=168
            gettimeofday=169 getpid=172 gettid=178 brk=214 munmap=215 mremap=216 madvise=233 getrandom=278
        """),
        mapping=_numbers("mmap=222 mprotect=226"),
        sleeping=_numbers("pselect6=72 ppoll=73 nanosleep=101 clock_nanosleep=115"),
        files=_numbers("faccessat=48 openat=56 readlinkat=78 newfstatat=79"),
        tgkill=131,
        ioctl=29,
    ),
}

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1, 4
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # the same numbers on every architecture


def supported() -> bool:
    """Whether the lock-down exists for this machine."""
    return platform.system() == "Linux" and platform.machine() in CALLS


class Kernel:
    """The few system calls that the standard library has no function for."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long

    def syscall(self, what: str, number: int, *arguments: object) -> int:
        """Make a system call. Raises OSError."""
        return self._checked(what, self._libc.syscall(ctypes.c_long(number), *arguments))

    def prctl(self, what: str, option: int, value: int) -> None:
        """Make the system call prctl. Raises OSError."""
        zero = ctypes.c_ulong(0)
        self._checked(what, self._libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero))

    def _checked(self, what: str, result: int) -> int:
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{what}: {os.strerror(code)}")
        return result


def landlock_ruleset(kernel: Kernel) -> tuple[int | None, int]:
    """A ruleset that denies every file, TCP, abstract-socket and signal right that the kernel knows, and its version.

    (None, 0) where the kernel has no Landlock.
    """
    size_t = ctypes.c_size_t
    try:
        abi = kernel.syscall("landlock", LANDLOCK_CREATE_RULESET, None, size_t(0), ctypes.c_uint32(1))
    except OSError:
        return None, 0
    file_rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    attributes = [(1 << file_rights) - 1]
    if abi >= 4:
        attributes.append(0b11)  # bind and connect TCP
    if abi >= 6:
        attributes.append(0b11)  # abstract unix sockets and signals
    packed = struct.pack(f"{len(attributes)}Q", *attributes)
    ruleset = kernel.syscall("landlock", LANDLOCK_CREATE_RULESET, packed, size_t(len(packed)), ctypes.c_uint32(0))
    return ruleset, abi


def seccomp_filter(calls: Calls, pid: int) -> bytes:
    """The filter of the process pid, as a BPF program."""
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill = 0x7FFF0000, 0x80000000
    number, arch, first_argument, third_argument = 0, 4, 16, 32  # offsets in struct seccomp_data (little-endian)

    def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("<HBBI", code, if_true, if_false, value)

    def error(code: int) -> int:
        return 0x50000 | code

    def answers(numbers: Iterable[int], result: int) -> list[bytes]:
        return [part for n in numbers for part in (instruction(equal, n, 0, 1), instruction(answer, result))]

    program = [
        instruction(load, arch),
        instruction(equal, calls.arch, 1, 0),
        instruction(answer, kill),  # another architecture's numbers mean other calls
        instruction(load, number),
        *answers(calls.allowed.values(), allow),
    ]
    for call in calls.mapping.values():
        program += [
            instruction(equal, call, 0, 4),
            instruction(load, third_argument),
            instruction(any_bit, 4, 0, 1),  # PROT_EXEC
            instruction(answer, error(errno.EACCES)),
            instruction(answer, allow),
        ]
    program += [
        instruction(equal, calls.tgkill, 0, 6),
        instruction(load, first_argument),
        instruction(equal, pid, 0, 3),
        instruction(load, third_argument),
        instruction(equal, signal.SIGABRT, 0, 1),
        instruction(answer, allow),
        instruction(answer, error(errno.EPERM)),
    ]
    program += answers(calls.sleeping.values(), error(0))
    program += answers(calls.files.values(), error(errno.EACCES))
    program += answers([calls.ioctl], error(errno.ENOTTY))
    # A newer libc that tries a call above the table (or one of x32) must find it missing and fall back.
    program += [instruction(at_least, calls.last + 1, 0, 1), instruction(answer, error(errno.ENOSYS))]
    program += [instruction(answer, error(errno.EPERM))]
    return b"".join(program)


def load_seccomp(kernel: Kernel, calls: Calls, program: bytes) -> None:
    """Put the filter in force for good. Raises OSError."""
    buffer = ctypes.create_string_buffer(program, len(program))
    argument = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    # Without the flag kernels before 5.16 slow the whole child down.
    flag = ctypes.c_uint(SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    kernel.syscall("seccomp", calls.seccomp, ctypes.c_uint(SECCOMP_SET_MODE_FILTER), flag, argument)


class LockDown:
    """Prepared once in the zygote, applied in every child. ruleset: the descriptor of the Landlock ruleset, if any."""

    def __init__(self) -> None:
        self._kernel = Kernel()
        self._calls = CALLS[platform.machine()]
        self._filter = seccomp_filter(self._calls, _ANY_PID)
        self.ruleset, self._abi = landlock_ruleset(self._kernel)
        self._zygote = os.getpid()

    def apply(self, ruleset: int | None, memory: int, cpu_seconds: int, log_bytes: int) -> tuple[str, ...]:
        """Give up every right that a program has no need of. Returns the layers in force.

        ruleset: where the ruleset's descriptor is now; memory: bytes of address space; cpu_seconds: a backstop, 0 for
        none; log_bytes: the longest file that may be written. Raises OSError where the kernel refuses what must not be
        missing.
        """
        layers = ["rlimits"]
        limits = {
            resource.RLIMIT_AS: memory,
            resource.RLIMIT_FSIZE: log_bytes,
            resource.RLIMIT_NOFILE: 8,
            resource.RLIMIT_STACK: 16 << 20,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NPROC: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        for limit, value in limits.items():
            resource.setrlimit(limit, (value, value))
        if cpu_seconds:  # first SIGXCPU, which says why, and SIGKILL for those who ignore that
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        if os.geteuid() == 0 and self._become_nobody():
            layers.append("setuid")
        # After the change of user, which clears it.
        self._kernel.prctl("die with the zygote", PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._zygote:
            os._exit(0)
        self._kernel.prctl("no_new_privs", PR_SET_NO_NEW_PRIVS, 1)
        layers.append("no_new_privs")
        if ruleset is not None:
            self._kernel.syscall("landlock", LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
            os.close(ruleset)
            layers.append(f"landlock-{self._abi}")
        program = self._filter.replace(struct.pack("<I", _ANY_PID), struct.pack("<I", os.getpid()))
        load_seccomp(self._kernel, self._calls, program)
        layers.append("seccomp")
        return tuple(layers)

    @staticmethod
    def _become_nobody() -> bool:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError:  # a user namespace that maps only root: the other layers decide
            return False
        return True
