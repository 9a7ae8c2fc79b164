"""``cwmb new``: a package with a plugin that runs at once, and its test."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from cwmb.errors import CwmbError, unknown
from cwmb.harness.files import write_whole
from cwmb.plugins import GROUPS, names

TEMPLATES = Path(__file__).parent / "templates"


def write_package(kind: str, name: str, out: Path | None) -> Path:
    """Write the package of a plugin into a new folder, ``cwmb-NAME`` unless out says otherwise; returns the folder.

    Raises:
        CwmbError: there is no such kind, the name is none or taken, or the folder exists.
    """
    if kind not in GROUPS:
        raise unknown("kind of plugin", kind, GROUPS)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name) or keyword.iskeyword(name):
        raise CwmbError(f"{name!r} cannot name a {kind}: use small letters, digits and _, a letter first")
    if name in names(GROUPS[kind]):
        raise CwmbError(f"there is a {kind} {name!r} already: choose another name")
    folder = out or Path(f"cwmb-{name.replace('_', '-')}")
    if folder.exists():
        raise CwmbError(f"{folder} exists: choose another name, or another folder with --out")
    module = f"cwmb_{name}"
    words = {"name": name, "module": module, "project": module.replace("_", "-"), "kind": kind, "group": GROUPS[kind]}
    words["cls"] = "".join(part.capitalize() for part in name.split("_"))
    for template in sorted([*(TEMPLATES / kind).glob("*.txt"), *TEMPLATES.glob("*.txt")]):
        target = (
            template.name.removesuffix(".txt")
            .replace("test_plugin", f"test_{name}")
            .replace("plugin.py", f"{module}.py")
        )
        write_whole(folder / target, Template(template.read_text(encoding="utf-8")).substitute(words))
    return folder
