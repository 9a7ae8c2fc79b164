"""What needs no model of the world: the nearest recorded transition, and a linear regression of what changes.

They predict from the training data alone. A program that does not beat them has learned nothing but the data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cwmb.judging.scoring import Rules, most_common, persistence
from cwmb.types import OK, Bools, Floats, Ints, Predictions, Space, Transitions

ROUNDING = 1e-9  # of squared distances
Spaces = tuple[Space, Space]  # of observations and of actions


def lookup(truth: Transitions, train: Transitions, spaces: Spaces, rules: Rules) -> Predictions:
    """What followed on the nearest training transition; where several are equally near, most often.

    Near are transitions of one discrete action and of similar observations, their elements scaled by their deviation;
    of similar actions, too, where these are continuous. A vector changes by as much as it did there; anything else
    becomes what it became. A single discrete number is like itself alone: of one never met the persistence program
    says what follows.
    """
    observation, action = spaces
    plain = persistence(truth, train, rules)
    said, rewards, done = plain.observations.copy(), plain.rewards.copy(), plain.done.copy()
    place, wanted = _places(train, train, spaces), _places(truth, train, spaces)
    size = (place**2).sum(axis=1)
    outcome = train.next_observations - (train.observations if observation.kind == "box" else 0.0)
    for i, point in enumerate(wanted):
        distance = size - 2 * place @ point + point @ point
        if action.kind == "discrete":
            distance = np.where((train.actions == truth.actions[i]).all(axis=1), distance, np.inf)
        least = distance.min()
        if least == np.inf or (observation.kind == "discrete" and least > ROUNDING):
            continue
        near = np.flatnonzero(distance <= least + ROUNDING)
        going_on = near[~train.terminated[near]] if not train.terminated[near].all() else near
        start = truth.observations[i] if observation.kind == "box" else 0.0
        likely = [most_common(column) for column in outcome[going_on].T] if len(going_on) > 1 else outcome[going_on[0]]
        said[i] = start + np.asarray(likely)
        rewards[i] = most_common(train.rewards[near])
        done[i] = most_common(train.terminated[near]) > 0
    return _predictions(said, rewards, done)


def linear(truth: Transitions, train: Transitions, spaces: Spaces, rules: Rules) -> Predictions:
    """Least squares of the change, the reward and the end on observation, action and 1; discrete parts are rounded."""
    return regression(truth, train, spaces, rules, _least_squares)


Regressor = Callable[[Floats, Floats, Floats], Floats]  # of inputs [N, P], outputs [N, Q], other inputs [M, P]: [M, Q]


def regression(truth: Transitions, train: Transitions, spaces: Spaces, rules: Rules, regress: Regressor) -> Predictions:
    """Any regression of the change, the reward and the end on observation and action; discrete parts are rounded.

    regress: gets all scaled by the deviations in training data; discrete actions are one column each.
    """
    inputs, other = _inputs(train, train, spaces), _inputs(truth, train, spaces)
    outputs = np.column_stack([train.next_observations - train.observations, train.rewards, train.terminated])
    going_on = ~train.terminated  # the next state of an end does not count
    centre, scale = outputs[going_on].mean(axis=0), _deviation(outputs[going_on])
    ends = outputs[:, -2:]
    middle, width = ends.mean(axis=0), _deviation(ends)
    change = regress(inputs[going_on], ((outputs - centre) / scale)[going_on, :-2], other) * scale[:-2] + centre[:-2]
    rewards, done = (regress(inputs, (ends - middle) / width, other) * width + middle).T
    said = truth.observations + change
    if spaces[0].kind != "box":
        said = np.rint(said)
    if rules.by_reward or rules.reward == "float32":
        rewards = _nearest(rewards, np.unique(train.rewards))
    return _predictions(said, rewards, done > 0.5)


def _least_squares(inputs: Floats, outputs: Floats, other: Floats) -> Floats:
    def with_one(x: Floats) -> Floats:
        return np.column_stack([x, np.ones(len(x))])

    return np.asarray(with_one(other) @ np.linalg.lstsq(with_one(inputs), outputs, rcond=None)[0])


def _inputs(data: Transitions, train: Transitions, spaces: Spaces) -> Floats:
    """Observations and actions as numbers of like size [N, P]."""
    actions = data.actions
    if spaces[1].kind == "discrete":
        low, high = int(spaces[1].low[0]), int(spaces[1].high[0])
        actions = (actions == np.arange(low, high + 1)).astype(np.float64)
        return np.column_stack([_scaled(data.observations, train.observations), actions])
    return np.column_stack([_scaled(data.observations, train.observations), _scaled(actions, train.actions)])


def _places(data: Transitions, train: Transitions, spaces: Spaces) -> Floats:
    if spaces[0].kind == "discrete":
        return data.observations
    scaled = _scaled(data.observations, train.observations)
    if spaces[1].kind == "discrete":
        return scaled
    return np.column_stack([scaled, _scaled(data.actions, train.actions)])


def _scaled(values: Floats, train: Floats) -> Floats:
    return np.asarray((values - train.mean(axis=0)) / _deviation(train))


def _deviation(values: Floats) -> Floats:
    deviation: Floats = values.std(axis=0)
    return np.where(deviation > 1e-12, deviation, 1.0)


def _nearest(values: Floats, known: Floats) -> Floats:
    index: Ints = np.abs(values[:, None] - known).argmin(axis=1)
    return np.asarray(known[index])


def _predictions(said: Floats, rewards: Floats, done: Bools) -> Predictions:
    return Predictions(said, rewards, np.asarray(done, dtype=bool), np.full(len(rewards), OK, dtype=np.uint8))
