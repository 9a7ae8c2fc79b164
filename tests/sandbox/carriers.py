"""Programs that carry knowledge from one transition to the next, and honest ones that look as if they did."""

from cwmb.types import Program

BODY = """
import random, sys, time
from collections import Counter, defaultdict
from functools import lru_cache
import numpy as np

KNOWN = {{}}

def key(s, a):
    return (*np.atleast_1d(s).tolist(), float(np.atleast_1d(a)[0]))

class Environment:
    n = 0
    rows, now, table = [], [], defaultdict(Counter)

    def set_state(self, s):
        self.s = s
{before}
    def step(self, a):
        Environment.n += 1
        s, o, r, d = self.s, self.s, 1.0, False
{body}
        return o, r, d
"""


def program(body: str, before: str = "") -> Program:
    def indented(text: str, by: int) -> str:
        return "\n".join(" " * by + line for line in text.strip("\n").splitlines())

    return Program(BODY.format(body=indented(body, 8), before=indented(before, 4)))


# A message is over when the program is set on a state that it cannot tell from a new time step; these take the rows
# of the worker's frame, which are all the rows of one message.
MESSAGE = """
table = sys._getframe(1).f_locals["table"]
if not Environment.rows or table is not Environment.rows[-1]:
    if Environment.rows:
        last, new = Environment.rows[-1], table
        for row in last:
            Environment.table[tuple(row.tolist())].update(tuple(x.tolist()) for x in new[:, : len(np.atleast_1d(s))])
    Environment.rows.append(table)
"""

CARRIERS = {
    "table filled online": program(
        MESSAGE
        + """
seen = Environment.table[key(s, a)]
if seen:
    best = max(seen, key=seen.get)
    o = int(best[0]) if isinstance(s, int) else np.array(best)
"""
    ),
    "regression online": program(
        MESSAGE
        + """
if len(Environment.rows) > 1 and not isinstance(s, int):
    last, new = Environment.rows[-2], Environment.rows[-1][:, : len(s)]
    pairs = [(x, min(new, key=lambda y: ((y - x[: len(s)]) ** 2).sum())) for x in last]
    X, Y = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    o = np.r_[s, np.atleast_1d(a)] @ np.linalg.lstsq(X, Y, rcond=None)[0]
elif isinstance(s, int):
    o = int(np.mean([t[:, 0].mean() for t in Environment.rows]))
"""
    ),
    "the nearest row seen so far": program(
        """
Environment.now.append(np.atleast_1d(s).astype(float))
past = np.array(Environment.now[:-1] or [Environment.now[0]])
o = past[((past - Environment.now[-1]) ** 2).sum(axis=1).argmin()]
o = int(o[0]) if isinstance(s, int) else o
"""
    ),
    "the other rows of the message": program(
        """
table = sys._getframe(1).f_locals["table"]
r = float(len(table)) + float(table[:, 0].max())
"""
    ),
    "counting": program("r = float(Environment.n)"),
    "every other one": program("r = float(Environment.n % 2)"),
    "warming up": program("r = float(min(Environment.n, 50))"),
    "done after a time": program("d = Environment.n > 100"),
    "kept generator, hidden": Program(
        program(
            "r = float(Environment.draw(2))", "draw = getattr(getattr(np, 'ran' + 'dom'), 'ran' + 'dint')"
        ).source.replace("import random, sys", "import sys")
    ),
    "the clock": program("r = float(time.time_ns() // 1000 % 2)"),
    "CPU time": program("r = time.process_time()"),
    "what it answered before": program("r = KNOWN.setdefault('first', float(np.atleast_1d(s)[0]))"),
    "the last row": program("r = KNOWN.get('last', 0.0); KNOWN['last'] = float(np.atleast_1d(s)[0])"),
    "whether it is being audited": program(
        """
table = sys._getframe(1).f_locals["table"]
Environment.rows.append(table)
alone = sum(len(t) == 1 for t in Environment.rows[:5]) == min(5, len(Environment.rows))
r = 0.0 if alone else float(Environment.n % 3)
"""
    ),
    "a bit of the first row": program("r = KNOWN.setdefault('bit', float(hash((key(s, a), 'b')) % 2))"),
    "three bits of the first row": program("r = KNOWN.setdefault('bit', float(hash((key(s, a), 'b')) % 8))"),
    "memory-less on half of the rows": program("r = float(Environment.n) if hash(key(s, a)) % 2 else 0.0"),
    "memory-less on nine rows of ten": program("r = float(Environment.n) if hash(key(s, a)) % 10 == 0 else 0.0"),
}

# What they carry from the first row is the same for all others: an audit may begin with a row that says the same.
SHARED = {"a bit of the first row": 1 / 2, "three bits of the first row": 1 / 8, "what it answered before": 1 / 10}

HONEST = {
    "constant": program("pass"),
    "draws": program("r = random.random() + float(np.random.default_rng().random()) + np.random.randint(9)"),
    "kept generator": program("r = float(self.rng.random())", "rng = np.random.default_rng()"),
    "kept generator with a seed": program("r = float(self.rng.random())", "rng = random.Random(3)"),
    "memoised": program(
        """
if key(s, a) not in KNOWN:
    KNOWN[key(s, a)] = float(np.sin(np.atleast_1d(s)).sum())
r = KNOWN[key(s, a)]
"""
    ),
    "memoised, with draws": program(
        """
if key(s, a) not in KNOWN:
    KNOWN[key(s, a)] = random.random()
r = KNOWN[key(s, a)]
"""
    ),
    "cached": program(
        "r = self.slow(key(s, a))",
        "@staticmethod\n@lru_cache(maxsize=None)\ndef slow(k):\n    return float(np.cos(k).sum())",
    ),
    "computed beforehand": program(
        """
if "table" not in KNOWN:
    start = time.process_time()
    while time.process_time() - start < 0.05:
        pass
    KNOWN["table"] = np.linspace(0, 1, 100)
r = float(KNOWN["table"][int(abs(np.atleast_1d(s)[0] * 100)) % 100])
"""
    ),
    "works in place": program("o = self.s; o = o + 1 if isinstance(o, int) else o.__iadd__(1.0)"),
    "raises on some": program("if hash(key(s, a)) % 7 == 0:\n    raise ValueError"),
    "sleeps": program("time.sleep(0.001)"),
}
