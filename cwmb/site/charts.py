"""Charts as SVG for a page's markup: Vega-Lite, drawn when the site is built, by the vl-convert package.

Nothing of it is scripted or fetched when a page is viewed. Marks carry descriptions for screen readers, which are their
tooltips too, and links; what colour text and axes have is left to the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import log
from typing import Any
from xml.etree import ElementTree

import vl_convert
from markupsafe import Markup

from cwmb.site.board import Metric, Row
from cwmb.text import line

# Okabe and Ito's colours that can be told apart by everybody, on white and on black.
PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
LINE = 0.06  # of skill, that a line of text is high
NAMES = 12  # beside points, at most
CURVES = 20  # of the anytime chart, the best ones
_SVG = "http://www.w3.org/2000/svg"
_CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "domain": False, "tickCount": 6},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "orient": "bottom", "columns": 4},
    "view": {"stroke": None},
    "range": {"category": PALETTE},
}

Value = dict[str, Any]


def cost_and_skill(rows: Sequence[Row], cost: str, title: str) -> Markup | None:
    """What a search cost (``tokens`` or ``dollars``) against skill, with the Pareto front; None without a point."""
    points = [
        {
            "cost": getattr(row, cost),
            "skill": skill.value,
            "strategy": line(row.strategy, 24),
            "name": line(row.name, 34),
            "href": f"entries/{row.slug}/index.html",
            "said": f"{_named(row)}: skill {skill.value:.3f}, {title} {_brief(row, cost)}",
        }
        for row in rows
        if (skill := row.metric("skill")) is not None and (getattr(row, cost) or 0) > 0
    ]
    if not points:
        return None
    best = front(points)
    x = {
        "field": "cost",
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": False, "padding": 14},
    }
    y = {"field": "skill", "type": "quantitative", "title": "skill", "scale": _skills(points)}
    # Where labels would leave the chart they go to the left of their points.
    middle = sorted(point["cost"] for point in points)[len(points) // 2]
    labels = [
        {
            "data": {"values": [p for p in legible(best) if (p["cost"] > middle) == left]},
            "mark": {
                "type": "text",
                "align": "right" if left else "left",
                "dx": -9 if left else 9,
                "dy": -9,
                "fontSize": 12,
                "aria": False,
            },
            "encoding": {"x": x, "y": y, "text": {"field": "name"}},
        }
        for left in (False, True)
    ]
    front_line = {
        "data": {"values": best},
        "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [4, 3], "color": "#888", "aria": False},
        "encoding": {"x": x, "y": y},
    }
    marks = {
        "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.9},
        "encoding": {
            "x": x,
            "y": y,
            "color": _by_strategy(),
            "shape": _by_strategy(),
            "href": {"field": "href"},
            "description": {"field": "said"},
        },
    }
    return drawn({"data": {"values": points}, "layer": [front_line, marks, *labels]}, f"Skill against {title}")


def front(points: Iterable[Value]) -> list[Value]:
    """The points that none is both cheaper and better than, the cheapest first."""
    best: list[Value] = []
    for point in sorted(points, key=lambda p: (p["cost"], -p["skill"])):
        if not best or point["skill"] > best[-1]["skill"]:
            best.append(point)
    return best


def legible(best: Sequence[Value]) -> list[Value]:
    """The points of a front whose names can stand beside them without covering each other's; the best ones first."""
    wide = 0.4 * log(best[-1]["cost"] / best[0]["cost"])  # a long name's share of the chart's width
    named: list[Value] = []
    for point in reversed(best):
        if all(log(other["cost"] / point["cost"]) > wide or other["skill"] - point["skill"] > LINE for other in named):
            named.append(point)
    return named[:NAMES]


def anytime(rows: Sequence[Row], against: str) -> Markup | None:
    """Skill on training transitions against calls or tokens, of the best configurations; None without a curve."""
    able = [row for row in rows if row.anytime]
    shown = sorted(able, key=lambda row: -row.anytime[-1][2])[:CURVES]
    values = [
        {
            "x": calls if against == "calls" else tokens,
            "skill": skill,
            "strategy": line(row.strategy, 24),
            "curve": str(number),
            "said": f"{_named(row)}: skill {skill:.3f} after {calls} calls",
        }
        for number, row in enumerate(shown)
        for calls, tokens, skill in row.anytime
        if (calls == 1 or calls % max(1, row.calls // 50) == 0) and tokens > 0
    ]
    if not values:
        return None
    title = "calls" if against == "calls" else "tokens of a search"
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "title": title,
            "scale": {"type": "log", "nice": False, "padding": 14},
        },
        "y": {"field": "skill", "type": "quantitative", "title": "skill, training", "scale": _skills(values)},
        "color": _by_strategy(),
        "detail": {"field": "curve"},
    }
    described = {**encoding, "description": {"field": "said"}, "shape": {**_by_strategy(), "legend": None}}
    return drawn(
        {
            "data": {"values": values},
            "layer": [
                {"mark": {"type": "line", "opacity": 0.8, "aria": False}, "encoding": encoding},
                {"mark": {"type": "point", "filled": True, "size": 30}, "encoding": described},
            ],
        },
        f"Skill against {title}",
    )


def states(
    real: Sequence[Sequence[float | None]], predicted: Sequence[Sequence[float | None]], names: Sequence[str]
) -> Markup:
    """The state over an episode, one panel an element: what happened, and what the program had said of each step.

    real, predicted: [T, K], of which row t is after step t; names: of the K elements.
    """
    values = [
        {"step": step + 1, "element": name, "value": row[i], "what": what}
        for what, rows in (("real", real), ("predicted", predicted))
        for step, row in enumerate(rows)
        for i, name in enumerate(names)
        if i < len(row) and row[i] is not None
    ]
    encoding: Value = {
        "x": {"field": "step", "type": "quantitative", "title": "step"},
        "y": {
            "field": "value",
            "type": "quantitative",
            "title": None,
            "scale": {"zero": False},
            "axis": {"tickCount": 3},
        },
        "color": {"field": "what", "type": "nominal", "title": None, "sort": ["real", "predicted"]},
        # A pale broad line under a thin broken one: both are seen where they are the same.
        "strokeDash": {"condition": {"test": "datum.what == 'real'", "value": [1, 0]}, "value": [5, 5]},
        "strokeWidth": {"condition": {"test": "datum.what == 'real'", "value": 5}, "value": 1.75},
        "opacity": {"condition": {"test": "datum.what == 'real'", "value": 0.45}, "value": 1},
        "row": {
            "field": "element",
            "sort": list(names),
            "title": None,
            "header": {
                "labelAngle": 0,
                "labelAlign": "left",
                "labelFontSize": 12,
                "labelOrient": "top",
                "labelPadding": 2,
            },
        },
    }
    return drawn(
        {
            "data": {"values": values},
            "mark": "line",
            "encoding": encoding,
            "resolve": {"scale": {"y": "independent"}},
        },
        "The state over the episode",
        height=70,
    )


def drawn(spec: Value, label: str, height: int = 300) -> Markup:
    """A Vega-Lite specification as SVG markup that a page's own style may colour."""
    whole = {"width": 620, "height": height, "config": _CONFIG, **spec}
    return _cleaned(vl_convert.vegalite_to_svg(whole, allowed_base_urls=[]), label)


def whisker(metric: Metric) -> Markup:
    """A value with its interval on a line from 0 to 1."""

    def at(value: float) -> str:
        return f"{4 + 72 * min(1.0, max(0.0, value)):.1f}"

    low, high = (metric.value if edge is None else edge for edge in (metric.low, metric.high))
    return Markup(
        '<svg class="whisker" viewBox="0 0 80 10" width="80" height="10" aria-hidden="true">'
        '<line x1="4" x2="76" y1="5" y2="5" class="scale"/><line x1="{}" x2="{}" y1="5" y2="5" class="span"/>'
        '<circle cx="{}" cy="5" r="3.2"/></svg>'
    ).format(at(low), at(high), at(metric.value))


def _skills(values: Iterable[Value]) -> Value:
    """A scale from 0, or what is less, to 1, or what is more."""
    known = [value["skill"] for value in values]
    return {"domain": [min(0.0, *known, 0.0), max(1.0, *known, 1.0)], "nice": False}


def _by_strategy() -> Value:
    return {"field": "strategy", "type": "nominal", "title": "strategy"}


def _named(row: Row) -> str:
    return f"{line(row.name, 80)}, {line(row.label, 60)}"


def _brief(row: Row, cost: str) -> str:
    value = float(getattr(row, cost))
    return f"${value:.4f}" if cost == "dollars" else f"{value:,.0f}"


_LINK = "{http://www.w3.org/1999/xlink}href"
_BLACKS = {"#000", "black", "#000000"}


def _cleaned(svg: str, label: str) -> Markup:
    """The drawing without styles of its own, black left to the page, with tooltips where there are descriptions."""
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.attrib.pop("style", None)
        element.attrib.pop("font-family", None)
        if element.get("fill") in _BLACKS:
            element.set("fill", "currentColor")
        if element.get("stroke") == "#ddd":
            element.set("class", f"{element.get('class', '')} grid".strip())
        said = element.get("aria-label")
        if said and element.get("role") == "graphics-symbol" and "role-axis" not in element.get("class", ""):
            tooltip = ElementTree.Element(f"{{{_SVG}}}title")
            tooltip.text = said
            element.insert(0, tooltip)
        element.attrib.pop("aria-roledescription", None)
        if (link := element.attrib.pop(_LINK, None)) is not None:  # Vega has put an address of its own before it
            element.set("href", link[link.index("entries/") :])
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("class", "chart")
    root.set("role", "group")
    root.set("aria-label", label)
    return Markup(re.sub(r"\s+xmlns:ns\d+=\"[^\"]*\"", "", ElementTree.tostring(root, encoding="unicode")))
