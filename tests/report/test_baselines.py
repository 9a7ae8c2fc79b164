"""The stored baselines belong to the protocols as they are now, and their table says what is missing."""

import pytest

from cwmb.benchmark.baselines import baselines
from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.protocols import protocol, protocol_names
from cwmb.harness.measure import oracle_settings, random_settings
from cwmb.report.baselines import baseline_table


@pytest.mark.parametrize("name", protocol_names())
def test_what_is_stored_was_measured_under_the_protocol_as_it_is(name):
    rules, known = protocol(name), baselines(name)
    assert known.protocol_sha256 == rules.checksum
    assert set(known.environments) == set(environment_ids())
    for env, found in known.environments.items():
        spec = environment(env)
        assert found.train is not None
        assert found.test is not None
        assert (found.train.data_sha256, found.test.data_sha256) == (
            spec.dataset.train_sha256,
            spec.dataset.test_sha256,
        )
        if found.random is not None:
            assert found.random.settings == random_settings(spec, rules)
        if found.oracle is not None:
            assert found.oracle.settings == oracle_settings(spec, rules)
            assert len(found.oracle.returns) == found.oracle.episodes


def test_the_table_has_every_environment():
    table = baseline_table("quick")
    assert [row[0] for row in table.rows] == list(environment_ids())
    cart = dict(zip([c.key for c in table.columns], table.rows[environment_ids().index("CartPole-v1")], strict=True))
    assert cart["ceiling"] == cart["reference"] == 1
    assert cart["reference_skill"] == 1
    assert cart["oracle"].value == 100
    (note,) = table.notes
    assert note.startswith("Ceilings below 0.9")
    assert note.endswith(": Blackjack-v1 (0.797).")


@pytest.mark.parametrize("name", protocol_names())
def test_every_low_ceiling_is_explained(name):
    _, section = data_path("docs", "fidelity.md").read_text(encoding="utf-8").split("### Ceilings below 0.9\n")
    explained = section.split("\n## ")[0]
    (note,) = [n for n in baseline_table(name).notes if n.startswith("Ceilings below 0.9")]
    for env, found in baselines(name).environments.items():
        low = min(found.train.ceiling, found.test.ceiling) < 0.9
        assert (f"{env} (" in note) == low
        rows = [line for line in explained.splitlines() if env in line and ("| all |" in line or f"`{name}`" in line)]
        assert not low or rows


def test_environments_with_fewer_episodes_are_marked():
    for name in ("paper", "standard"):
        (note,) = [n for n in baseline_table(name).notes if n.startswith("Fewer episodes than the 10")]
        assert "Ant-v4 (3)" in note
        assert "Reacher-v4" not in note
