"""Pages of HTML: templates filled in, with what a browser is told not to do."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cwmb import __version__
from cwmb.site.board import Metric
from cwmb.site.calls import Call
from cwmb.text import printable

_TEMPLATES = Path(__file__).parent / "templates"
SHADES = tuple(f"h{i}" for i in range(11))  # from 0 to 1, as the style colours them


def page(template: str, *, root: str, **content: Any) -> str:
    """A page. root: the way from it to the site's first page."""
    return _environment().get_template(template).render(root=root, **content)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_finalize,
    )
    style = "".join((_TEMPLATES / "style.css").read_text(encoding="utf-8").splitlines())
    script = (_TEMPLATES / "script.js").read_text(encoding="utf-8")
    made.globals |= {
        "style": Markup(style),
        "script": Markup(script),
        "policy": (
            f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        "version": __version__,
    }
    made.filters |= {
        "fixed": fixed,
        "figures": figures,
        "amount": amount,
        "dollars": dollars,
        "shade": shade,
        "bar": _bar,
        "anchor": anchor,
    }
    return made


def _finalize(value: Any) -> Any:
    """Whatever a template shows that is not markup of ours: without characters that do something or cannot be seen."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _source(text: str) -> str:
    """What a content security policy calls an inline script or style: nothing else of the kind is run or applied."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals."""
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def figures(metric: Metric | None) -> str:
    """A value and the ends of its interval, as far as there are any, for the page's script."""
    known = () if metric is None else (metric.value, metric.low, metric.high)
    return " ".join(f"{value:.5g}" for value in known if value is not None)


def amount(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return "–" if value is None else f"{value:,.0f}"


def dollars(value: float | None) -> str:
    """Dollars, with cents or as many digits as a small sum needs."""
    return "–" if value is None else f"{value:.2f}" if value >= 1 else f"{value:.4f}"


def shade(value: float | None) -> str:
    """The class of a skill's colour."""
    return "" if value is None else SHADES[round(10 * min(1.0, max(0.0, value)))]


def anchor(call: Call) -> str:
    """The id of a call on its page."""
    return "program" if call.index is None else f"call-{call.index}"


def _bar(value: float | None) -> Markup:
    width = 40 * min(1.0, max(0.0, value or 0.0))
    return Markup(
        '<svg viewBox="0 0 40 6" width="40" height="6"><rect class="scale" width="40" height="6" rx="2"/>'
        '<rect class="value" width="{}" height="6" rx="2"/></svg>'
    ).format(f"{width:.1f}")
