"""Data and results in the formats of others, read back by what others read them with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from cwmb.benchmark.suites import shipped, suite_names
from cwmb.benchmark.trajectories import transitions
from cwmb.cli.app import app
from cwmb.errors import CwmbError
from cwmb.export import every_eval, hugging_face
from cwmb.harness.files import dumps
from cwmb.harness.records import read_records

KEPT = Path(__file__).parents[1] / "harness" / "kept" / "record-1.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two seeds of one environment, without ledgers."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "records.jsonl").write_text(KEPT.read_text())
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of all environments."""
    folder, (record, _) = tmp_path_factory.mktemp("whole"), read_records(KEPT)
    records = [replace(record, environment=name, model="openai:tiny/model") for name in shipped("cwmb18").ids]
    (folder / "records.jsonl").write_text("".join(dumps(r) + "\n" for r in records))
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    folder = tmp_path_factory.mktemp("hf") / "out"
    hugging_face.export(folder, [whole], "somebody")
    return folder


def load(folder: Path, config: str, split: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Any:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return datasets.load_dataset(str(folder), config, split=split, cache_dir=str(cache))


@pytest.mark.parametrize("suite", suite_names())
@pytest.mark.parametrize("split", ["train", "test"])
def test_transitions_come_back_as_they_are(
    exported: Path, suite: str, split: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = load(exported / "transitions", suite, split, monkeypatch, tmp_path).with_format("arrow")[:]
    specs = [shipped(suite).environment(name) for name in shipped(suite).ids]
    assert found.num_rows == sum(len(transitions(spec, split)) for spec in specs)
    for spec in specs[:: len(specs) - 1]:  # the first and the last
        own = found.filter(np.array(found["environment"]) == spec.id)
        data = transitions(spec, split)
        for name, rows in (
            ("observation", data.observations),
            ("action", data.actions),
            ("next_observation", data.next_observations),
            ("determined", data.determined),
        ):
            flat = own[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            assert (flat == rows.ravel()).all()
        assert (own["reward"].to_numpy() == data.rewards).all()


@pytest.mark.parametrize("name", ["transitions", "descriptions", "results"])
def test_each_config_of_each_card_loads(
    exported: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    card = yaml.safe_load((exported / name / "README.md").read_text().split("---\n")[1])
    assert card["license"] == "apache-2.0"
    assert {"pretty_name", "tags", "size_categories", "configs"} <= set(card)
    for config in card["configs"]:
        for file in config["data_files"]:
            assert (exported / name / file["path"]).is_file()
            if name != "transitions":
                assert len(load(exported / name, config["config_name"], file["split"], monkeypatch, tmp_path)) > 0


def test_prompts_are_those_that_models_get(exported: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = load(exported / "descriptions", "cwmb18", "test", monkeypatch, tmp_path)
    assert rows["environment"] == list(shipped("cwmb18").ids)
    assert all(row["description"].strip() in row["prompt"] for row in rows)
    tasks = yaml.safe_load((exported / "descriptions" / "eval.yaml").read_text())["tasks"]
    assert {task["id"] for task in tasks} >= set(suite_names())


def test_a_whole_run_has_an_entry_for_its_model_s_page(exported: Path) -> None:
    (path,) = (exported / "models").glob("*/.eval_results/*.yaml")
    (entry,) = yaml.safe_load(path.read_text())
    assert entry["dataset"] == {"id": "somebody/descriptions", "task_id": "cwmb18"}
    assert entry["value"] == pytest.approx(read_records(KEPT)[0].test.accuracy, abs=1e-4)  # type: ignore[union-attr]


def test_a_folder_that_holds_something_is_left_alone(exported: Path) -> None:
    with pytest.raises(CwmbError, match="is not empty"):
        hugging_face.export(exported)


def test_croissant_is_valid(exported: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    found = croissant.Dataset(jsonld=str(exported / "transitions" / "croissant.json"))
    assert not found.metadata.issues.errors
    row = next(iter(found.records("varied-train")))
    spec = shipped("varied").environment(shipped("varied").ids[0])
    assert row["varied-train/environment"] in (spec.id, spec.id.encode())
    assert list(row["varied-train/observation"]) == list(transitions(spec, "train").observations[0])


def test_every_eval_ever(run: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app(["export", "eee", str(run), "--out", str(tmp_path)], standalone_mode=False)
    (path,) = map(Path, capsys.readouterr().out.split())
    content = json.loads(path.read_text())
    results = {r["evaluation_result_id"]: r for r in content["evaluation_results"]}
    accuracy = results["cwmb_cwmb18.CliffWalking-v0.accuracy"]["score_details"]
    assert accuracy["score"] == pytest.approx(np.mean([r.test.accuracy for r in read_records(KEPT)]))  # type: ignore[union-attr]
    assert accuracy["uncertainty"]["num_samples"] == 2
    assert content["model_info"]["additional_details"]["is_a_language_model"] == "false"
    (again,) = every_eval.export([run], tmp_path / "again")
    assert again.name == path.name
    (of_all,) = every_eval.export([whole], tmp_path / "whole")
    assert of_all.parts[-3:-1] == ("tiny", "model")
    assert json.loads(of_all.read_text())["evaluation_results"][0]["score_details"]["uncertainty"]["num_samples"] == 18


def test_every_eval_ever_s_own_schema_holds(run: Path, whole: Path, tmp_path: Path) -> None:
    schema = pytest.importorskip("every_eval_ever.schema")
    from jsonschema import Draft7Validator

    for path in every_eval.export([run], tmp_path) + every_eval.export([whole], tmp_path):
        content = json.loads(path.read_text())
        Draft7Validator(schema.schema_json("eval.schema.json")).validate(content)
        assert content["schema_version"] == schema.get_schema_version()
