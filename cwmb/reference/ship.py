"""``python -m cwmb.reference.ship``: write the robots' constants anew from the compiled models."""

from __future__ import annotations

from typing import Any

from cwmb.benchmark.catalog import environment
from cwmb.reference.assembly import ROBOTS, assembled, written
from cwmb.worlds import make
from cwmb.worlds.robot import robot

if __name__ == "__main__":
    for name in assembled():
        simulator: Any = make(environment(name))
        (ROBOTS / f"{name}.json").write_text(written(robot(simulator.env)), encoding="utf-8")
