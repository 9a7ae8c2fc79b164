from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cwmb

# Two threads that use a new type at the same time, many times over: in a process of its own, since it may crash.
RACE = """
import sys, threading
from dataclasses import make_dataclass
from cwmb.conversion import convert

sys.setswitchinterval(1e-6)
for _ in range(500):
    inner = make_dataclass("Inner", [("a", int), ("b", float)])
    outer = make_dataclass("Outer", [("name", str), ("inner", inner), ("many", tuple[inner, ...])])
    value = {"name": "x", "inner": {"a": 1, "b": 2.0}, "many": [{"a": 1, "b": 2.0}]}
    barrier = threading.Barrier(2)

    def work():
        barrier.wait()
        assert convert(value, outer).many[0].b == 2.0

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_convert_to_a_new_type_at_once() -> None:
    result = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_nobody_converts_past_it() -> None:
    package = Path(cwmb.__file__).parent
    users = [p.name for p in package.rglob("*.py") if "msgspec.convert(" in p.read_text()]
    assert users == ["conversion.py"]
