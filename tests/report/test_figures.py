"""``cwmb figures``: which are drawn, that they say what the records say, and that the same runs give the same bytes."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cwmb.cli.commands import Wanted, evaluate
from cwmb.errors import CwmbError
from cwmb.harness.files import dumps
from cwmb.harness.records import Planning, read_records
from cwmb.report.figures import draw


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A searched run of two cells, to which the figures of a plan are written by hand."""
    folder = tmp_path_factory.mktemp("drawn") / "run"
    envs = "CliffWalking-v0,CartPole-v1"
    wanted = Wanted("gif_mcts", "simulated", envs, "quick", "default", 1, "local", calls=4, out=folder, no_plan=True)
    assert evaluate(wanted) == {"done"}
    planned = [
        replace(record, planning=Planning([v, v], v, 0.0, v, 0.1, 2, 20, 0, 10, 0, 0, None, 2))
        for record, v in zip(read_records(folder), (0.25, 0.75), strict=True)
    ]
    (folder / "records.jsonl").write_text("".join(dumps(record) + "\n" for record in planned))
    return folder


def test_each_figure_is_drawn_in_each_format(run: Path, tmp_path: Path) -> None:
    written = draw([run], tmp_path / "out", ["pdf", "svg", "png"])
    heads = {path.name: path.read_bytes()[:8] for path in written}
    assert set(heads) == {f"{f}.{k}" for f in ("anytime", "environments", "returns", "actions") for k in FORMATS}
    for name, head in heads.items():
        assert head.startswith(FORMATS[name.rpartition(".")[2]])
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(heads)


FORMATS = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}


def test_figures_hold_names_as_text(run: Path, tmp_path: Path) -> None:
    drawn = {path.stem: path.read_text() for path in draw([run], tmp_path, ["svg"])}
    assert "gif_mcts, simulated" in re.sub(r"\s+", " ", drawn["anytime"])
    for name in ("CartPole-v1", "CliffWalking-v0"):
        assert f">{name}<" in drawn["environments"]
    assert ">2 cells<" in drawn["returns"]
    kinds = {kind for record in read_records(run) for kind in record.prompts}
    assert len(kinds) > 1
    for kind in kinds:
        assert f">{kind}<" in drawn["actions"]


def test_the_same_runs_give_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first, again = (draw([run], tmp_path / name, ["pdf", "svg"]) for name in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]


def test_records_alone_have_no_curves(run: Path, tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_bytes((run / "records.jsonl").read_bytes())
    written = draw([tmp_path / "records.jsonl"], tmp_path / "out", ["svg"])
    assert [p.stem for p in written] == ["environments", "returns"]


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match="unknown format 'jpg'"):
        draw([tmp_path / "nowhere"], tmp_path, ["jpg"])


def test_without_matplotlib_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CwmbError, match=r"pip install 'cwmb\[figures\]'"):
        draw([tmp_path], tmp_path)
