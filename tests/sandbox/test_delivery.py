"""In which order transitions reach a program."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cwmb.sandbox.delivery import MAX_BYTES, MAX_ROWS, messages


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=200), st.sampled_from([8, 3000, 10**6]))
def test_no_successor_comes_in_the_same_message_or_an_earlier_one(rows: list[tuple[int, int]], width: int) -> None:
    steps = np.array([step for _, step in rows], dtype=np.int64)
    order, sizes = messages(steps, width)
    pieces = np.split(order, np.cumsum(sizes)[:-1])
    assert sum(sizes) == len(rows)
    assert sorted(i for piece in pieces for i in piece.tolist()) == list(range(len(rows)))
    message_of = {i: k for k, piece in enumerate(pieces) for i in piece.tolist()}
    for i, (episode, step) in enumerate(rows):
        for j, (other, later) in enumerate(rows):
            if episode == other and later == step + 1:
                assert message_of[j] > message_of[i]
    for size in sizes:
        assert 1 <= size <= MAX_ROWS
        assert size == 1 or size * width <= MAX_BYTES
