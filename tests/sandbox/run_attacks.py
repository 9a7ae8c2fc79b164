"""Runs attacks in a process of its own and prints what is wrong, as JSON: ``run_attacks FOLDER [OPTION]``."""

import errno
import json
import os
import resource
import struct
import sys
from pathlib import Path

from cwmb.sandbox import Sandbox
from cwmb.sandbox.kernel import CALLS, LANDLOCK_CREATE_RULESET, Kernel, load_seccomp

from .attacks import attacks, problems

RIGHTS = ("network", "file", "secret", "process", "signal", "spy", "privilege", "import", "crash", "memory: mmap")


def refuse(number: int) -> None:
    """Make a system call fail for this process and its children, as an older kernel would."""
    instructions = (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | errno.ENOSYS), (0x06, 0, 0, 0x7FFF0000)
    kernel = Kernel()
    kernel.prctl("no_new_privs", 38, 1)
    load_seccomp(kernel, CALLS[os.uname().machine], b"".join(struct.pack("<HBBI", *i) for i in instructions))


def main(folder: str, option: str = "") -> None:
    if option == "no-landlock":
        refuse(LANDLOCK_CREATE_RULESET)
    if option == "few-files":
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    if option == "no-seccomp":
        refuse(CALLS[os.uname().machine].seccomp)
    found = {}
    with Sandbox(workers=1) as sandbox:
        for attack in attacks(Path(folder, "secret"), 1, "\0nobody"):
            if attack.name.startswith(RIGHTS):
                found[attack.name] = problems(sandbox, attack)
        print(
            json.dumps({"layers": sandbox.layers, "problems": {k: v for k, v in found.items() if v}, "n": len(found)})
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
