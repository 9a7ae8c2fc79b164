"""Hostile bundles: each is refused with one clear line, and nothing is left behind."""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from forging import (
    CELL,
    LEDGER,
    RECORDS,
    Files,
    Forge,
    both,
    checked,
    counted,
    files_of,
    forged,
    ledger,
    manifest,
    many,
    member,
    patched,
    record,
    sealed,
    unsealed,
)

from cwmb.submission.manifest import MANIFEST
from cwmb.submission.opening import BOUNDS, BundleError, opened
from cwmb.submission.packing import archived

PROGRAM = f"{CELL}/programs/0000.py"
KEY = "sk-" + "a1B2" * 8


def put(name: str, data: bytes) -> Any:
    return lambda files: files.__setitem__(name, data)


def drop(name: str) -> Any:
    return lambda files: files.__delitem__(name)


def added(name: str, data: bytes) -> Any:
    return lambda files: files.__setitem__(name, files[name] + data)


def cut(name: str, count: int) -> Any:
    return lambda files: files.__setitem__(name, files[name][:-count])


def exchanged(name: str, old: bytes, new: bytes) -> Any:
    return lambda files: files.__setitem__(name, files[name].replace(old, new, 1))


def configured(**changes: Any) -> Forge:
    return manifest(lambda m: m["runs"][0]["configuration"].update(changes))


def nested(files: Files) -> bytes:
    return archived(sealed({**files, PROGRAM: archived(files)}))


def bomb(files: Files) -> bytes:
    return archived(sealed({**files, PROGRAM: b"#" * (64 << 20)}))


def twice(files: Files) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return member(RECORDS, b"{}\n")(files)


def encrypted(files: Files) -> bytes:
    """An archive whose table of contents says so of a file."""
    data = bytearray(archived(files))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def overlapping(files: Files) -> bytes:
    """Two entries of the table of contents that point to the same bytes."""
    data = bytearray(archived(files))
    with zipfile.ZipFile(BytesIO(bytes(data))) as archive:
        first, second = (i.header_offset for i in archive.infolist()[1:3])
    at = data.rindex(second.to_bytes(4, "little"), archive.start_dir)
    data[at : at + 4] = first.to_bytes(4, "little")
    return bytes(data)


def between(files: Files) -> bytes:
    """Bytes between the files and the table of contents, which still points right."""
    data = archived(files)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        start = archive.start_dir
    hidden = b"hidden payload"
    end = bytearray(data[start:])
    end[-6:-2] = (start + len(hidden)).to_bytes(4, "little")
    return data[:start] + hidden + bytes(end)


def named(name: str) -> Forge:
    return manifest(lambda m: m.update(name=name))


def covering(name: str) -> Forge:
    return manifest(lambda m: m["runs"][0]["environments"].append(name))


def seeded(count: int) -> Forge:
    return manifest(lambda m: m["runs"][0].update(seeds=count))


def sixty_four_bit(files: Files) -> bytes:
    """An archive that says of its sizes that they stand elsewhere, which other readers would look up."""
    buffer = BytesIO(archived(files))
    with (
        zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open(PROGRAM[:-3] + "9.py", "w", force_zip64=True) as file,
    ):
        file.write(b"x = 1\n")
    return buffer.getvalue()


def of_other_cell(files: Files) -> None:
    """Each cell with the other one's ledger."""
    other = LEDGER.replace("CliffWalking-v0", "CartPole-v1")
    files[LEDGER], files[other] = files[other], files[LEDGER]


def long_name(files: Files) -> bytes:
    return member(f"{CELL}/programs/" + "0" * 300 + ".py")(files)


def deep(files: Files) -> None:
    files[LEDGER] = files[LEDGER].replace(b'"note": {', b'"note": {"x": ' + b"[" * 900 + b"]" * 900 + b", ", 1)


TIMES = f"{CELL}/timings.jsonl"


def time(**changes: Any) -> bytes:
    """A line of times."""
    said = {"type": "score", "reference": 1.0, "steps": 10, "program": "f" * 64, **changes}
    return json.dumps(said).encode() + b"\n"


HOSTILE: dict[str, tuple[Forge, str]] = {
    # the archive
    "no archive": (lambda _: b"hello", "no zip archive"),
    "empty": (lambda _: b"", "no zip archive"),
    "tar": (lambda _: b"ustar" * 500, "no zip archive"),
    "cut off": (lambda files: archived(files)[:-40], "no zip archive"),
    "something before": (lambda files: b"#!/bin/sh\n" + archived(files), "no zip archive"),
    "something behind": (lambda files: archived(files) + b"more", "no zip archive"),
    "two archives": (lambda files: archived(files) + archived(files), "something stands before, behind or between"),
    "something between": (between, "bytes that belong to no file"),
    "overlap": (overlapping, "overlaps another file"),
    "a comment": (lambda files: archived(files)[:-2] + b"\x02\x00hi", "no zip archive"),
    "damaged contents": (patched(b"PK\x03\x04", b"PK\x03\x05"), "no zip archive"),
    "many files promised": (counted(0xFFFF), "holds 65535 or more files"),
    "a million files": (many(1_000_000), "holds 65535 or more files"),
    "thirty thousand files": (many(30_000), "holds 30000 files; a bundle has at most 20000"),
    "a bomb": (bomb, "times as large as in the archive"),
    "an archive in the archive": (nested, "is no text"),
    "encrypted": (encrypted, "is encrypted"),
    "stored otherwise": (member(f"{CELL}/programs/0009.py", compress_type=zipfile.ZIP_STORED), "is not stored as"),
    "a comment of a file": (member(f"{CELL}/programs/0009.py", comment=b"boo"), "is not stored as"),
    "sizes of 64 bits": (sixty_four_bit, "is not stored as"),
    # names and kinds
    "to the parent": (member("../../etc/passwd"), "'../../etc/passwd': a step to another folder"),
    "hidden step": (member("runs/0/cells/../../../x.py"), "a step to another folder"),
    "absolute": (member("/etc/cron.d/x"), "an absolute path"),
    "a drive": (member("C:/x.py"), "an absolute path"),
    "backslashes": (member("runs\\0\\x.py"), "a backslash"),
    "a control character": (member("runs/0/\x1b[2Jx.py"), "no visible ASCII"),
    "turned writing": (member("runs/0/\u202eyp.x"), "no visible ASCII"),
    "a look-alike": (member("runs/0/rec\u043erds.jsonl"), "no visible ASCII"),
    "full-width": (member("runs/0/\uff52ecords.jsonl"), "no visible ASCII"),
    "a long name": (long_name, "more than 200 characters"),
    "a foreign file": (member("runs/0/notes.txt"), "a name that no file of a bundle has"),
    "a script": (member("runs/0/cells/CliffWalking-v0/seed-0/setup.py"), "a name that no file of a bundle has"),
    "a pickle": (member(f"{CELL}/programs/0000.pkl"), "a name that no file of a bundle has"),
    "another case": (member("RUNS/0/records.jsonl"), "a name that no file of a bundle has"),
    "a case collision": (member("runs/0/cells/cliffwalking-v0/seed-0/ledger.jsonl"), "differ in case only"),
    "twice": (twice, "twice"),
    "a symbolic link": (
        member(f"{CELL}/programs/0009.py", external_attr=(stat.S_IFLNK | 0o777) << 16),
        "symbolic link",
    ),
    "a device": (member(f"{CELL}/programs/0009.py", external_attr=(stat.S_IFCHR | 0o666) << 16), "is a device"),
    "a pipe": (member(f"{CELL}/programs/0009.py", external_attr=(stat.S_IFIFO | 0o666) << 16), "is a pipe"),
    "a folder": (member("runs/0/"), "a name that no file of a bundle has"),
    # the manifest
    "no manifest": (unsealed(drop(MANIFEST)), "holds no manifest.json"),
    "manifest of another format": (manifest(lambda m: m.update(format=99)), "has format 99"),
    "manifest is a list": (unsealed(put(MANIFEST, b"[]")), "has format None"),
    "manifest is no JSON": (unsealed(put(MANIFEST, b"{'format': 1}")), "is no JSON"),
    "manifest is no text": (unsealed(put(MANIFEST, b"\xff\xfe")), "no UTF-8 text"),
    "manifest says it twice": (unsealed(put(MANIFEST, b'{"format": 1, "format": 1}')), "a key stands there twice"),
    "manifest nested": (unsealed(put(MANIFEST, b"[" * 100_000 + b"]" * 100_000)), "nested more than 64 levels"),
    "manifest without a field": (manifest(lambda m: m.pop("authors")), "is no manifest"),
    "manifest with a field": (manifest(lambda m: m.update(score=1.0)), "has a field 'score'"),
    "manifest of the wrong kind": (manifest(lambda m: m.update(authors="Ann")), "is no manifest"),
    "manifest without runs": (manifest(lambda m: m.update(runs=[])), "names no run"),
    "a script in the name": (
        manifest(lambda m: m.update(name="<script>alert(1)</script>")),
        "holds the character U+003C",
    ),
    "ESC in the name": (named("a\x1b]0;b\x07"), "holds the character U+001B"),
    "turned writing in the name": (named("x\u202egnp"), "holds the character U+202E"),
    "an invisible character": (named("GPT\u200b-5"), "holds the character U+200B"),
    "decomposed": (named("Cafe\u0301"), "composed form"),
    "a lone surrogate": (named("a\ud800b"), "holds the character U+D800"),
    "an empty name": (named(" "), "it must have 1 to 100"),
    "a long name of the entry": (manifest(lambda m: m.update(name="n" * 101)), "it must have 1 to 100"),
    "ESC in an author": (manifest(lambda m: m.update(authors=["\x1b[31mA"])), "an author"),
    "no authors": (manifest(lambda m: m.update(authors=[])), "0 authors"),
    "a script as address": (manifest(lambda m: m.update(url="javascript:alert(1)")), "is no web page's"),
    "a password in the address": (manifest(lambda m: m.update(url="https://me:pw@example.org")), "is no web page's"),
    "a file as address": (manifest(lambda m: m.update(url="file:///x")), "is no web page's"),
    "ESC in the statement": (manifest(lambda m: m.update(statement="a\n\x1b[2J")), "the statement"),
    # manifest and files
    "a changed file": (unsealed(added(PROGRAM, b"# more\n")), "is not what the manifest says"),
    "a missing file": (unsealed(drop(PROGRAM)), "which its manifest names"),
    "an unnamed file": (unsealed(put(f"{CELL}/programs/0042.py", b"x = 1\n")), "its manifest does not name"),
    "a file of another run": (forged(put("runs/1/records.jsonl", b"{}\n")), "runs/1/records.jsonl"),
    "a cell without a record": (forged(put("runs/0/cells/Taxi-v3/seed-0/ledger.jsonl", b"{}\n")), "has no record"),
    "no records": (forged(drop(RECORDS)), "holds no runs/0/records.jsonl"),
    "another strategy": (configured(strategy="rex"), "strategy is 'gif_mcts', but its run's is 'rex'"),
    "another model": (configured(model="openai:gpt-5"), "model is 'simulated'"),
    "another protocol": (configured(protocol="standard"), "followed protocol standard with checksum"),
    "an unknown protocol": (configured(protocol="../../x"), "unknown protocol"),
    "another protocol's checksum": (configured(protocol_sha256="0" * 64), "with checksum 000000000000"),
    "other options": (configured(options={"lines": 3}), "options is"),
    "other descriptions": (configured(descriptions="complete"), "description set is"),
    "another budget": (configured(budget={"calls": 10}), "budget is 3"),
    "longer answers": (configured(max_new_tokens=9), "sampling is"),
    "an unknown environment": (
        covering("Xyz-v1"),
        "unknown environment",
    ),
    "an environment without record": (
        covering("Taxi-v3"),
        "has no record of Taxi-v3 seed 0",
    ),
    "more seeds than records": (
        manifest(lambda m: m["runs"][0].update(seeds=2)),
        "has no record of CartPole-v1 seed 1",
    ),
    "a million seeds": (seeded(10**9), "has 1000000000 seeds"),
    "another suite than the records'": (
        manifest(lambda m: m["runs"][0]["configuration"].update(suite="hidden", world_seed=0)),
        "suite is 'cwmb18', but its run's is 'hidden'",
    ),
    "an unknown suite": (
        manifest(lambda m: m["runs"][0]["configuration"].update(suite="../hidden")),
        "is on suite '../hidden', which this version has not",
    ),
    "worlds that do not come with it": (
        manifest(lambda m: m["runs"][0]["configuration"].update(suite="hidden", world_seed=7)),
        "is on worlds of seed 7",
    ),
    # records
    "a record of another schema": (forged(record(lambda r: r.update(schema=99))), "schema 99"),
    "a record without a field": (forged(record(lambda r: r.pop("usage"))), "is no record"),
    "a record of the wrong kind": (forged(record(lambda r: r.update(seed="zero"))), "is no record"),
    "NaN in a record": (
        forged(lambda f: put(RECORDS, f[RECORDS].replace(b": 1.0", b": NaN", 1))(f)),
        "NaN is no number",
    ),
    "infinity in a record": (forged(exchanged(RECORDS, b": 1.0", b": 1e999")), "1e999 is no number"),
    "a key twice in a record": (
        forged(lambda f: put(RECORDS, f[RECORDS].replace(b'"seed":', b'"seed": 7, "seed":', 1))(f)),
        "a key stands there twice",
    ),
    "a number of 5000 digits": (
        forged(lambda f: put(RECORDS, f[RECORDS].replace(b'"seed":', b'"n": ' + b"9" * 5000 + b', "seed":', 1))(f)),
        "is no JSON",
    ),
    "records with a byte order mark": (forged(lambda f: put(RECORDS, b"\xef\xbb\xbf" + f[RECORDS])(f)), "is no JSON"),
    "records that are no objects": (forged(added(RECORDS, b"[1]\n")), "is no JSON object"),
    "a record of a cell of no seed": (forged(record(lambda r: r.update(seed=-1))), "is no record"),
    "fewer tries than the protocol's": (
        forged(record(lambda r: r["provenance"]["sampling"].update(temperature=0.0))),
        "sampling is",
    ),
    "a record twice": (forged(lambda f: put(RECORDS, f[RECORDS].splitlines(True)[0] * 2)(f)), "a cell twice"),
    "records cut off": (forged(cut(RECORDS, 1)), "is cut off"),
    "other test data": (
        forged(record(lambda r: r["provenance"].update(test_sha256="f" * 64))),
        "measured on test data 'ffffffffffff'",
    ),
    "other training data": (
        forged(record(lambda r: r["provenance"].update(train_sha256="e" * 64))),
        "measured on train data",
    ),
    "hidden as the protocol's own": (forged(record(lambda r: r.update(custom=False))), "custom is False"),
    "a record of another suite": (forged(record(lambda r: r.update(suite="hidden"))), "suite is 'hidden'"),
    "a record of a drawn world": (forged(record(lambda r: r.update(world_seed=3))), "world seed is 3"),
    "another half": (forged(record(lambda r: r.update(group="continuous"))), "group is 'continuous'"),
    "no result": (forged(record(lambda r: r.update(state="infrastructure"))), "which is no result"),
    # ledgers
    "no ledger": (forged(drop(LEDGER)), "ledger.jsonl is missing"),
    "a ledger without its end": (forged(cut(LEDGER, 5)), "is cut off"),
    "a ledger without calls": (forged(ledger(lambda e: e.pop(0))), "where 0 should follow"),
    "a ledger without its last call": (
        forged(ledger(lambda e: e.remove([x for x in e if x["type"] == "call"][-1]))),
        "cut off, or another's",
    ),
    "a ledger without episodes": (
        forged(ledger(lambda e: e.remove([x for x in e if x["type"] == "episode"][-1]))),
        "1 episodes, its record 2",
    ),
    "a wrong check": (forged(exchanged(LEDGER, b'"accuracy": ', b'"accuracy":  ')), "is no ledger entry"),
    "an entry twice": (forged(ledger(lambda e: e.insert(1, e[0]))), "should follow"),
    "an unknown entry": (forged(ledger(lambda e: e.append({**e[0], "type": "bonus"}))), "unknown type 'bonus'"),
    "an entry of the wrong kind": (forged(ledger(lambda e: e[0]["value"].update(text=7))), "is no call"),
    "an endless answer": (forged(ledger(lambda e: e[0]["value"].update(text="`" * (2 << 20)))), "2097152 characters"),
    "an evaluation beyond 1": (forged(ledger(lambda e: e[1]["value"].update(accuracy=7.5))), "accuracy is 7.5"),
    "negative tokens": (
        forged(ledger(lambda e: e[0]["value"]["usage"].update(prompt_tokens=-5))),
        "prompt_tokens is -5",
    ),
    "an accuracy beyond 1": (forged(record(lambda r: r["test"].update(accuracy=7.5))), "is no record"),
    "an absurd number": (forged(record(lambda r: r["planning"].update(return_mean=1e300))), "is no record"),
    "a call without its question": (forged(ledger(lambda e: e[0].pop("request"))), "is no call"),
    "another question": (
        forged(ledger(lambda e: e[0]["request"]["messages"][0].update(content="hello"))),
        "another question than the one of its hash",
    ),
    "another question's hash": (forged(ledger(lambda e: e[0].update(key="0" * 64))), "of its hash '000000000000'"),
    "another question's seed": (forged(ledger(lambda e: e[0]["request"].update(seed=1))), "not that of call 0"),
    "another cell's ledger": (forged(of_other_cell), "not that of call 0"),
    "an episode after the last": (
        forged(ledger(lambda e: e.append({**[x for x in e if x["type"] == "episode"][-1], "index": 2}))),
        "3 episodes, its record 2",
    ),
    "a ledger nested": (forged(deep), "nested more than 64 levels"),
    "a ledger that is no text": (forged(put(LEDGER, b"\xff\n")), "no UTF-8 text"),
    # times
    "times of another program": (forged(put(TIMES, time(program="0" * 64))), "which was not judged"),
    "a time that no program takes": (
        forged(exchanged(TIMES, b'"reference":', b'"reference":1e-12,"wall":')),
        "which no program can do",
    ),
    "a negative time": (forged(put(TIMES, time(reference=-1.0))), "is no time of a score"),
    "an endless time": (forged(put(TIMES, time(reference=1e30))), "is no time of a score"),
    "many times": (forged(put(TIMES, time() * 3)), "holds 3 times"),
    "times of something else": (forged(put(TIMES, time(type="call"))), "is no time of a score"),
    # what must not be published
    "a key in an answer": (
        forged(ledger(lambda e: e[0]["value"].update(text=f"use {KEY}"))),
        f"{LEDGER}:1 holds an API key: 'sk-a1B",
    ),
    "a header in an answer": (
        forged(ledger(lambda e: e[0]["value"].update(text="Authorization: Basic YTpi"))),
        f"{LEDGER}:1 holds an Authorization header",
    ),
    "a path in a program": (forged(put(PROGRAM, b"x = 1\nopen('/home/ann/x')\n")), "0000.py:2 holds an absolute path"),
    "a host in a record": (
        forged(record(lambda r: r["provenance"].update(reported_models=["http://10.0.0.7:8000/v1"]))),
        "records.jsonl:1 holds a host",
    ),
    "a program that is no text": (forged(put(PROGRAM, b"\xff\xfe\x00")), "is no text"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_bundle_is_refused_with_one_line(bundle: Path, tmp_path: Path, kind: str) -> None:
    forge, words = HOSTILE[kind]
    path = tmp_path / "hostile.zip"
    path.write_bytes(forge(files_of(bundle)))
    with pytest.raises(BundleError) as caught, opened(path):
        pass
    message = str(caught.value)
    assert words in message
    assert message.startswith("hostile.zip: ")
    assert message.isprintable()
    assert len(message) < 400
    assert gettempdir() not in message


def test_bounds_hold(bundle: Path) -> None:
    size = bundle.stat().st_size
    bounds = {
        "has at most": replace(BOUNDS, archive=size - 1),
        "holds more than 5000 bytes": replace(BOUNDS, total=5000),
        "a file has at most 1000": replace(BOUNDS, file=1000),
        "a bundle has at most 3": replace(BOUNDS, files=3),
    }
    for words, bound in bounds.items():
        with pytest.raises(BundleError, match=words), opened(bundle, bound):
            pass


def test_a_good_bundle_opens_and_leaves_nothing(bundle: Path) -> None:
    with opened(bundle) as good:
        (run,) = good.runs
        folder = run.folder
        assert [r.environment for r in run.records] == ["CartPole-v1", "CliffWalking-v0"]
        assert run.programs(run.records[0].cell)
        assert (run.cell_folder(run.records[1].cell) / "ledger.jsonl").is_file()
    assert not folder.exists()


def test_what_is_declared_harmless_may_stay(bundle: Path, tmp_path: Path) -> None:
    files = files_of(bundle)
    ledger(lambda e: e[0]["value"].update(text="as in /home/user/x"))(files)
    content = json.loads(files[MANIFEST])
    content["allowed"] = ["/home/user"]
    path = tmp_path / "b.zip"
    path.write_bytes(archived(sealed({**files, MANIFEST: json.dumps(content).encode()})))
    with opened(path) as good:
        assert good.manifest.allowed == ["/home/user"]


def test_forging_itself_changes_nothing_by_accident(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "same.zip"
    path.write_bytes(forged(both(record(lambda _: None), ledger(lambda _: None)))(files_of(bundle)))
    with opened(path) as good:
        assert len(good.runs) == 1
    assert checked(json.loads(files_of(bundle)[LEDGER].splitlines()[0])) == files_of(bundle)[LEDGER].splitlines(True)[0]
