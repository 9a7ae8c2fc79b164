"""The audit: transitions that a program has to predict again, in a process that has seen nothing of the rest.

A program that learns while it is scored (from a row it learns the answer to an earlier one) says something else there.
"""

from __future__ import annotations

import numpy as np

from cwmb.types import NOT_RUN, Bools, Failure, Floats, Ints, Predictions, Transitions


def draw(
    truth: Transitions, classes: Ints | None, terminal: Bools, ran: Bools, count: int, rng: np.random.Generator
) -> Ints:
    """The transitions to repeat, in an order that tells nothing: ``count`` of each kind, or all where there are fewer.

    classes: of rewards that weigh the same in total [N], None where every transition weighs the same; terminal: which
    transitions end an episode [N]; ran: those that the program got to [N], of which only some are drawn.

    A kind is a class of rewards, terminal or not. Classes of which each is less than a ``count``-th of the score are
    one kind together, where a transition is drawn by its weight. Of an episode no two steps in a row are drawn, and no
    pair of observation and action twice, so that none of the rows tells the answer to another one.
    """
    if classes is None:
        classes = np.zeros(len(truth), np.int64)
    sizes = np.bincount(classes)
    draws = rng.exponential(size=len(truth)) * sizes[classes]  # the smallest ones are a sample by weight
    kinds = 2 * (classes if len(sizes) <= count else np.zeros_like(classes)) + terminal
    order = np.argsort(draws)
    order = order[ran[order]]
    drawn: list[int] = []
    places: set[tuple[int, int]] = set()
    pairs: set[bytes] = set()
    found, numbers = np.unique(kinds[order], return_counts=True)
    for kind in found[np.argsort(numbers, kind="stable")]:  # the rare ones first: their rows have no substitutes
        left = count
        for i in order[kinds[order] == kind].tolist():
            episode, step = int(truth.episodes[i]), int(truth.steps[i])
            pair = truth.observations[i].tobytes() + truth.actions[i].tobytes()
            if pair in pairs or (episode, step - 1) in places or (episode, step + 1) in places:
                continue
            drawn.append(i)
            places.add((episode, step))
            pairs.add(pair)
            left -= 1
            if not left:
                break
    return rng.permutation(np.array(drawn, dtype=np.int64))


def verdict(index: Ints, said: Predictions, again: Predictions) -> Failure | None:
    """What is wrong with a program that said this of the transitions ``index``, and that of the same in the audit."""
    unlike = index[~_same(said, again) & (again.status != NOT_RUN)]
    if len(unlike):
        first = int(unlike.min())
        return Failure(
            "stateful",
            f"transition {first} was predicted differently by a fresh process: the program carries knowledge from one "
            "transition to the next",
            transition=first,
        )
    if (again.status == NOT_RUN).any():
        return again.failure or Failure("stateful", "a fresh process of the program did not predict anything")
    return None


def _same(a: Predictions, b: Predictions) -> Bools:
    same = (a.status == b.status) & (a.done == b.done) & _equal(a.rewards, b.rewards)
    return np.asarray(same & _equal(a.observations, b.observations).all(axis=1))


def _equal(a: Floats, b: Floats) -> Bools:
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))
