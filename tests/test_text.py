"""A stranger's text does nothing where it is shown."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cwmb.report.render import FORMATS, render, text
from cwmb.report.table import Column, Table
from cwmb.text import LONGEST, in_csv, in_html, in_markdown, line, printable, sound

ANY = st.text(st.characters())  # lone surrogates, too
HOSTILE = [
    "\x1b]0;title\x07\x1b[2J",
    "\x9b31m red",
    "a\x00b",
    "user\u202egnp.exe",
    "zero\u200bwidth\ufeff",
    "a\ud800b",
    "[click](javascript:alert(1))",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '=HYPERLINK("http://evil")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "| a | b |",
    "`code`",
    "\\end{tabular}\\input{/etc/passwd}",
    "first\nsecond\r\nthird",
]


def obeyed(shown: str) -> list[str]:
    """Characters that do something, or that nobody sees."""
    return [c for c in shown if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(ANY)
def test_nothing_is_obeyed_and_everything_can_be_written(written: str) -> None:
    for shown in (printable(written), line(written), in_markdown(written), in_csv(written), in_html(written)):
        assert not obeyed(shown)
        shown.encode()
    assert printable(printable(written)) == printable(written)
    assert "\n" not in line(written)
    assert len(line(written)) <= LONGEST


@given(st.text(st.characters(categories=("L", "N", "Zs"))))
def test_ordinary_text_stays_as_it_is(written: str) -> None:
    assert line(written) == " ".join(written.split())


@given(ANY)
def test_markdown_shows_no_markup(written: str) -> None:
    shown = in_markdown(written)
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]`*|]", shown)
    assert not {"<", ">"} & set(shown)


@given(ANY)
def test_a_spreadsheet_sees_no_formula(written: str) -> None:
    assert not in_csv(written).startswith(("=", "+", "-", "@"))


@given(ANY)
def test_html_shows_no_element(written: str) -> None:
    assert not {"<", ">", '"', "'"} & set(in_html(written))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("format_", [*FORMATS, "text"])
def test_tables_show_a_hostile_name_as_text(name: str, format_: str) -> None:
    table = Table("t", f"About {name}.", (Column("who", "who"), Column("n", "n")), ((name, 1),), (f"Note: {name}",))
    shown = text([table]) if format_ == "text" else render([table], format_)
    assert not obeyed(shown)
    shown.encode()
    if format_ == "json":
        assert json.loads(shown)[0]["rows"][0]["who"] == name
    elif format_ == "csv":
        (_, row) = csv.reader(io.StringIO(shown.partition("\n")[2]))
        assert not row[0].startswith(("=", "+", "@"))
    elif format_ == "markdown":
        assert "<" not in shown.replace("&lt;", "")
        assert "](" not in shown.replace("\\](", "")
    elif format_ == "latex":
        assert "\\input" not in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\ud800b", "a\ufffdb"), ("\ud83d\ude00", "\U0001f600"), ("\ufeffa\udfff", "\ufeffa\ufffd"), ("plain", "plain")],
)
def test_halves_of_surrogate_pairs_are_joined_or_replaced(text: str, expected: str) -> None:
    assert sound(text) == expected
