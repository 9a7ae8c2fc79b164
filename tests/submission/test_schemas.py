"""The JSON Schemas of what other programs read: current, and true of what is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from jsonschema import Draft202012Validator, ValidationError

from cwmb.cli.app import app
from cwmb.errors import CwmbError
from cwmb.harness.records import SCHEMA, read_records
from cwmb.submission.schemas import KINDS, file_name, schema

STORED = Path(__file__).parents[2] / "docs" / "schemas"
KEPT = Path(__file__).parents[1] / "harness" / "kept"


def validator(kind: str) -> Any:
    return Draft202012Validator(schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_the_stored_schema_is_current(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    Draft202012Validator.check_schema(schema(kind))
    app(["schema", kind], standalone_mode=False)
    stored = (STORED / file_name(kind)).read_text()
    assert stored == capsys.readouterr().out, f"cwmb schema {kind} > docs/schemas/{file_name(kind)}"


def test_there_is_no_other() -> None:
    assert {path.name for path in STORED.glob("*.schema.json")} >= {file_name(kind) for kind in KINDS}
    with pytest.raises(CwmbError, match=r"unknown schema 'records'.*did you mean 'record'"):
        schema("records")


def test_what_a_run_and_a_bundle_write_is_valid(run: Path, bundle: Path) -> None:
    ledgers = [line for path in run.glob("cells/*/*/ledger.jsonl") for line in path.read_text().splitlines()]
    assert {json.loads(line)["type"] for line in ledgers} == {"call", "evaluation", "score", "episode"}
    for line in ledgers:
        validator("ledger").validate(json.loads(line))
    for line in (run / "records.jsonl").read_text().splitlines():
        validator("record").validate(json.loads(line))
    with ZipFile(bundle) as archive:
        validator("manifest").validate(json.loads(archive.read("manifest.json")))


def test_what_is_wrong_is_not_valid(run: Path) -> None:
    record = json.loads((run / "records.jsonl").read_text().splitlines()[0])
    for name, value in (("seed", -1), ("state", "well"), ("usage", None)):
        with pytest.raises(ValidationError):
            validator("record").validate({**record, name: value})


@pytest.mark.parametrize("version", range(1, SCHEMA + 1))
def test_records_of_every_version_are_read(version: int) -> None:
    """Whoever raises SCHEMA keeps a record of the version before here, and reads it."""
    records = read_records(KEPT / f"record-{version}.jsonl")
    assert [record.seed for record in records] == [0, 1]
    assert all(record.test is not None and record.test.accuracy > 0.8 for record in records)
    assert records[1].suite == "cwmb18"  # the first ones said nothing of suites
