"""A plugin that cannot be imported is named, whatever it does, and ends nothing."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cwmb import plugins
from cwmb.errors import CwmbError


@pytest.mark.parametrize(
    "source", ["import sys\nsys.exit(7)\n", "raise SystemExit\n", "import nothing_of_this_name\n", "def\n", "1 / 0\n"]
)
def test_an_import_that_fails_names_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    (tmp_path / "cwmb_broken_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("broken", "cwmb_broken_plugin:Broken", plugins.STRATEGIES)
    with pytest.raises(CwmbError, match=r"strategy 'broken' \(cwmb_broken_plugin:Broken\) cannot be imported"):
        plugins.load(point, "strategy")
