from hypothesis import given
from hypothesis import strategies as st

from cwmb.seeds import Purpose, generator, number

seeds = st.integers(0, 2**31)
names = st.sampled_from(["CartPole-v1", "Taxi-v3"])
purposes = st.sampled_from(list(Purpose))
keys = st.tuples(seeds, names, purposes, st.integers(0, 1000))


@given(keys)
def test_a_key_has_one_stream(key: tuple[int, str, Purpose, int]) -> None:
    assert generator(*key).bytes(8) == generator(*key).bytes(8)
    assert 0 <= number(*key) < 2**31


@given(keys, keys)
def test_other_keys_have_other_streams(a: tuple[int, str, Purpose, int], b: tuple[int, str, Purpose, int]) -> None:
    assert (generator(*a).bytes(16) == generator(*b).bytes(16)) == (a == b)
