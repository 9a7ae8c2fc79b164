"""Programs that try to get out, to spy, to break something or to cheat, and what has to be said about each of them.

An attack that gets through returns the reward 666 (or, where it is aimed at something outside, leaves a trace there).
The modules that a program may not import are still loaded, so attacks take them from ``sys.modules``: the import guard
is only there for its message, the kernel has to hold.
"""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cwmb.benchmark.protocols import Limits
from cwmb.sandbox import Sandbox
from cwmb.types import OK, Failure, Predictions, Program

from .worlds import HONEST, QUICK, box, discrete, transitions

REWARD = 666.0
SECRET = "the-secret-key"  # in the parent's environment
ANSWER = 271828.1828  # all next observations and rewards

CALLS = {
    "x86_64": {
        "openat": 257, "open_by_handle_at": 304, "openat2": 437, "socket": 41, "fork": 57, "vfork": 58, "clone": 56,
        "clone3": 435, "kill": 62, "tgkill": 234, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "pidfd_open": 434, "pidfd_getfd": 438, "memfd_create": 319, "memfd_secret": 447, "io_uring_setup": 425,
        "bpf": 321, "userfaultfd": 323, "unshare": 272, "setns": 308, "mount": 165, "chroot": 161, "keyctl": 250,
        "perf_event_open": 298, "prctl": 157, "seccomp": 317, "setuid": 105, "capset": 126, "personality": 135,
        "shmget": 29, "msgget": 68, "semget": 64, "inotify_init1": 294, "init_module": 175, "prlimit64": 302,
        "kcmp": 312, "statx": 332, "mq_open": 240, "ftruncate": 77, "process_madvise": 440, "x32_open": 0x40000002,
    },
    "aarch64": {
        "openat": 56, "open_by_handle_at": 265, "openat2": 437, "socket": 198, "clone": 220, "clone3": 435,
        "kill": 129, "tgkill": 131, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "pidfd_open": 434, "pidfd_getfd": 438, "memfd_create": 279, "memfd_secret": 447, "io_uring_setup": 425,
        "bpf": 280, "userfaultfd": 282, "unshare": 97, "setns": 268, "mount": 40, "chroot": 51, "keyctl": 219,
        "perf_event_open": 241, "prctl": 167, "seccomp": 277, "setuid": 146, "capset": 91, "personality": 92,
        "shmget": 194, "msgget": 186, "semget": 190, "inotify_init1": 26, "init_module": 105, "prlimit64": 261,
        "kcmp": 272, "statx": 291, "mq_open": 180, "ftruncate": 46, "process_madvise": 440,
    },
}.get(platform.machine(), {})  # fmt: skip

PRELUDE = """
import sys, time
import numpy as np
os, socket, ctypes, signal, mmap, resource, builtins = map(
    sys.modules.get, ("os", "socket", "ctypes", "signal", "mmap", "resource", "builtins"))
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_long

def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
"""


@dataclass(frozen=True)
class Attack:
    """A hostile program.

    kinds: failures that are right; says: what the message holds; code: what the line of the program holds that the
    report names ("": none need be named).
    """

    name: str
    source: str
    kinds: tuple[str, ...] = ("exception",)
    says: str = ""
    code: str = ""
    limits: Limits = QUICK


def in_step(body: str, before: str = "") -> str:
    body = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
    return (
        f"{PRELUDE}\n{textwrap.dedent(before)}\nclass Environment:\n    def set_state(self, s): self.s = s\n"
        f"    def step(self, a):\n{body}\n        return self.s, {REWARD}, False\n"
    )


def refused(name: str, body: str, says: str = "", code: str = "") -> Attack:
    """Ends in an exception of the operating system, at its last line."""
    return Attack(name, in_step(body), ("exception",), says, code or textwrap.dedent(body).strip().splitlines()[-1])


def syscall(kind: str, name: str, arguments: str = "0, 0, 0, 0, 0, 0") -> Iterator[Attack]:
    if name in CALLS:
        body = f"call({', '.join(filter(None, (str(CALLS[name]), arguments)))})"
        yield refused(f"{kind}: system call {name}", body, "Error: [Errno", "raise OSError")


def endless(name: str, body: str, code: str = "", says: str = "CPU time") -> Attack:
    return Attack(f"loop: {name}", in_step(body), ("timeout",), says, code)


def network(port: int, unix: str) -> Iterator[Attack]:
    denied = "PermissionError"
    yield refused("network: TCP", f"socket.create_connection(('127.0.0.1', {port}), 1)", denied)
    yield refused("network: UDP", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", denied)
    yield refused("network: IPv6", "socket.socket(socket.AF_INET6)", denied)
    yield refused("network: unix", f"socket.socket(socket.AF_UNIX).connect({unix!r})", denied)
    yield refused("network: unix pair", "socket.socketpair()", denied)
    yield refused("network: netlink", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", denied)
    yield refused("network: raw", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", denied)
    yield refused("network: DNS", "socket.getaddrinfo('example.org', 80)", "gaierror")
    yield refused("network: the protocol's socket, anew", "socket.socket(fileno=3).sendto(b'x', 'elsewhere')")
    yield from syscall("network", "socket", "2, 1, 0")
    yield from syscall("network", "io_uring_setup", "8, ctypes.create_string_buffer(256)")


def files(secret: Path) -> Iterator[Attack]:
    path = str(secret)
    denied = "PermissionError"
    yield refused("file: open", "open('/etc/passwd').read()", denied)
    yield refused("file: a file of everybody's", f"open({path!r}).read()", denied)
    yield refused("file: write", f"open({path!r}, 'w').write('x')", denied)
    yield refused("file: create", f"open({str(secret.parent / 'pwned')!r}, 'w')", denied)
    yield refused("file: list", "os.listdir('/')", denied)
    yield refused("file: stat", f"os.stat({path!r})", denied)
    yield refused("file: chmod", f"os.chmod({path!r}, 0o777)", denied)
    yield refused("file: rename", f"os.rename({path!r}, {path + 'x'!r})", denied)
    yield refused("file: unlink", f"os.unlink({path!r})", denied)
    yield refused("file: mkdir", f"os.mkdir({path + 'd'!r})", denied)
    yield refused("file: symlink", f"os.symlink('/', {path + 's'!r})", denied)
    yield refused("file: link", f"os.link({path!r}, {path + 'l'!r})", denied)
    yield refused("file: utime", f"os.utime({path!r})", denied)
    yield refused("file: truncate", f"os.truncate({path!r}, 0)", denied)
    yield refused("file: chdir", "os.chdir('/')", denied)
    yield refused("file: getcwd", "os.getcwd()", denied)
    yield refused("file: numpy fromfile", "np.fromfile('/etc/passwd', np.uint8)", denied)
    yield refused("file: numpy memmap", "np.memmap('/etc/passwd', np.uint8, 'r')", denied)
    yield refused("file: numpy save", f"np.save({path!r}, self.s)", denied)
    yield refused("file: /dev/shm", "open('/dev/shm/pwned', 'w')", denied)
    yield refused("file: /proc/self/environ", "open('/proc/self/environ').read()", denied)
    yield refused("file: /proc/self/maps", "open('/proc/self/maps').read()", denied)
    yield refused("file: /proc/self/fd", "os.listdir('/proc/self/fd')", denied)
    yield refused("file: read a library", "ctypes.CDLL('libssl.so.3')", "denied")
    yield refused("file: run a script", f"exec(compile(open({path!r}).read(), 'x', 'exec'))", denied)
    yield refused("file: duplicate a descriptor", "os.dup(3)", denied)
    yield refused("file: a pipe", "os.pipe()", denied)
    yield refused("file: through the log's descriptor", "os.ftruncate(4, 0)", denied)
    yield from syscall("file", "openat", "-100, b'/etc/passwd', 0")
    yield from syscall("file", "openat2", "-100, b'/etc/passwd', ctypes.create_string_buffer(24), 24")
    yield from syscall("file", "open_by_handle_at")
    yield from syscall("file", "statx", "-100, b'/etc/passwd', 0, 0xfff, ctypes.create_string_buffer(512)")
    yield from syscall("file", "memfd_create", "b'x', 0")
    yield from syscall("file", "memfd_secret")
    yield from syscall("file", "x32_open", "b'/etc/passwd', 0")


def secrets(parent: int) -> Iterator[Attack]:
    yield refused("secret: environment", "assert [v for v in os.environ.values() if 'secret' in v]", "AssertionError")
    yield refused("secret: libc's environment", "assert b'secret' in (libc.getenv(b'API_KEY') and b'secret' or b'')")
    yield refused("secret: the parent's environment", f"open('/proc/{parent}/environ').read()", "PermissionError")
    yield Attack(
        "secret: strings in memory",
        in_step(
            """
            import types
            gc = sys.modules["gc"]
            word = "-".join(("the", "secret", "key"))
            seen, todo = set(), [m.__dict__ for m in list(sys.modules.values()) if m] + gc.get_objects()
            while todo and len(seen) < 40000:
                o = todo.pop()
                if type(o) is str and word in o: return self.s, 666.0, False
                if id(o) in seen or isinstance(o, types.CodeType): continue
                seen.add(id(o)); todo += gc.get_referents(o)
            raise LookupError("no such string")
            """
        ),
        ("exception", "timeout"),
        code="",
    )
    yield Attack(
        "secret: answers in memory",
        in_step(
            f"""
            gc = sys.modules["gc"]
            answer = {ANSWER!r}
            frame, arrays = sys._getframe(), []
            while frame:
                for value in (*frame.f_locals.values(), *frame.f_globals.values()):
                    if isinstance(value, (bytes, bytearray, memoryview, mmap.mmap)):
                        arrays.append(np.frombuffer(value, np.uint8))
                    if isinstance(value, np.ndarray):
                        arrays.append(value)
                frame = frame.f_back
            arrays += [o for o in gc.get_objects() if isinstance(o, np.ndarray)]
            pattern = np.float64(answer).tobytes()
            if not any(pattern in a.tobytes() for a in arrays):
                raise LookupError("no answer")
            """
        ),
        ("exception",),
        "no answer",
    )


def processes() -> Iterator[Attack]:
    denied = "PermissionError"
    yield refused("process: fork", "os.fork()", denied)
    yield refused("process: fork bomb", "while True: os.fork()", denied)
    yield refused("process: forkpty", "os.forkpty()")
    yield refused("process: exec", "os.execv('/bin/sh', ['sh', '-c', 'id'])", denied)
    yield refused("process: posix_spawn", "os.posix_spawn('/bin/true', ['true'], {})", denied)
    yield refused("process: system", "assert os.system('true') == 0", "AssertionError")
    yield refused("process: popen", "libc.popen.restype = ctypes.c_void_p\nassert libc.popen(b'id', b'r')")
    yield refused("process: thread", "sys.modules['_thread'].start_new_thread(print, ())", "can't start new thread")
    yield from syscall("process", "clone", "17, 0, 0, 0, 0")
    yield from syscall("process", "vfork", "")
    yield from syscall("process", "clone3", "ctypes.create_string_buffer(88), 88")


def loops() -> Iterator[Attack]:
    yield endless("Python", "while True: pass", "while True: pass")
    yield endless("C", "10 ** 10 ** 9", "10 ** 10 ** 9")
    yield endless("C iterator", "import itertools\nsum(itertools.repeat(0))", "sum(itertools.repeat(0))")
    yield endless("regular expression", "import re\nre.match('(a+)+$', 'a' * 60 + 'b')", "re.match")
    yield endless("swallowing exceptions", "while True:\n    try: raise ValueError\n    except BaseException: pass", "")
    yield endless("fault handler off", "signal.signal(10, signal.SIG_IGN)\nwhile True: pass")
    yield endless("fault handler's descriptor closed", "os.close(4)\nwhile True: pass")
    yield endless("sleeping", "while True: time.sleep(1000)", "while True: time.sleep(1000)")
    yield endless("select", "select = sys.modules['select'].select\nwhile True: select([], [], [], 1000)", "while True")
    yield endless("waiting for the parent", "while True: os.read(3, 1)", "os.read(3, 1)", "never comes")
    yield endless(
        "deadlock", "lock = sys.modules['_thread'].allocate_lock()\nlock.acquire()\nlock.acquire()", "acquire", "never"
    )
    nap = "lock = sys.modules['_thread'].allocate_lock()\nlock.acquire()\n"
    nibble = "while True:\n    lock.acquire(timeout=0.06)\n    sum(range(5000))"
    yield endless("asleep, but for a nibble of work", nap + nibble, "")
    yield Attack("loop: asleep at import", f"{PRELUDE}\n{nap}{nibble}", ("timeout",), "loading it", "")
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
    yield endless("asleep and deaf", blocked + nap + nibble)
    yield endless("own profiler", "sys.settrace(lambda *a: None)\nwhile True: len([])", "while True")
    yield Attack("loop: at import", "while True:\n    pass", ("timeout",), "loading it took more than 0.25 s", "")
    yield Attack(
        "loop: in __init__",
        "class Environment:\n    def __init__(self):\n        while True: pass",
        ("timeout",),
        "loading it",
        "while True: pass",
    )
    yield Attack("loop: constants", "x = 9**9**9**9", ("timeout",), "loading it", "x = 9**9**9**9")
    yield Attack(
        "loop: in __del__",
        in_step("Bomb()", "class Bomb:\n    def __del__(self):\n        while True: pass"),
        ("timeout",),
        code="while True: pass",
    )
    yield Attack(
        "loop: in the message of an exception",
        in_step("raise Bomb()", "class Bomb(Exception):\n    def __str__(self):\n        while True: pass"),
        ("timeout",),
        code="while True: pass",
    )
    yield Attack(
        "loop: in a returned value",
        in_step(
            "return Bomb(), 0.0, False", "class Bomb:\n    def __array__(self, *a, **k):\n        while True: pass"
        ),
        ("timeout",),
        code="while True: pass",
    )


def memory() -> Iterator[Attack]:
    def out_of(name: str, body: str, says: str = "MemoryError") -> Attack:
        return Attack(f"memory: {name}", in_step(body), ("memory",), says, limits=replace(QUICK, step_seconds=0.1))

    yield out_of("numpy", "np.ones(10**10)", "Unable to allocate")
    yield out_of("zeros, never touched", "np.zeros(10**9)", "Unable to allocate")
    yield out_of("int", "1 << 10**11")
    yield out_of("bytes", "bytearray(1 << 40)")
    yield out_of("list", "[0] * 10**10")
    yield out_of("append", "l = []\nwhile True: l.append(bytearray(1 << 24))")
    yield out_of("str", "'x' * 10**11")
    yield refused("memory: mmap", "mmap.mmap(-1, 1 << 34)", "Cannot allocate memory")
    yield refused("memory: huge stack", "resource.setrlimit(resource.RLIMIT_STACK, (1 << 40, 1 << 40))")
    yield Attack("memory: at import", "x = bytearray(1 << 40)", ("memory",), "MemoryError", "x = bytearray(1 << 40)")


def crashes() -> Iterator[Attack]:
    yield Attack("crash: abort", in_step("os.abort()"), ("crash",), "SIGABRT: Aborted", "os.abort()")
    yield Attack("crash: null pointer", in_step("ctypes.string_at(0)"), ("crash",), "Segmentation", "ctypes.string_at")
    yield Attack("crash: wild write", in_step("ctypes.memset(8, 0, 64)"), ("crash",), "SIGSEGV", "ctypes.memset")
    yield Attack(
        "crash: broken objects", in_step("ctypes.memset(id(int), 255, 400)\nprint(int('7') + 1)"), ("crash",), "SIG"
    )
    yield Attack("crash: _exit(0)", in_step("os._exit(0)"), ("crash",), "exit code 0")
    yield Attack("crash: _exit(70)", in_step("os._exit(70)"), ("protocol_violation",), "tampered")
    yield Attack("crash: _exit at import", PRELUDE + "os._exit(0)", ("crash",), "exit code 0")
    yield refused("crash: sys.exit", "sys.exit(0)", "SystemExit: 0")
    yield refused("crash: KeyboardInterrupt", "raise KeyboardInterrupt", "KeyboardInterrupt")
    yield refused("crash: GeneratorExit", "raise GeneratorExit", "GeneratorExit")
    yield refused("crash: recursion", "return self.step(a)", "RecursionError")
    yield Attack(
        "crash: recursion without a limit",
        in_step("sys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**5): x = [x]\nrepr(x)"),
        ("crash", "exception", "timeout"),
    )
    yield Attack(
        "crash: an exception without words",
        in_step("raise Bomb()", "class Bomb(BaseException):\n    def __str__(self): raise self"),
        says="Bomb",
        code="raise Bomb()",
    )
    yield Attack("crash: in set_state", in_step("pass").replace("self.s = s", "1 / 0"), says="ZeroDivisionError")
    body = "signal.signal(11, signal.SIG_DFL)\nctypes.string_at(0)"
    yield Attack("crash: fault handler disabled", in_step(body), ("crash",), "SIGSEGV")


def signals(parent: int) -> Iterator[Attack]:
    denied = "PermissionError"
    yield refused("signal: the parent", f"os.kill({parent}, 9)", denied)
    yield refused("signal: everybody", "os.kill(-1, 9)", denied)
    yield refused("signal: its own group", "os.killpg(0, 9)", denied)
    yield refused("signal: stop itself", "os.kill(os.getpid(), signal.SIGSTOP)", denied)
    yield refused("signal: pidfd", f"os.pidfd_open({parent})", "not implemented")
    yield refused("signal: timer", "signal.setitimer(signal.ITIMER_REAL, 0.01)")
    yield refused("signal: other core", "os.sched_setaffinity(0, {0})", denied)
    yield refused("signal: priority", "os.setpriority(os.PRIO_PROCESS, 0, -20)", denied)
    yield refused("signal: session", "os.setsid()", denied)
    yield from syscall("signal", "tgkill", f"{parent}, {parent}, 9")


def spying(parent: int) -> Iterator[Attack]:
    denied = "PermissionError"
    vector = "b = ctypes.create_string_buffer(64); v = (ctypes.c_uint64 * 2)(ctypes.addressof(b), 64)\n"
    for name in ("process_vm_readv", "process_vm_writev"):
        if name in CALLS:
            yield refused(f"spy: {name}", f"{vector}call({CALLS[name]}, {parent}, v, 1, v, 1, 0)", denied, "raise")
    yield refused("spy: the parent's memory", f"open('/proc/{parent}/mem', 'rb')", denied)
    yield refused("spy: the parent's descriptors", f"os.listdir('/proc/{parent}/fd')", denied)
    yield from syscall("spy", "ptrace", f"16, {parent}, 0, 0")
    yield from syscall("spy", "pidfd_getfd", "3, 0, 0")
    yield from syscall("spy", "kcmp", f"{parent}, {parent}, 0, 0, 0")
    yield from syscall("spy", "perf_event_open", "ctypes.create_string_buffer(128), 0, -1, -1, 0")


def imports() -> Iterator[Attack]:
    def forbidden(name: str, line: str) -> Attack:
        return Attack(
            f"import: {name}", f"import sys\n{line}\n{HONEST.source}", ("forbidden_import",), "import of", line
        )

    for module in ("gymnasium", "mujoco", "os", "ctypes", "subprocess", "importlib", "cwmb.sandbox", "cwmb"):
        yield forbidden(module, f"import {module}")
    yield forbidden("by function", "__import__('gymnasium')")
    yield forbidden("the real import", "sys.modules['builtins'].__import__('gymnasium.envs')")
    yield forbidden("importlib, as it is loaded", "sys.modules['importlib'].import_module('mujoco')")
    yield forbidden("the harness", "sys.modules['importlib'].import_module('cwmb.sandbox.worker')")
    yield forbidden("eval", "eval('__import__(\"gymnasium\")')")
    yield Attack(
        "import: rebuilt import system",
        in_step(
            """
            files = sys.modules["_frozen_importlib_external"]
            loaders = (files.SourceFileLoader, files.SOURCE_SUFFIXES), (files.ExtensionFileLoader, [".so"])
            sys.path_hooks[:] = [files.FileFinder.path_hook(*loaders)]
            sys.meta_path[:] = [files.PathFinder]
            sys.path[:] = [np.__path__[0].rpartition("/")[0]]
            builtins.__import__("gymnasium")
            """
        ),
        ("exception", "load_error"),
        "No module named 'gymnasium'",
    )
    yield Attack(
        "import: shellcode",
        in_step("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)"),
        says="PermissionError",
    )


def tampering() -> Iterator[Attack]:
    def violation(name: str, body: str, says: str = "", *also: str) -> Attack:
        return Attack(f"channel: {name}", in_step(body), ("protocol_violation", *also), says)

    yield violation("flood", "while True: os.write(3, bytes(1 << 16))", "tampered")
    yield violation("drip", "while True:\n    os.write(3, b'x')\n    time.sleep(0.2)", "tampered")
    begun = "os.write(3, (1 << 19).to_bytes(4, 'little'))\n"
    nap = "lock = sys.modules['_thread'].allocate_lock()\nlock.acquire()\n"
    for name, rest in {
        "asleep in between": f"{nap}while True:\n    lock.acquire(timeout=0.05)\n    os.write(3, b'x')",
        "busy in between": "while True:\n    sum(range(100000))\n    os.write(3, b'x')",
        "a byte at once": "while True: os.write(3, b'x')",
        "then nothing": "while True: os.read(3, 1)",
        "then an endless loop": "while True: pass",
    }.items():
        yield violation(f"drip of an answer, {name}", begun + rest, "tampered")
    yield violation("one byte", "os.write(3, b'x')", "tampered")
    yield violation("an answer of its own", "os.write(3, (33).to_bytes(4, 'little') + bytes(33))", "no answer")
    yield violation("a huge length", "os.write(3, b'\\xff' * 4)", "no answer")
    yield violation("close everything", "os.closerange(0, 256)", "tampered")
    yield violation("close it and go on", "os.close(3)\nwhile True: pass", "tampered", "timeout")
    yield violation(
        "all descriptors", "for fd in range(64):\n    try: os.write(fd, b'x' * 99)\n    except OSError: pass"
    )
    yield violation(
        "the worker's functions",
        "f = sys._getframe(1)\nf.f_globals['_answer'] = lambda *a: None\nreturn self.s, 0.0, False",
        "",
        "timeout",
    )
    yield violation(
        "the worker's functions, replaced by nothing",
        "f = sys._getframe(1)\nf.f_globals['_answer'] = None\nreturn self.s, 0.0, False",
    )
    yield violation(
        "rows without an answer",
        """
        f = sys._getframe(1)
        memory = f.f_locals["memory"]
        class Lazy:
            def pack_into(*a): pass
        f.f_globals["wire"].ROW_HEAD = Lazy()
        code = f.f_globals["_answer"]
        def answer(*a):
            memory[:] = b"\\x09" * len(memory)
            code(*a)
        f.f_globals["_answer"] = answer
        return self.s, 0.0, False
        """,
        "rows without an answer",
    )
    yield violation(
        "a verdict about the harness",
        """
        f = sys._getframe(1)
        answer, wire = f.f_globals["_answer"], f.f_globals["wire"]
        f.f_globals["_answer"] = lambda n, p, *a: answer(n, wire.Report("infrastructure", "no fault of mine"))
        return self.s, 0.0, False
        """,
        "tampered",
    )
    yield violation(
        "a report about another transition",
        """
        f = sys._getframe(1)
        answer, wire = f.f_globals["_answer"], f.f_globals["wire"]
        f.f_globals["_answer"] = lambda n, p, *a: answer(n, wire.Report("exception", "x", 0, 10**9), *a)
        return self.s, 0.0, False
        """,
        "another transition",
    )
    yield violation(
        "failures without a report",
        """
        f = sys._getframe(1)
        answer, wire = f.f_globals["_answer"], f.f_globals["wire"]
        f.f_globals["_answer"] = lambda n, p, *a: answer(n, wire.Report(), *a)
        raise ValueError
        """,
        "without a report",
    )
    yield refused("channel: terminal codes in a message", "raise ValueError('\\x1b[2J\\x07')", r"\x1b[2J\x07")
    yield Attack(
        "channel: steal the next question",
        in_step("os.read(3, 1 << 16)\nreturn self.s, 0.0, False"),
        ("timeout", "protocol_violation"),
    )
    dump = "most recent call first):\\n"
    for name, line in {"5,000 digits": "9" * 5000, "9 digits": "9" * 9, "no digits": "-1", "zero": "0"}.items():
        yield Attack(
            f"channel: a line of {name} in a dump of its own",
            in_step(f"os.write(4, b'{dump}  File \"<candidate>\", line {line} in step\\n')\nos._exit(1)"),
            ("crash",),
            "exit code 1",
        )
    yield Attack(
        "channel: words of the worker in a log of its own",
        in_step("os.write(4, b'cwmb: ' + bytes(range(256)) * 200)\nos._exit(70)"),
        ("protocol_violation",),
        "tampered",
    )
    yield Attack(
        "channel: a fatal error of its own",
        in_step("os.write(4, b'Fatal Python error: ' + b'\\xff\\x1b' * 9000 + b'\\n')\nos.abort()"),
        ("crash",),
        "SIGABRT",
    )
    yield Attack(
        "channel: a long line",
        in_step("raise ValueError(" + "'x'" + " 'x'" * 9000 + ")"),
        ("exception",),
        "ValueError",
        "raise ValueError",
    )
    yield refused("channel: shrink the shared memory", "os.ftruncate(4, 0)", "PermissionError")
    yield refused("channel: output", "while True: os.write(4, b'x' * 65536)", "File too large")


def hostile_values() -> Iterator[Attack]:
    def value(name: str, returned: str, kinds: tuple[str, ...], before: str = "", says: str = "") -> Attack:
        return Attack(f"value: {name}", in_step(f"return {returned}", before), kinds, says)

    observation, returned = ("bad_observation",), ("bad_return",)
    yield value("huge array", "np.zeros(4 * 10**6), 0.0, False", observation)
    yield value("endless generator", "(x for x in iter(int, 1)), 0.0, False", observation)
    yield value("itself", "self, self, self", returned)
    yield value("deeply nested", "x, 0.0, False", observation, "x = []\nfor _ in range(10**4): x = [x]")
    yield value("strings", "['1', '2', '3', '4'], 0.0, False", observation)
    yield value("a huge reward", "self.s, 10**400, False", ("exception",), says="OverflowError")
    yield value("masked", "np.ma.masked_all(5), 0.0, False", observation)
    yield value("matrix", "np.matrix(self.s), 0.0, False", observation)
    yield value("records", "np.zeros(4, [('a', 'f8')]), 0.0, False", observation)
    yield value("dates", "np.zeros(4, 'M8[s]'), 0.0, False", observation)
    lying = """
    class Tuple(tuple):
        def __len__(self): return 3
        def __iter__(self): return iter(range(10**9))
    class Number(float):
        def __float__(self): raise SystemExit
    class Array(np.ndarray):
        @property
        def shape(self): return (4,)
        @property
        def dtype(self): raise KeyboardInterrupt
    class Type(type):
        def __instancecheck__(*a): return True
        __name__ = property(lambda s: 1 / 0)
    class Shapeless(metaclass=Type):
        __class__ = property(lambda s: 1 / 0)
        __array_interface__ = property(lambda s: 1 / 0)
        def __repr__(s): raise MemoryError
        __str__ = __len__ = __bool__ = __index__ = __repr__
    """
    yield value("a lying tuple", "Tuple((1, 2))", ("exception", "bad_return"), lying)
    yield value("a number that exits", "self.s, Number(1), False", ("exception", "bad_return"), lying)
    yield value("a lying array", "np.zeros(9).view(Array), 0.0, False", ("exception", "bad_observation"), lying)
    yield value("an object that raises", "Shapeless(), 0.0, False", ("exception", "bad_observation", "memory"), lying)
    yield value("a reward that raises", "self.s, Shapeless(), False", ("exception", "bad_return", "memory"), lying)
    yield value("done that raises", "self.s, 0.0, Shapeless()", ("exception", "bad_return", "memory"), lying)


def patches() -> Iterator[Attack]:
    """Programs that break what the worker stands on. They may only break themselves."""
    anything = ("exception", "bad_return", "bad_observation", "protocol_violation", "crash", "memory", "timeout")
    anything += ("forbidden_import",)
    for name, body in {
        "numpy's functions": "for n in dir(np):\n    if callable(getattr(np, n)): setattr(np, n, lambda *a: 1.0)",
        "numpy's frombuffer": "np.frombuffer = lambda *a: np.zeros((3, 6))",
        "builtins": "for n in dir(builtins): setattr(builtins, n, None)",
        "isinstance": "builtins.isinstance = lambda *a: True\nreturn 'x', 'y', 'z'",
        "all modules": "for m in list(sys.modules.values()): m.__dict__.clear()",
        "the list of modules": "sys.modules.clear()\nimport random",
        "struct": "sys.modules['struct'].Struct = sys.modules['struct'].pack = None",
        "os": "os.read = os.write = lambda *a: b'x' * 10",
        "garbage collection": "sys.modules['gc'].disable(); sys.setswitchinterval(1e9)\nreturn None",
        "the exit": "os._exit = lambda *a: None\nos.close(3)",
        "the seed": "np.random.seed = lambda *a: 1 / 0\nrandom = None\nraise ValueError",
        "tracing": "sys.settrace(lambda *a: 1 / 0)\nsys.setprofile(lambda *a: 1 / 0)\nlen([])",
        "its own frames": "f = sys._getframe(1)\nf.f_globals.clear()\nf.f_builtins.clear()",
    }.items():
        yield Attack(f"patch: {name}", in_step(f"{body}\nreturn None"), anything)


def privileges() -> Iterator[Attack]:
    yield refused("privilege: resource limits", "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))")
    yield refused("privilege: root", "os.setuid(0)", "PermissionError")
    yield refused("privilege: root, all three", "os.setresuid(0, 0, 0)", "PermissionError")
    yield refused("privilege: groups", "os.setgroups([0])", "PermissionError")
    yield refused("privilege: chroot", "os.chroot('/')", "PermissionError")
    yield refused("privilege: host name", "socket.sethostname('pwned')", "PermissionError")
    yield refused("privilege: executable page", "assert libc.mmap(None, 4096, 7, 0x22, -1, 0) != -1")
    yield refused(
        "privilege: page made executable",
        "m = mmap.mmap(-1, 4096)\naddress = ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
        "assert libc.mprotect(ctypes.c_void_p(address), 4096, 5) == 0",
    )
    for name, arguments in {
        "unshare": "0x10000000",
        "setns": "0, 0",
        "mount": "b'none', b'/mnt', b'tmpfs', 0, 0",
        "bpf": "0, ctypes.create_string_buffer(128), 128",
        "userfaultfd": "0",
        "keyctl": "0, -3, 0",
        "prctl": "4, 1, 0, 0, 0",
        "seccomp": "0, 0, 0",
        "capset": "ctypes.create_string_buffer(8), ctypes.create_string_buffer(24)",
        "personality": "0x0400000",
        "shmget": "0, 4096, 0o1600",
        "msgget": "0, 0o1600",
        "semget": "0, 1, 0o1600",
        "mq_open": "b'x', 0o102, 0o600, 0",
        "inotify_init1": "0",
        "init_module": "b'', 0, b''",
        "prlimit64": "1, 9, 0, 0",
        "process_madvise": "3, 0, 0, 0, 0",
    }.items():
        yield from syscall("privilege", name, arguments)


def attacks(secret: Path, port: int, unix: str) -> list[Attack]:
    """All of them. secret: a file, whose folder must stay as it is; port, unix: where somebody listens."""
    parent = os.getpid()
    return [
        *network(port, unix),
        *files(secret),
        *secrets(parent),
        *processes(),
        *loops(),
        *memory(),
        *crashes(),
        *signals(parent),
        *spying(parent),
        *imports(),
        *tampering(),
        *hostile_values(),
        *patches(),
        *privileges(),
    ]


def problems(sandbox: Sandbox, attack: Attack) -> list[str]:
    """What is wrong with how the sandbox dealt with an attack."""
    data = transitions(np.ones((3, 4)), answers=ANSWER)
    said = sandbox.predict(Program(attack.source), box(4), discrete(2), data, attack.limits, 0)
    healthy = sandbox.predict(HONEST, box(4), discrete(2), data, Limits(), 0)
    return list(_complaints(attack, said, healthy))


def _complaints(attack: Attack, said: Predictions, healthy: Predictions) -> Iterator[str]:
    if ((said.rewards == REWARD) & (said.status == OK)).any():
        yield "it got through"
    failure = said.failure or Failure("no_code", "no failure")
    if failure.kind not in attack.kinds or attack.says not in failure.message:
        yield f"expected {attack.kinds} with {attack.says!r}, reported was {failure}"
    if attack.code and attack.code not in (failure.code or ""):
        yield f"expected the line {attack.code!r}, reported was {failure}"
    if len(failure.message) > 4096 or len(failure.code or "") > 500:
        yield f"the report is too long: {failure}"
    if "/cwmb/" in failure.message or "worker" in failure.message:
        yield f"the report shows the harness: {failure}"
    if healthy.failure is not None or not (healthy.observations == 2.0).all():
        yield f"the next program is not healthy: {healthy}"
