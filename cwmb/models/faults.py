"""Realistic faults, made in a right program by transforming its syntax tree.

A finder looks for the places at which its kind of fault can be made and gives one callable for each, which makes it in
place. What a program does wrong afterwards is up to the program: some faults never show, some raise.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache, partial
from keyword import iskeyword
from random import Random

Make = Callable[[], None]
Set = Callable[[ast.AST], None]

_TABLE = 6  # literal sequences longer than this are tables: a slip in one entry would hardly be noticed
_WITHOUT_PARTS = (ast.Constant, ast.Global, ast.Nonlocal)
_PLAIN = {"id", "attr", "arg", "name", "asname", "rest", "module", "level", "ctx", "op", "ops", "kind", "type_comment"}
_PLAIN |= {"simple", "is_async", "conversion", "type_ignores", "kwd_attrs"}
_RIVALS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


def with_faults(source: str, count: int, rng: Random) -> str:
    """The program with that many faults (fewer if it offers no place for them), as ``ast.unparse`` writes it.

    Raises:
        SyntaxError: the source is not a program.
    """
    tree = ast.parse(source)
    finders, weights = zip(*_KINDS, strict=True)
    for _ in range(count):
        for _ in range(8):
            places = rng.choices(finders, weights)[0](tree, rng)
            if places:
                rng.choice(places)()
                break
    return ast.unparse(tree)


def with_syntax_error(source: str, rng: Random) -> str:
    """The source with one line broken."""
    lines = source.split("\n")
    places = [i for i, line in enumerate(lines) if line.rstrip().endswith((":", ")", "]"))]
    if not places:
        return source + "\n)"
    line = lines[place := rng.choice(places)].rstrip()
    lines[place] = " " + line if rng.random() < 0.2 else line[:-1]
    return "\n".join(lines)


def _slots(node: ast.AST) -> list[tuple[ast.AST, Set]]:
    """Every node below node with a function that puts another in its place; tables of literals are left out."""
    slots: list[tuple[ast.AST, Set]] = []
    _collect_slots(node, slots)
    return slots


def _collect_slots(node: ast.AST, slots: list[tuple[ast.AST, Set]]) -> None:
    if isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > _TABLE:
        return
    for name in _part_names(type(node).__name__):
        value = getattr(node, name)
        if type(value) is list:
            for i, item in enumerate(value):
                if item is not None:  # the key of a ** in a dictionary
                    slots.append((item, partial(value.__setitem__, i)))
                    _collect_slots(item, slots)
        elif value is not None:
            slots.append((value, partial(setattr, node, name)))
            _collect_slots(value, slots)


def _walk(tree: ast.AST) -> list[ast.AST]:
    """What ast.walk yields, but for operators and contexts: these are half of the nodes."""
    found = [tree]
    for node in found:  # which grows meanwhile
        for name in _part_names(type(node).__name__):
            value = getattr(node, name)
            if type(value) is list:
                found += [item for item in value if item is not None]
            elif value is not None:
                found.append(value)
    return found


@cache
def _part_names(name: str) -> tuple[str, ...]:
    """The fields of a kind of node that hold nodes, operators and contexts aside."""
    kind = getattr(ast, name)
    return () if kind in _WITHOUT_PARTS else tuple(field for field in kind._fields if field not in _PLAIN)


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in _walk(tree) if isinstance(node, ast.FunctionDef)]


def _bodies(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every block of statements."""
    for node in _walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _wrong_constants(tree: ast.AST, rng: Random) -> list[Make]:
    def wrong(value: float) -> float:
        if isinstance(value, int):
            return rng.choice((value + 1, 2 * value + 1, value - 1 if value > 0 else 2))
        return float(f"{value * rng.choice((0.1, 0.5, 0.9, 1.1, 2.0, 10.0)):.6g}") if value else 1.0

    return [partial(put, ast.Constant(wrong(ast.literal_eval(node)))) for node, put in _slots(tree) if _is_number(node)]


def _flipped_signs(tree: ast.AST, rng: Random) -> list[Make]:
    flips: list[Make] = []
    for node, put in _slots(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            flips.append(partial(setattr, node, "op", ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            flips.append(partial(put, node.operand))
    return flips


def _wrong_functions(tree: ast.AST, rng: Random) -> list[Make]:
    twins = {"sin": "cos", "cos": "sin"}
    return [
        partial(setattr, node, "attr", twins[node.attr])
        for node in _walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in twins
    ]


def _missing_clips(tree: ast.AST, rng: Random) -> list[Make]:
    clips: list[Make] = []
    for node, put in _slots(tree):
        if isinstance(node, ast.Call) and node.args:
            if _name(node) == "np.clip" and not node.keywords:
                clips.append(partial(put, node.args[0]))
            inner = node.args[0]
            if {_name(node), _name(inner)} in ({"min", "max"}, {"np.minimum", "np.maximum"}) and isinstance(
                inner, ast.Call
            ):
                clips += [partial(put, inner.args[0]), partial(put, inner)]
    return clips


def _name(node: ast.AST) -> str:
    """The function that is called."""
    return _spelled(node.func) if isinstance(node, ast.Call) else ""


def _spelled(node: ast.AST) -> str:
    """What ast.unparse makes of a node; in no time where it is a name or an attribute of one."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ast.unparse(node)


def _wrong_bounds(tree: ast.AST, rng: Random) -> list[Make]:
    bounds: list[Make] = []
    for node, put in _slots(tree):
        if isinstance(node, ast.Compare):
            for i, op in enumerate(node.ops):
                bounds += [partial(node.ops.__setitem__, i, rival()) for rival in _RIVALS.get(type(op), ())]
        elif isinstance(node, ast.BoolOp):
            bounds.append(partial(setattr, node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And()))
        elif isinstance(node, ast.Call) and _name(node) == "abs" and len(node.args) == 1:
            bounds.append(partial(put, node.args[0]))
    return bounds


def _wrong_rewards(tree: ast.AST, rng: Random) -> list[Make]:
    """A term of the reward left out, or another constant for it."""
    terms: list[Make] = []
    for node in _walk(tree):
        places: list[tuple[ast.AST, Set]] = []
        if isinstance(node, ast.Assign):
            if any(word in _spelled(node.targets[0]) for word in ("reward", "cost", "penalty", "effort")):
                places = [(node.value, partial(setattr, node, "value")), *_slots(node.value)]
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 3:
            reward, put_reward = node.value.elts[1], partial(node.value.elts.__setitem__, 1)
            places = [(reward, put_reward), *_slots(reward)]
            if _is_number(reward):
                terms.append(partial(put_reward, ast.Constant(0.0 if ast.literal_eval(reward) else 1.0)))
        for part, put in places:
            if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub):
                terms += [partial(put, part.left), partial(put, part.right)]
    return terms


def _never_done(tree: ast.AST, rng: Random) -> list[Make]:
    ends: list[Make] = []
    for node in _walk(tree):
        if isinstance(node, ast.Assign) and _spelled(node.targets[0]) == "done":
            end, put = node.value, partial(setattr, node, "value")
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 3:
            end, put = node.value.elts[2], partial(node.value.elts.__setitem__, 2)
        else:
            continue
        if not isinstance(end, ast.Constant):
            ends.append(partial(put, ast.Constant(False)))
    return ends


def _wrong_orders(tree: ast.AST, rng: Random) -> list[Make]:
    """Two neighbouring assignments, the second of which uses what the first computes, in the other order."""

    def swap(block: list[ast.stmt], i: int) -> None:
        block[i], block[i + 1] = block[i + 1], block[i]

    swaps: list[Make] = []
    for function in _functions(tree):
        known = {argument.arg for argument in function.args.args}
        for block in _bodies(function):
            bound = set(known)
            for i in range(len(block) - 1):
                first, second = block[i], block[i + 1]
                used = _targets(first) & _loads(second)
                if used and all("." in name or name in bound for name in used):
                    swaps.append(partial(swap, block, i))
                bound |= _targets(first)
    return swaps


def _targets(statement: ast.stmt) -> set[str]:
    """The names and attributes that an assignment sets."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return set()
    return {
        _spelled(node)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        for node in _walk(target)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def _loads(statement: ast.stmt) -> set[str]:
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return set()
    return {_spelled(node) for node in _walk(statement.value) if isinstance(node, ast.Name | ast.Attribute)}


def _forgotten_updates(tree: ast.AST, rng: Random) -> list[Make]:
    """An update of the state, or an addition to a quantity, left out."""

    def remove(block: list[ast.stmt], i: int) -> None:
        if len(block) > 1:
            del block[i]
        else:
            block[i] = ast.Pass()

    return [
        partial(remove, block, i)
        for function in _functions(tree)
        if function.name not in ("__init__", "set_state")
        for block in _bodies(function)
        for i, statement in enumerate(block)
        if isinstance(statement, ast.AugAssign) or any(name.startswith("self.") for name in _targets(statement))
    ]


def _missing_imports(tree: ast.AST, rng: Random) -> list[Make]:
    body = tree.body if isinstance(tree, ast.Module) else []
    return [partial(body.__delitem__, i) for i, node in enumerate(body) if isinstance(node, ast.Import)]


def _misspellings(tree: ast.AST, rng: Random) -> list[Make]:
    """A name that does not exist, where possible in a branch, so that only some inputs raise."""
    functions = [f for f in _functions(tree) if f.name != "__init__"]
    branches = [part for f in functions for node in _walk(f) if isinstance(node, ast.If) for part in node.body]
    names: list[Make] = []
    for part in branches or functions:
        for node in _walk(part):
            if (
                isinstance(node, ast.Name)
                and isinstance(node.ctx, ast.Load)
                and node.id.islower()
                and node.id != "self"
                and not iskeyword(node.id + "s")
            ):
                names.append(partial(setattr, node, "id", node.id + "s"))
            elif isinstance(node, ast.Attribute) and _spelled(node.value) == "self":
                names.append(partial(setattr, node, "attr", "_" + node.attr))
    return names


_KINDS: tuple[tuple[Callable[[ast.AST, Random], list[Make]], float], ...] = (
    (_wrong_constants, 4.0),
    (_flipped_signs, 3.0),
    (_wrong_functions, 1.0),
    (_missing_clips, 2.0),
    (_wrong_bounds, 2.0),
    (_wrong_rewards, 2.0),
    (_never_done, 1.0),
    (_wrong_orders, 1.5),
    (_forgotten_updates, 1.0),
    (_missing_imports, 0.4),
    (_misspellings, 0.6),
)
