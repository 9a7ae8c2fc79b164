"""Hostile programs through the commands that users type: each ends with the program's own failure, soon, and is scored.

As the user who runs the tests, as an ordinary one, and without Landlock.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_lifecycle import TESTS, python_for

SHARED = TESTS.parents[1] / "shared" / "cases" / "programs"

START = """
import sys
os, thread = sys.modules["os"], sys.modules["_thread"]
lock = thread.allocate_lock()
lock.acquire()
"""


def in_step(body: str) -> str:
    return f"{START}\nclass Environment:\n    def set_state(self, s): self.s = s\n    def step(self, a):\n{body}\n"


DUMP = 'b\'most recent call first):\\n  File "<candidate>", line \' + b"9" * 5000 + b" in step\\n"'
# Name: program, failures of which each is right.
HOSTILE = {
    "a line number of 5,000 digits": (in_step(f"        os.write(4, {DUMP})\n        os._exit(1)"), {"crash"}),
    "drips asleep": (
        in_step(
            "        os.write(3, (10**6).to_bytes(4, 'little'))\n"
            "        while True:\n            lock.acquire(timeout=0.05)\n            os.write(3, b'x')"
        ),
        {"protocol_violation"},
    ),
    "drips at work": (
        in_step(
            "        os.write(3, (10**6).to_bytes(4, 'little'))\n"
            "        while True:\n            sum(range(200_000))\n            os.write(3, b'x')"
        ),
        {"protocol_violation"},
    ),
    "sleeps while it loads": (
        f"{START}\nwhile True:\n    lock.acquire(timeout=0.09)\n    sum(range(5000))\nclass Environment: pass\n",
        {"timeout"},
    ),
}
IDENTITIES: dict[str, dict[str, Any]] = {
    "me": {},
    "an ordinary user": {"user": 54321, "group": 54321, "extra_groups": []},
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may read and write."""
    folder = Path(tempfile.mkdtemp(prefix="cwmb-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run(place: Path, who: str, lacks: str, *arguments: object) -> str:
    """What a command prints. Asserts that it ends well."""
    identity = IDENTITIES[who]
    if identity and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    python = python_for(**identity) if identity else sys.executable
    path = os.pathsep.join((str(TESTS), str(TESTS.parent), *(str(Path(p).resolve()) for p in sys.path)))
    command = [python, "-m", "sandbox.run_without", lacks, *map(str, arguments)]
    environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(place), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, timeout=500, check=False, **identity
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def check(place: Path, source: str, environment: str, who: str, lacks: str, command: str) -> dict[str, Any]:
    """Run a command with a program. Returns its scores: accuracy, floor, failure."""
    file = place / "program.py"
    file.write_text(source)
    if command == "score":
        return dict(json.loads(run(place, who, lacks, "score", environment, file, "--split", "test", "--json")))
    if command == "plan":
        return dict(json.loads(run(place, who, lacks, "plan", environment, file, "--episodes", 1, "--json")))
    prompts = place / "prompts"
    prompts.mkdir(mode=0o777)
    prompts.chmod(0o777)
    (prompts / "0001.answer.md").write_text(f"```python\n{source}\n```\n")
    asked = ("--strategy", "zero_shot", "--model", f"manual:{prompts}", "--envs", environment, "--seeds", 1)
    run(place, who, lacks, "eval", *asked, "--budget", 1, "--no-plan", "--out", place / "run")
    record = json.loads((place / "run" / "records.jsonl").read_text())
    assert record["state"] == "done"  # it stays in the averages
    return dict(record["test"])


def fails(place: Path, name: str, who: str, lacks: str, command: str) -> None:
    source, kinds = HOSTILE[name]
    said = check(place, source, "CartPole-v1", who, lacks, command)
    assert said["failure"]["kind"] in kinds
    assert said.get("accuracy", 0.0) == 0.0


@pytest.mark.parametrize("command", ["score", "plan", "eval"])
def test_a_hostile_program_ends_with_its_own_failure(place: Path, command: str) -> None:
    fails(place, "a line number of 5,000 digits", "me", "nothing", command)


@pytest.mark.torture
@pytest.mark.parametrize("command", ["score", "plan", "eval"])
@pytest.mark.parametrize("lacks", ["nothing", "landlock"])
@pytest.mark.parametrize("who", IDENTITIES)
@pytest.mark.parametrize("name", HOSTILE)
def test_every_hostile_program_everywhere(place: Path, name: str, who: str, lacks: str, command: str) -> None:
    fails(place, name, who, lacks, command)


@pytest.mark.torture
@pytest.mark.parametrize("command", ["score", "eval"])
@pytest.mark.parametrize("lacks", ["nothing", "landlock"])
@pytest.mark.parametrize("who", IDENTITIES)
@pytest.mark.parametrize(
    ("file", "environment"),
    [("01_index_leak_acrobot_test.py", "Acrobot-v1"), ("02_audit_evasion_cartpole_test.py", "CartPole-v1")],
)
def test_a_program_that_once_forged_its_score_gets_the_floor_at_most(
    place: Path, file: str, environment: str, who: str, lacks: str, command: str
) -> None:
    if not (SHARED / file).exists():
        pytest.skip("the program is not at hand")
    said = check(place, (SHARED / file).read_text(), environment, who, lacks, command)
    assert said["accuracy"] <= said["floor"] + 0.01
