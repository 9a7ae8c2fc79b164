import csv
import io
import json

import pytest

from cwmb.errors import CwmbError
from cwmb.report.render import WIDTH, escape, render, text
from cwmb.report.table import Column, Estimate, Table, estimate

TABLE = Table(
    "tiny & small",
    "A tiny table_of 100 % nothing.",
    (
        Column("name", "name"),
        Column("n", "n"),
        Column("accuracy", "accuracy"),
        Column("return", "return", digits=None),
        Column("hidden", "hidden", detail=True),
    ),
    (
        ("a|b_c", 3, Estimate(0.8449, 0.0312), Estimate(-1199.4, 46.2), True),
        ("plain", None, Estimate(-0.001), None, False),
    ),
    ("First note: 3 × 4 ± 1.",),
)

MARKDOWN = r"""
A tiny table_of 100 % nothing.

| name   |   n |    accuracy |     return |
|:-------|----:|------------:|-----------:|
| a\|b_c |   3 | 0.84 ± 0.03 | -1199 ± 46 |
| plain  |   – |        0.00 |          – |

- First note: 3 × 4 ± 1.
"""

LATEX = r"""
\begin{table}
\centering
\caption{A tiny table\_of 100 \% nothing.}
\label{tab:tiny-small}
\begin{tabular}{lrrr}
\toprule
name & n & accuracy & return \\
\midrule
a\textbar{}b\_c & $3$ & $0.84 \pm 0.03$ & $-1199 \pm 46$ \\
plain & -- & $0.00$ & -- \\
\bottomrule
\end{tabular}
\par\footnotesize First note: 3 $\times$ 4 $\pm$ 1.
\end{table}
"""

TEXT = """
A tiny table_of 100 % nothing.

name   n     accuracy      return
─────────────────────────────────
a|b_c  3  0.84 ± 0.03  -1199 ± 46
plain  –         0.00           –

First note: 3 × 4 ± 1.
"""


def test_markdown():
    assert render([TABLE], "markdown") == MARKDOWN.strip()


def test_latex():
    assert render([TABLE], "latex") == LATEX.strip()


def test_text():
    assert text([TABLE]) == TEXT.strip()


def test_a_note_of_several_tables_is_said_once_in_text():
    assert text([TABLE, TABLE]).count("First note") == 1
    assert render([TABLE, TABLE], "markdown").count("First note") == 2


def test_csv_holds_full_precision_and_hidden_columns():
    name, _, body = render([TABLE], "csv").partition("\n")
    assert name == "# tiny & small"
    rows = list(csv.DictReader(io.StringIO(body)))
    assert rows[0] == {
        "name": "a|b_c",
        "n": "3",
        "accuracy": "0.8449",
        "accuracy_error": "0.0312",
        "return": "-1199.4",
        "return_error": "46.2",
        "hidden": "True",
    }
    assert rows[1]["accuracy_error"] == rows[1]["return"] == rows[1]["n"] == ""


def test_json_has_null_where_a_value_is_missing():
    (table,) = json.loads(render([TABLE], "json"))
    assert table["name"] == "tiny & small"
    assert table["rows"][0]["accuracy"] == 0.8449
    assert table["rows"][1]["return"] is None
    assert table["rows"][1]["accuracy_error"] is None
    assert {"key": "hidden", "title": "hidden"} in table["columns"]
    assert table["notes"] == list(TABLE.notes)


@pytest.mark.parametrize("format_", ["markdown", "csv", "latex", "json"])
def test_an_empty_table_renders(format_):
    empty = Table("empty", "Nothing.", (Column("a", "a"), Column("b", "b")), ())
    assert "a" in render([empty], format_)


def test_captions_and_notes_fit_a_terminal():
    long = Table("long", "word " * 100, (Column("a", "a"),), ((1,),), ("note " * 100,))
    assert max(len(line) for line in render([long], "markdown").splitlines()) <= WIDTH
    assert max(len(line) for line in text([long]).splitlines()) <= WIDTH


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Estimate(0.5, 0.0), "0.500 ± 0.000"),
        (Estimate(32536.0, 1234.0), "32536 ± 1234"),
        (Estimate(21.04, 2.44), "21.0 ± 2.4"),
        (Estimate(0.0, None), "0.0"),
        (123.4, "123"),
        (0.01234, "0.012"),
    ],
)
def test_decimals_follow_the_error(value, shown):
    table = Table("t", "c", (Column("x", "x", digits=None),), ((value,),))
    assert f"| {shown} |" in render([table], "markdown").replace("  ", " ").replace("|  ", "| ")


def test_latex_escapes_everything_that_it_would_act_on():
    assert escape(r"50 % of a_b & {c} #1 $x ~ ^ \ < > | –") == (
        r"50 \% of a\_b \& \{c\} \#1 \$x \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{} "
        r"\textgreater{} \textbar{} --"
    )


def test_an_unknown_format_lists_what_there_is():
    with pytest.raises(CwmbError, match=r"did you mean 'markdown'.*csv, html, json, latex, markdown"):
        render([TABLE], "markdwon")


def test_no_value_is_not_a_number():
    assert estimate(float("nan"), 0.1) is None
    assert estimate(1.0, float("nan")) == Estimate(1.0, None)


def test_a_row_must_fit_its_columns():
    with pytest.raises(ValueError, match="2 values for 1 columns"):
        Table("t", "c", (Column("a", "a"),), ((1, 2),))
