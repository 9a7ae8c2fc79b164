"""The pages as files: what they say, that strangers' texts are texts, and what a build promises."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from site_builder import HOSTILE, PROGRAMS, record, write_run

from cwmb.errors import CwmbError
from cwmb.harness.files import dumps
from cwmb.site import sources
from cwmb.site.board import Metric, Row, ranked
from cwmb.site.build import build
from cwmb.site.calls import search
from cwmb.site.charts import front, legible
from cwmb.site.gaps import gaps, group_of
from cwmb.types import Program


class Elements(HTMLParser):
    """What a browser would make of a page: its elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_there_is_a_page_for_the_board_each_entry_and_each_search(site: Path) -> None:
    assert [str(p.relative_to(site)) for p in pages(site)] == [
        *(f"entries/{e}/{p}" for e in ("bad", "good", "hostile") for p in PAGES),
        "index.html",
    ]


PAGES = ("0-CartPole-v1-0.html", "0-Pendulum-v1-0.html", "index.html")


def test_what_strangers_wrote_is_text_on_every_page(site: Path) -> None:
    seen = 0
    for path in pages(site):
        page = Elements(path.read_text())
        tags = [tag for tag, _ in page.found]
        assert "img" not in tags
        assert not [name for _, attributes in page.found for name in attributes if name.startswith("on")]
        assert tags.count("script") == 1  # ours
        seen += "onerror=alert(1)" in page.text
    assert seen >= 4  # the board and the three pages of the entry


def test_pages_allow_their_own_script_and_style_and_nothing_else(site: Path) -> None:
    for path in pages(site):
        page = path.read_text()
        policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)
        assert policy is not None
        assert policy[1].startswith("default-src &#39;none&#39;")
        assert "unsafe" not in policy[1]
        assert not re.search(r'(src|href)="(https?:)?//', page)
        assert " style=" not in page


def test_links_lead_to_pages_that_are_there(site: Path) -> None:
    for path in pages(site):
        for tag, attributes in Elements(path.read_text()).found:
            target = attributes.get("href")
            if tag == "a" and target:
                file, _, name = target.partition("#")
                other = (path.parent / file).resolve() if file else path
                assert other.is_file(), (path, target)
                if name and "=" not in name:
                    assert f'id="{name}"' in other.read_text(), (path, target)


def test_the_board_can_be_downloaded(site: Path) -> None:
    rows = list(csv.DictReader((site / "board.csv").open()))
    content = json.loads((site / "board.json").read_text())
    assert len(rows) == len(content["rows"]) == 7  # ours, and the paper's four
    good = next(row for row in rows if row["name"] == "good")
    assert float(good["all_accuracy"]) == pytest.approx(0.9)
    assert float(good["all_skill"]) == pytest.approx(0.5 / 0.6)
    published = next(row for row in rows if row["model"] == "GPT-4 Turbo" and row["strategy"] == "gif_mcts")
    assert float(published["discrete_accuracy"]) == 0.91
    assert float(published["all_accuracy"]) == pytest.approx((6 * 0.91 + 12 * 0.40) / 18)
    assert (published["rank"], published["kind"]) == ("", "published")


def test_a_search_is_a_tree_with_differences_and_mistakes(runs: list[Path]) -> None:
    found = search(runs[0] / "cells" / "CartPole-v1" / "seed-0", Program(PROGRAMS[2]).hash)
    assert [(c.index, c.parent, c.depth, c.kind, c.judged) for c in found.calls] == [
        (0, None, 0, "generate", False),
        (1, 0, 1, "improve", False),
        (2, 1, 2, "improve", True),
    ]
    assert "-        return 0, 0.0, False" in str(found.calls[1].patch)
    wrong = found.calls[1].wrong[0]
    assert [(f.name, f.predicted, f.truth) for f in wrong.fields if f.wrong] == [
        ("observation[1]", "0.9", "0.6"),
        ("reward", "0", "1"),
        ("done", "yes", "no"),
    ]
    assert found.calls[1].choices[0].options == [{"action": "fix", "value": "0.5"}]


def test_a_ledger_with_a_circle_or_an_odd_note_is_shown_all_the_same(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [record("CartPole-v1", 0.5)], PROGRAMS, [0.5, 0.5, 0.5])
    ledger = run / "cells" / "CartPole-v1" / "seed-0" / "ledger.jsonl"
    lines = [json.loads(text) for text in ledger.read_text().splitlines()]
    for entry in lines:
        del entry["check"]
        if entry["type"] == "call":
            entry["parent"] = {0: 0, 1: 2, 2: "x"}[entry["index"]]
            entry["note"] = {"path": [7, {"choices": [1, {"action": {"deep": HOSTILE}}]}]}
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    found = search(ledger.parent, None)
    assert [(c.index, c.parent) for c in found.calls] == [(0, None), (1, None), (2, None)]
    build([run], tmp_path / "site", jobs=1)
    assert "img" not in [tag for tag, _ in Elements((tmp_path / "site/entries/run" / PAGES[0]).read_text()).found]


def row(name: str, low: float, high: float, **changes: object) -> Row:
    made = Row(
        *(name, name, "entry", "confirmed", [], "cwmb18", "standard", "default", "gif_mcts", "gif_mcts", "m", "open"),
        *(50, False, False, "", 54, 0, {"all": {"skill": Metric((low + high) / 2, low, high)}}),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_entries_whose_intervals_overlap_share_a_rank() -> None:
    rows = [row("a", 0.8, 0.9), row("b", 0.7, 0.81), row("c", 0.6, 0.75), row("d", 0.1, 0.2)]
    assert [r.rank for r in ranked(rows)] == [1, 1, 2, 4]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "reference"},
        {"kind": "run"},
        {"verdict": None},
        {"verdict": "different"},
        {"obstacles": ["protocol quick is never ranked"]},
        {"metrics": {}},
    ],
)
def test_what_may_not_be_ranked_is_not_and_moves_no_other(changes: dict[str, object]) -> None:
    rows = [row("a", 0.8, 0.9, **changes), row("b", 0.5, 0.6)]
    assert [r.rank for r in ranked(rows)] == [None, 1]


@pytest.mark.parametrize("changes", [{"calls": 10}, {"protocol": "paper"}, {"descriptions": "complete"}])
def test_only_what_is_comparable_is_ranked_together(changes: dict[str, object]) -> None:
    assert [r.rank for r in ranked([row("a", 0.8, 0.9, **changes), row("b", 0.5, 0.6)])] == [1, 1]


def test_the_front_holds_what_nothing_cheaper_is_as_good_as() -> None:
    points = [{"cost": c, "skill": s} for c, s in [(3, 0.5), (1, 0.2), (2, 0.6), (4, 0.9), (1, 0.3)]]
    assert front(points) == [{"cost": c, "skill": s} for c, s in [(1, 0.3), (2, 0.6), (4, 0.9)]]


def test_names_beside_points_do_not_cover_each_other() -> None:
    near = [{"cost": 1000, "skill": 0.2}, {"cost": 1822, "skill": 0.99}, {"cost": 1832, "skill": 1.0}]
    assert legible(near) == [near[2], near[0]]
    assert legible(near[:1]) == near[:1]


def test_the_recall_gap_is_the_difference_between_suites() -> None:
    known = [record("CartPole-v1", accuracy, seed) for seed, accuracy in enumerate((0.9, 1.0))]
    drawn = [record("CartPole-v1", accuracy, seed, suite="varied") for seed, accuracy in enumerate((0.5, 0.6))]
    other = [record("CartPole-v1", 0.1, model="another", suite="varied")]
    every = [(group_of(r), r.suite, r.environment, r.test.accuracy) for r in [*known, *drawn, *other] if r.test]
    (gap,) = gaps([group_of(known[0])], every)
    assert (gap.environment, gap.suite, gap.known, gap.drawn) == ("CartPole-v1", "varied", 0.95, 0.55)
    assert gap.difference.value == pytest.approx(0.4)
    assert gap.difference.low == pytest.approx(0.4 - 1.96 * 0.05 * 2**0.5)


def test_runs_of_two_suites_have_a_tab_each_and_show_the_gap(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "known", [record("CartPole-v1", 0.9)], PROGRAMS, [0.5, 0.7, 0.9]),
        write_run(tmp_path / "drawn", [record("CartPole-v1", 0.6, suite="varied", world_seed=0)], PROGRAMS, [0.5] * 3),
    ]
    build(runs, tmp_path / "site", jobs=1)
    board = (tmp_path / "site/index.html").read_text()
    assert re.findall('class="suite" id="suite-([a-z0-9]+)"', board) == ["cwmb18", "varied"]
    assert "0.300" in Elements((tmp_path / "site/entries/known/index.html").read_text()).text


def test_simulated_runs_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sim", [record("CartPole-v1", 0.9, simulated=True)], PROGRAMS, [0.5, 0.7, 0.9])
    made = build([run], tmp_path / "site", jobs=1)
    board = (tmp_path / "site/index.html").read_text()
    assert made.simulated == 1
    assert "entries/sim" not in board
    assert "1 searches of simulated models" in board
    build([run], tmp_path / "site", jobs=1, simulated=True)
    assert "entries/sim" in (tmp_path / "site/index.html").read_text()


def test_a_folder_that_is_no_site_is_left_alone(tmp_path: Path, runs: list[Path]) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(CwmbError, match="is no site"):
        build(runs, tmp_path, jobs=1)
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


def test_a_build_that_fails_leaves_the_site_as_it_was(tmp_path: Path, runs: list[Path]) -> None:
    build(runs[:1], tmp_path / "site", jobs=1)
    before = (tmp_path / "site/index.html").read_bytes()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "records.jsonl").write_text("no record\n")
    with pytest.raises(CwmbError, match="is no record"):
        build([*runs[:1], broken], tmp_path / "site", jobs=1)
    assert (tmp_path / "site/index.html").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "site"]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_place_that_holds_nothing_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CwmbError, match=name):
        sources.listed([tmp_path / name])


def test_slugs_are_plain_and_apart(tmp_path: Path) -> None:
    for name in ("Ä b", "a/Ä-b", "..x"):
        write_run(tmp_path / name, [record("CartPole-v1", 0.5)], PROGRAMS, [0.5] * 3)
    found = sources.listed([tmp_path / "Ä b", tmp_path / "a", tmp_path / "..x"])
    assert list(found) == ["b", "b-2", "x"]


def test_the_same_sources_give_the_same_bytes(tmp_path: Path, runs: list[Path], site: Path) -> None:
    build(runs, tmp_path / "again", jobs=1)
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        assert (tmp_path / "again" / path.relative_to(site)).read_bytes() == path.read_bytes(), path


def test_records_alone_make_an_entry_without_pages_of_searches(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(dumps(record("CartPole-v1", 0.5)) + "\n")
    with sources.source("x", tmp_path) as found:
        assert [len(run.records) for run in found.runs] == [1]
    build([tmp_path], tmp_path / "site", jobs=1)
    (entry,) = (tmp_path / "site/entries").iterdir()
    assert [p.name for p in entry.iterdir()] == ["index.html"]


def test_an_episode_is_planned_once_and_shown_beside_what_was_predicted(tmp_path: Path) -> None:
    program = "class Environment:\n    def set_state(self, o):\n        self.o = o\n\n    def step(self, a):\n"
    program += "        return self.o, -1.0, False\n"
    made = record("CliffWalking-v0", 0.5, program=Program(program).hash)
    run = write_run(tmp_path / "run", [made], [*PROGRAMS[:2], program], [0.1, 0.2, 0.5])
    build([run], tmp_path / "site", jobs=1, episodes=3)
    (kept,) = (tmp_path / "site/episodes").iterdir()
    found = json.loads(kept.read_text())
    assert found["said"].startswith("3 steps, return -3;")
    assert found["real"][0] != [36.0] or found["real"][1] != [36.0]  # it moved, or was sent back
    assert found["predicted"][0] == [36.0]  # nothing ever changes
    before = kept.read_bytes()
    page = (tmp_path / "site/entries/run/0-CliffWalking-v0-0.html").read_text()
    assert "An episode of the planner" in page
    build([run], tmp_path / "site", jobs=1)  # not asked for: what is there is shown again
    assert (tmp_path / "site/entries/run/0-CliffWalking-v0-0.html").read_text() == page
    assert kept.read_bytes() == before
