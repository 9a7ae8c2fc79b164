from pathlib import Path

import pytest

from cwmb.errors import CwmbError
from cwmb.harness.ledger import Ledger, read_entries
from cwmb.types import Evaluation, Failure, Mistake


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
    assert [e["value"] for e in read_entries(path)] == [1.0, 2.0]


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.entry("call", 0, "a", float, lambda: 1.0)
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(CwmbError, match=r"ledger.jsonl:1 is no ledger entry"):
        Ledger(tmp_path)
