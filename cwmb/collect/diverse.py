"""Few transitions that show much: each kind of reward, an end, and then whatever is farthest from those before."""

from __future__ import annotations

import numpy as np

from cwmb.types import Ints, Transitions


def diverse(data: Transitions, count: int, finite_rewards: bool, rng: np.random.Generator) -> Ints:
    """The indices [count] of transitions chosen for diversity, in the order of the data.

    finite_rewards: whether the reward takes few values, each of which is to be seen.
    """
    columns = [data.observations, data.actions, data.next_observations - data.observations, data.rewards[:, None]]
    features = np.hstack(columns)
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-12)
    order = rng.permutation(len(data))
    kinds = [data.terminated] + [data.rewards == value for value in np.unique(data.rewards) if finite_rewards]
    chosen: list[int] = []
    for kind in kinds:
        found = [int(i) for i in order if kind[i]]
        if found and len(chosen) < count and not kind[chosen].any():
            chosen.append(found[0])
    if not chosen:
        chosen.append(int(order[0]))
    distance = np.min([np.linalg.norm(features - features[i], axis=1) for i in chosen], axis=0)
    while len(chosen) < min(count, len(data)):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return np.sort(np.array(chosen, dtype=np.int64))
