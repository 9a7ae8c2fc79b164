"""Suites as a dimension: which worlds are meant, and what refuses to mix them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cwmb.benchmark.catalog import environment, environment_ids
from cwmb.benchmark.data import data_path
from cwmb.benchmark.descriptions import description
from cwmb.benchmark.suites import (
    ORIGINALS,
    chosen,
    drawn,
    fingerprint,
    shipped,
    suite,
    suite_names,
    told,
    told_sha256,
)
from cwmb.errors import CwmbError
from cwmb.reference.substitution import with_constants


def test_the_originals_are_the_default_and_as_they_were() -> None:
    assert suite_names()[0] == "cwmb18"
    assert chosen("cwmb18", None) == ORIGINALS
    assert ORIGINALS.ids == environment_ids()
    spec = ORIGINALS.environment("Hopper-v4")
    assert spec == environment("Hopper-v4")
    assert told(spec, "complete") == description("Hopper-v4", "complete")
    assert fingerprint(spec) == ""


@pytest.mark.parametrize("name", ["varied", "hidden", "altered"])
def test_shipped_worlds_are_worlds_of_seed_0(name: str) -> None:
    worlds = shipped(name)
    assert worlds.seed == 0
    assert worlds.label == name
    for environment_id in worlds.ids:
        spec = worlds.environment(environment_id)
        assert spec.world is not None
        assert (spec.world.suite, spec.world.seed) == (name, 0)
        assert told_sha256(spec) != told_sha256(environment(environment_id))
        assert fingerprint(spec)


def test_a_suite_keeps_the_constants_of_another_to_itself() -> None:
    one, other = (shipped(name).environment("CartPole-v1").world for name in ("varied", "hidden"))
    assert one is not None
    assert other is not None
    numbers = [name for name, value in one.constants.items() if isinstance(value, float)]
    assert sum(one.constants[name] == other.constants[name] for name in numbers) < 2  # one may by chance


def test_worlds_lie_in_any_folder(tmp_path: Path) -> None:
    shutil.copytree(data_path("trajectories", "hidden", "CartPole-v1"), tmp_path / "CartPole-v1")
    found = chosen("cwmb18", tmp_path)
    assert found == drawn(tmp_path)
    assert found.suite == "hidden"
    assert found.ids == ("CartPole-v1",)
    with pytest.raises(CwmbError, match="environment of suite hidden"):
        found.environment("Taxi-v3")
    with pytest.raises(CwmbError, match="holds worlds of suite hidden, not varied"):
        chosen("varied", tmp_path)
    shutil.copytree(data_path("trajectories", "varied", "Taxi-v3"), tmp_path / "Taxi-v3")
    with pytest.raises(CwmbError, match="hidden seed 0, varied seed 0"):
        drawn(tmp_path)


def test_misuse_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CwmbError, match=r"unknown suite 'hiden' .did you mean 'hidden'"):
        shipped("hiden")
    with pytest.raises(CwmbError, match="unknown suite of drawn worlds 'cwmb18'"):
        suite("cwmb18")
    with pytest.raises(CwmbError, match="it has none"):
        drawn(tmp_path)
    with pytest.raises(CwmbError, match="belongs to suite cwmb18"):
        told(shipped("varied").environment("CartPole-v1"), "complete")
    (tmp_path / "CartPole-v1").mkdir()
    (tmp_path / "CartPole-v1" / "world.json").write_text(json.dumps({"environment": 3}))
    with pytest.raises(CwmbError, match=r"world\.json: .*draw it again"):
        drawn(tmp_path)


def test_constants_are_put_into_a_program_and_nothing_else_changes() -> None:
    body = ["A = 1.0  # a", "B = (1, 2)", "", "def step(self, action):", "    A = 1.0", "    return A"]
    source = "\n    ".join(["class Environment:", *body]) + "\n"
    changed = with_constants(source, {"A": -2.5, "B": [[0, 1], [2, 3]]})
    assert changed == source.replace("    A = 1.0  # a", "    A = -2.5  # a").replace("(1, 2)", "((0, 1), (2, 3))")
    with pytest.raises(CwmbError, match="no class constant C"):
        with_constants(source, {"C": 1})


def test_an_environment_that_is_drawn_is_another_one_in_baselines(tmp_path: Path) -> None:
    from cwmb.benchmark.protocols import protocol
    from cwmb.harness.measure import oracle_settings, random_settings

    quick, spec = protocol("quick"), shipped("hidden").environment("CartPole-v1")
    original = replace(spec, world=None)
    assert random_settings(spec, quick) != random_settings(original, quick)
    assert oracle_settings(spec, quick) != oracle_settings(original, quick)


@pytest.mark.parametrize("found", [b"[", b"\xff", b"name = 3\n", b"\xef\xbb\xbf", None])
def test_a_malformed_file_of_a_suite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    file = tmp_path / "environments" / "suites" / "odd.toml"
    file.parent.mkdir(parents=True)
    if found is None:
        file.mkdir()
    else:
        file.write_bytes(found)
    monkeypatch.setattr("cwmb.benchmark.suites.data_path", lambda *parts: tmp_path.joinpath(*parts))
    with pytest.raises(CwmbError, match=f"suite file {file}: "):
        suite.__wrapped__("odd")
