"""Tables as Markdown, plain text, CSV, LaTeX, HTML and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence

from cwmb.errors import CwmbError, unknown
from cwmb.report.table import Column, Estimate, Table, Value
from cwmb.text import in_csv, in_html, in_markdown, line

MISSING = "–"
WIDTH = 120


def render(tables: Sequence[Table], format_: str) -> str:
    """Tables in one of the formats of FORMATS.

    Raises:
        CwmbError: there is no such format.
    """
    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    return FORMATS[format_](tables)


def markdown(tables: Sequence[Table]) -> str:
    """Pipe tables, each under its caption and above its notes."""
    from tabulate import tabulate

    blocks = []
    for table in tables:
        head, *rows = [[in_markdown(cell) for cell in row] for row in _cells(table)]
        align = ["right" if right else "left" for right in _numeric(table)]
        body: str = tabulate(rows, head, "pipe", disable_numparse=True, colalign=align if rows else None)
        notes = "\n".join(_wrapped(in_markdown(note), "- ") for note in table.notes)
        blocks.append("\n\n".join(part for part in (_wrapped(in_markdown(table.caption)), body, notes) if part))
    return "\n\n\n".join(blocks)


def in_place(page: str, name: str, content: str) -> str:
    """A page with what is between ``<!-- table NAME -->`` and ``<!-- end -->`` replaced.

    Raises:
        CwmbError: there is no such place.
    """
    place = re.search(rf"(?<=<!-- table {name} -->\n).*?(?=<!-- end -->)", page, re.DOTALL)
    if place is None:
        raise CwmbError(f"the page has no place for a table: add '<!-- table {name} -->' and '<!-- end -->'")
    return f"{page[: place.start()]}\n{content}\n\n{page[place.end() :]}"


def text(tables: Sequence[Table]) -> str:
    """For a terminal of 120 columns: narrower, and what several tables note is said once, at the end."""
    blocks = [f"{_wrapped(line(table.caption))}\n\n{_narrow(table)}" for table in tables]
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    return "\n\n".join([*blocks, "\n".join(_wrapped(line(note)) for note in notes)]).rstrip()


def _narrow(table: Table) -> str:
    """Without the padding that tabulate gives to headings: the widest tables just fit."""
    cells = _cells(table)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = _numeric(table)
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def to_csv(tables: Sequence[Table]) -> str:
    """Blocks with a header line each, separated by an empty line and introduced by ``# name``; full precision."""
    blocks = []
    for table in tables:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(_fields(table))
        writer.writerows(map(_csv_value, record.values()) for record in _records(table))
        blocks.append(f"# {table.name}\n{buffer.getvalue()}")
    return "\n".join(blocks).rstrip("\n")


def to_json(tables: Sequence[Table]) -> str:
    """A list of objects with name, caption, columns (key and title), rows (objects; null where missing) and notes."""
    content = [
        {
            "name": table.name,
            "caption": table.caption,
            "columns": [{"key": c.key, "title": c.title} for c in table.columns],
            "rows": _records(table),
            "notes": list(table.notes),
        }
        for table in tables
    ]
    return json.dumps(content, indent=1, allow_nan=False)  # in ASCII: nothing that a terminal obeys


def html(tables: Sequence[Table]) -> str:
    """For notebooks and web pages: each table under its caption and above its notes; what a cell holds is only text."""
    from tabulate import tabulate

    blocks = []
    for table in tables:
        head, *rows = [list(map(line, row)) for row in _cells(table)]
        align = ["right" if right else "left" for right in _numeric(table)]
        body: str = tabulate(rows, head, "html", disable_numparse=True, colalign=align if rows else None)
        notes = "".join(f"\n<p>{in_html(note)}</p>" for note in table.notes)
        blocks.append(f"<p>{in_html(table.caption)}</p>\n{body}{notes}")
    return "\n\n".join(blocks)


def latex(tables: Sequence[Table]) -> str:
    r"""``table`` environments with booktabs rules; a preamble needs ``\usepackage{booktabs}`` and nothing else."""
    return "\n\n".join(_latex(table) for table in tables)


FORMATS: dict[str, Callable[[Sequence[Table]], str]] = {
    "markdown": markdown,
    "csv": to_csv,
    "latex": latex,
    "html": html,
    "json": to_json,
}


# ------------------------------------------------------------------------------------------------ for machines


def _fields(table: Table) -> list[str]:
    """The names of all fields: columns, and the errors of those that hold an Estimate in any row."""
    fields = []
    for i, column in enumerate(table.columns):
        fields.append(column.key)
        if any(isinstance(row[i], Estimate) for row in table.rows):
            fields.append(f"{column.key}_error")
    return fields


def _records(table: Table) -> list[dict[str, str | bool | int | float | None]]:
    fields = _fields(table)
    records = []
    for row in table.rows:
        record: dict[str, str | bool | int | float | None] = dict.fromkeys(fields)
        for column, value in zip(table.columns, row, strict=True):
            if isinstance(value, Estimate):
                record[column.key], record[f"{column.key}_error"] = value.value, value.error
            else:
                record[column.key] = value
        records.append(record)
    return records


# -------------------------------------------------------------------------------------------------- for people


def _shown(table: Table) -> list[int]:
    """Indices of the columns for people."""
    return [i for i, column in enumerate(table.columns) if not column.detail]


def _headings(table: Table) -> list[str]:
    return [table.columns[i].title for i in _shown(table)]


def _cells(table: Table) -> list[list[str]]:
    """What people read: the headings, then row by row."""
    return [_headings(table), *([_cell(table, row, i) for i in _shown(table)] for row in table.rows)]


def _numeric(table: Table) -> list[bool]:
    """Which of the shown columns hold numbers: those are aligned to the right."""

    def numbers(i: int) -> bool:
        values = [row[i] for row in table.rows if row[i] is not None]
        return bool(values) and all(isinstance(v, (int, float, Estimate)) and not isinstance(v, bool) for v in values)

    return [numbers(i) for i in _shown(table)]


def _wrapped(text: str, bullet: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet))


def _cell(table: Table, row: tuple[Value, ...], i: int) -> str:
    """A value as people read it."""
    value, column = row[i], table.columns[i]
    if isinstance(value, Estimate):
        mean, error = figures(value, column)
        return mean if error is None else f"{mean} ± {error}"
    return _plain(value, column)


def _plain(value: str | bool | int | float | None, column: Column) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return figures(Estimate(value), column)[0]
    return line(value)


def _csv_value(value: str | bool | int | float | None) -> str | bool | int | float | None:
    return in_csv(value) if isinstance(value, str) else value


def figures(value: Estimate, column: Column) -> tuple[str, str | None]:
    """A value and its error with the same number of decimals."""
    digits = _digits(value) if column.digits is None else column.digits
    mean = f"{value.value:.{digits}f}"
    if float(mean) == 0:
        mean = mean.removeprefix("-")
    return mean, None if value.error is None else f"{value.error:.{digits}f}"


def _digits(value: Estimate) -> int:
    """Decimals: two significant figures of the error, or three of the value; at most three."""
    scale, significant = (value.error, 2) if value.error else (abs(value.value), 3)
    if scale == 0:
        return 1
    return min(3, max(0, significant - 1 - math.floor(math.log10(scale))))


# ------------------------------------------------------------------------------------------------------- LaTeX

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "…": r"\ldots{}",
}
_SPECIAL = re.compile("|".join(re.escape(character) for character in _LATEX))


def escape(text: str) -> str:
    """Text that LaTeX typesets as it stands here."""
    return _SPECIAL.sub(lambda match: _LATEX[match.group()], line(text))


def _latex(table: Table) -> str:
    shown = _shown(table)
    align = "".join("r" if right else "l" for right in _numeric(table))
    head = " & ".join(map(escape, _headings(table)))
    body = [" & ".join(_latex_cell(table, row, i) for i in shown) + r" \\" for row in table.rows]
    notes = [rf"\par\footnotesize {escape(note)}" for note in table.notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(table.caption)}}}",
            rf"\label{{tab:{re.sub('[^a-z0-9]+', '-', table.name.lower())}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
        ]
    )


def _latex_cell(table: Table, row: tuple[Value, ...], i: int) -> str:
    value, column = row[i], table.columns[i]
    if isinstance(value, bool) or not isinstance(value, (int, float, Estimate)):
        return escape(_plain(value, column))
    if isinstance(value, int):
        return f"${value}$"
    mean, error = figures(value if isinstance(value, Estimate) else Estimate(value), column)
    return f"${mean}$" if error is None else rf"${mean} \pm {error}$"
