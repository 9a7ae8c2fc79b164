"""``cwmb doctor``: what it finds, and that it never shows a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted_server import ScriptedServer, answer

from cwmb.benchmark import trajectories
from cwmb.cli import doctor
from cwmb.errors import CwmbError

KEY = "sk-marker-0123456789abcdef"


def test_this_machine_can_run_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    lines: list[str] = []
    assert doctor.examine(lines.append)
    text = "\n".join(lines)
    for name in ("machine", "versions", "sandbox", "data", "baselines", "checkout", "endpoint", "disk"):
        assert name in text
    assert "18 environments" in text
    assert "seccomp" in text
    assert "export OPENAI_API_KEY" in text


def test_what_is_wrong_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def damaged(*_: object) -> None:
        raise CwmbError("trajectories of Taxi-v3 (test): damaged; run `make trajectories`")

    monkeypatch.setattr(trajectories, "transitions", damaged)
    monkeypatch.setattr(doctor, "version", lambda name: "0.0" if name == "mujoco" else "1.4.0")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    lines: list[str] = []
    assert not doctor.examine(lines.append)
    text = "\n".join(lines)
    assert "WRONG data" in text
    assert "run `make trajectories`" in text
    assert "pip install mujoco==3.3.5" in text
    assert "WRONG endpoint" in text
    assert KEY not in text


def test_an_endpoint_that_repeats_the_key_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(lambda _: answer(KEY)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        (finding,) = doctor._endpoint()
    assert finding.state == "wrong"
    assert KEY not in doctor.text(finding)
