"""How cost grows: the arithmetic of curves, and trees whose selection does not depend on their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cwmb.bench import search
from cwmb.bench.growth import curve, draw, ledger_by_calls, selection_by_nodes, sizes, tables_by_records
from cwmb.strategies.gif_mcts import GifMcts
from cwmb.strategies.gif_mcts.search import Tree
from cwmb.strategies.gif_mcts.tree import Node


def test_sizes_cover_the_range_evenly_in_the_logarithm() -> None:
    assert sizes(10_000) == [100, 316, 1000, 3162, 10_000]
    assert len(sizes(101)) == 3


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_curve_knows_how_it_grows(exponent: float) -> None:
    found = curve("it", "n", "s", [(n, 3.0 * n**exponent) for n in (10, 100, 1000, 10_000)])
    assert found.exponent == exponent


def test_curves_are_measured_and_drawn(tmp_path: Path) -> None:
    curves = [selection_by_nodes(300), *ledger_by_calls(tmp_path, 3000), tables_by_records(tmp_path, 200)]
    assert [c.points[-1][0] for c in curves] == [300, 3000, 3000, 3000, 200]
    assert all(value > 0 for c in curves for _, value in c.points)
    pytest.importorskip("matplotlib")
    draw(curves, tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text().count("<svg") == 1


def test_what_a_tree_keeps_up_equals_what_it_would_compute_anew() -> None:
    options = GifMcts(improve_by_gain=True)
    tree, rng, answers = Tree(options), np.random.default_rng(0), search.Answers(400)

    def is_open(node: Node) -> bool:
        return bool(tree.offers(node)) or any(map(is_open, node.children))

    while len(tree.nodes) < 300:
        node = tree.nodes[rng.integers(len(tree.nodes))]
        if offers := tree.offers(node):
            action = offers[rng.integers(len(offers))]
            tree.backup(tree.expand(node, action, answers.answer(search.PROMPT), answers.evaluate))
    assert [n.open for n in tree.nodes] == [is_open(n) for n in tree.nodes]
    for action, mean in tree.means.items():
        values = [n.value or 0.0 for n in tree.nodes if n.action == action]  # 0 while a bug is being fixed
        assert mean.mean == pytest.approx((2 * mean.prior + sum(values)) / (2 + len(values)))
    gains = [
        n.first_score - n.parent.first_score
        for n in tree.nodes
        if n.action == "improve" and n.parent and n.first_score is not None and n.parent.first_score is not None
    ]
    assert (tree.gain.count, tree.gain.total) == (len(gains), pytest.approx(sum(gains)))
