from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwmb.errors import CwmbError, LedgerError, StorageError
from cwmb.harness.episodes import Episode
from cwmb.harness.ledger import Ledger
from cwmb.journal import entries
from cwmb.types import Evaluation, Failure, Mistake, Reply, Usage


def never() -> float:
    raise AssertionError("a recorded entry was computed again")


def test_what_was_recorded_is_not_computed_again(tmp_path: Path) -> None:
    assert Ledger(tmp_path).entry("call", 0, "a", float, lambda: 1.5) == 1.5
    again = Ledger(tmp_path)
    assert again.entry("call", 0, "a", float, never) == 1.5
    assert again.entry("call", 1, "a", float, lambda: 2.5) == 2.5


def test_values_come_back_as_they_were_also_where_they_are_not_finite(tmp_path: Path) -> None:
    nan = float("nan")
    mistake = Mistake(3, [0.1], [1.0], [0.2], 1.0, False, [nan], float("inf"), True, [0], True, True)
    failure = Failure("exception", "ZeroDivisionError: \ud800", line=3, code="1/0")
    value = Evaluation(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 7, failure, (mistake,))
    Ledger(tmp_path).entry("evaluation", 0, "a", Evaluation, lambda: value)
    again = Ledger(tmp_path).entry("evaluation", 0, "a", Evaluation, lambda: pytest.fail("computed again"))
    assert repr(again) == repr(value)


def test_another_question_is_an_error_that_names_the_entry(tmp_path: Path) -> None:
    Ledger(tmp_path).entry("call", 0, "old", float, lambda: 1.0)
    with pytest.raises(CwmbError, match=r"call 0 was recorded for old, but new is asked"):
        Ledger(tmp_path).entry("call", 0, "new", float, never)


@pytest.mark.parametrize("torn", [b'{"type": "ca', b'{"type": "call", "index": 1, "key": "b", "value": 2.0}'])
def test_a_torn_last_line_is_cut_off_and_written_anew(tmp_path: Path, torn: bytes) -> None:
    Ledger(tmp_path).entry("call", 0, "a", float, lambda: 1.0)
    path = tmp_path / "ledger.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    ledger = Ledger(tmp_path)
    assert path.read_bytes() == whole
    ledger.entry("call", 1, "b", float, lambda: 2.0)
    assert [e["value"] for e in entries(path)] == [1.0, 2.0]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.entry("call", 0, "a", float, lambda: 1.0)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(CwmbError, match=r"ledger.jsonl:1 is no ledger entry"):
        Ledger(tmp_path)


KINDS = {"call": Reply, "evaluation": Evaluation, "episode": Episode}
texts = st.text(max_size=30) | st.sampled_from(["\n", "\r\n\x00", '"}\n{"type": "call"', "\ud800", "\u2028", "{}"])
values = {
    "call": st.builds(Reply, texts, st.builds(Usage), model=texts),
    "evaluation": st.builds(Evaluation, *[st.floats()] * 6, st.integers(), st.builds(Failure, st.just("crash"), texts)),
    "episode": st.builds(Episode, st.floats(), st.integers()),
}
journaled = st.sampled_from(list(KINDS)).flatmap(lambda kind: st.tuples(st.just(kind), texts, values[kind], texts))
journals = st.lists(journaled, min_size=1, max_size=6)


def ask_all(folder: Path, journal: list[Any], computed: list[int]) -> list[str]:
    """Ask for the entries of a journal in order; notes which were computed."""
    ledger = Ledger(folder)

    def compute(index: int, value: Any) -> Callable[[], Any]:
        return lambda: computed.append(index) or value

    return [
        repr(ledger.entry(kind, index, key, KINDS[kind], compute(index, value), {"note": note}))
        for index, (kind, key, value, note) in enumerate(journal)
    ]


@settings(max_examples=50, deadline=None)
@given(journals, st.data())
def test_any_beginning_of_a_ledger_is_gone_on_with(journal: list[Any], data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "ledger.jsonl"
        told = ask_all(folder, journal, [])
        whole = path.read_bytes()
        kept = whole[: data.draw(st.integers(0, len(whole)))]
        path.write_bytes(kept)
        computed: list[int] = []
        assert ask_all(folder, journal, computed) == told
        assert computed == list(range(kept.count(b"\n"), len(journal)))
        assert path.read_bytes() == whole


@settings(max_examples=50, deadline=None)
@given(journals, st.data())
def test_any_other_damage_is_refused_or_without_consequence(journal: list[Any], data: st.DataObject) -> None:
    """Bytes lost or replaced by noise anywhere: a line that names the file, or what was recorded."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "ledger.jsonl"
        told = ask_all(folder, journal, [])
        whole = path.read_bytes()
        start = data.draw(st.integers(0, len(whole)))
        stop = data.draw(st.integers(start, len(whole)))
        path.write_bytes(whole[:start] + b"\xff" * data.draw(st.integers(0, 3)) + whole[stop:])
        try:
            said: object = ask_all(folder, journal, [])
        except LedgerError as error:
            said = error
        assert said == told or (isinstance(said, LedgerError) and str(path) in str(said) and "\n" not in str(said))


@pytest.mark.parametrize(
    "line", ["1", "null", "[]", "{}", '{"type": [], "index": 0, "key": "a", "value": 1}', "[" * 100000]
)
def test_a_line_that_is_no_entry_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "ledger.jsonl").write_text(line + "\n")
    with pytest.raises(LedgerError, match=r"ledger.jsonl:1 is no ledger entry"):
        Ledger(tmp_path)


def test_an_entry_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path).entry("call", 0, "a", float, lambda: 1.0)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(2 * path.read_bytes())
    with pytest.raises(LedgerError, match="has call 0 twice"):
        Ledger(tmp_path)


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path).entry("call", 0, "a", float, lambda: 1.0)
    with pytest.raises(LedgerError, match="call 0 is no Reply"):
        Ledger(tmp_path).entry("call", 0, "a", Reply, lambda: pytest.fail("computed"))


def test_what_cannot_be_written_is_not_there_and_nothing_more_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    ledger.entry("call", 0, "a", float, lambda: 1.0)
    whole = (tmp_path / "ledger.jsonl").read_bytes()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 40:
            return real(descriptor, data[:40])  # as far as there is room
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left on device"):
        ledger.entry("call", 1, "b", float, lambda: 2.0)
    monkeypatch.undo()
    assert (tmp_path / "ledger.jsonl").read_bytes() == whole
    with pytest.raises(StorageError):
        ledger.entry("call", 1, "b", float, never)
    assert ledger.entry("call", 0, "a", float, never) == 1.0
    assert Ledger(tmp_path).entry("call", 1, "b", float, lambda: 3.0) == 3.0


def test_times_come_back_with_their_entries(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.entry("call", 0, "a", float, lambda: time.sleep(0.01) or 1.0)
    assert ledger.seconds("call", 0) >= 0.01
    again = Ledger(tmp_path)
    assert again.seconds("call", 0) == pytest.approx(ledger.seconds("call", 0))
    assert again.seconds("call", 1) == 0.0
