"""Finding the program in a language model's answer, however it is wrapped (PROTOCOL section 7)."""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import dedent

from cwmb.models.openai import thoughts
from cwmb.types import Failure, Program

MAX_BYTES = 64 << 10  # of a program's source
_MAX_PARSES = 64  # of one answer, so that no text can take long
_MAX_STARTS = 8  # lines tried as the beginning of code without a fence
_MAX_ENDS = 6  # fences tried as the end of a block: a docstring may contain some

_FENCE = re.compile(r"`{3,}|~{3,}|\[/?PYTHON\]")
_QUOTE = re.compile(r"^[ \t]*> ?", re.MULTILINE)
_ENVIRONMENT = re.compile(r"^[ \t>]*(?:class[ \t]+Environment\b|Environment[ \t]*(?::[^=\n]*)?=[^=])", re.MULTILINE)
_STATEMENT = re.compile(
    r"""[ \t]*(?:(?:import|from|class|def)[ \t]+\w|@\w|\#|\"\"\"|'''|self\.\w|[A-Za-z_]\w*[ \t]*=[^=]
    |try:|(?:if|for|with)\b.*:\s*$)""",
    re.VERBOSE,
)
_DEFINITION = re.compile(r"(?:async |def |class |@|import |from |if __name__|try:|except\b|else:|finally:)")
# Characters that chat windows put into code and Python cannot read: those that nobody sees, and spaces.
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")

_parsing = threading.Lock()  # the warning filters that are changed while parsing belong to the whole process


def extract(text: str, prefix: str = "") -> tuple[Program | None, Failure | None]:
    """The program in an answer: of the blocks that bind ``Environment`` and parse, the last complete one.

    What the sandbox can load is a program, however it binds the name. One that does not start with the lines of prefix
    (blank lines and trailing whitespace aside) gets them put before it, unless it is whole as it stands: then it was
    written anew (see ``continues``). Characters that nobody sees and odd spaces are taken out where there is no program
    with them. Never raises.

    Returns:
        (program, None); or (None, failure) of kind ``no_code`` or ``too_large``; or both for a ``syntax_error``, so
        that the program can be shown to a model that fixes it.
    """
    # Half a surrogate pair cannot be written to a file.
    text, prefix = (s.encode("utf-8", "replace").decode().replace("\r\n", "\n") for s in (text, prefix))
    found, failure = _extracted(text.removeprefix("\ufeff"), prefix)
    plain = _SPACE.sub(" ", _UNSEEN.sub("", text))
    if failure is not None and plain != text:
        better, worse = _extracted(plain, prefix)
        found, failure = (better, None) if worse is None else (found, failure)
    return found, failure


def _extracted(text: str, prefix: str) -> tuple[Program | None, Failure | None]:
    search = _Search(prefix)
    visible = thoughts.split(text)[1]
    for part in (visible, text) if visible != text else (text,):
        for candidates in (_blocks(part), _bare(part)):
            if any(search.accepts(body) for body in candidates):
                return search.accepted[-1], None
            if search.accepted:
                return search.accepted[0], None
            if search.failure is not None:
                return search.broken, search.failure
    return None, Failure("no_code", "the answer contains no code that defines a class Environment")


@dataclass
class _Search:
    """Judges candidate sources; remembers the parsable but incomplete ones and the first failure."""

    prefix: str
    accepted: list[Program] = field(default_factory=list)
    failure: Failure | None = None
    broken: Program | None = None  # what the failure is about
    parses: int = 0

    def accepts(self, body: str) -> bool:
        """Whether this is a complete program."""
        source = body.strip("\n").rstrip()
        missing = not continues(source, self.prefix)
        if missing and self._is_whole(source):
            source, missing = _imports_lacking(source, self.prefix) + source, False
        elif missing:
            source = self.prefix.rstrip() + "\n" + source
        likely = any(map(_STATEMENT.match, body.split("\n"))) if missing else _ENVIRONMENT.search(source)
        if not (likely or "Environment" in body) or self.parses == _MAX_PARSES:
            return False
        self.parses += 1
        tree = parse(source + "\n")
        if isinstance(tree, Failure):
            if self.failure is None and likely:
                self.failure = _with_prefix(tree) if missing else tree
                self.broken = Program(source + "\n") if tree.kind == "syntax_error" else None
            return False
        complete = _completeness(tree)
        if complete is not None:
            self.accepted.append(Program(source + "\n"))
        return bool(complete)

    def _is_whole(self, source: str) -> bool:
        """Whether this is a complete program without the prefix."""
        if not _ENVIRONMENT.search(source) or self.parses == _MAX_PARSES:
            return False
        self.parses += 1
        tree = parse(source + "\n")
        return isinstance(tree, ast.Module) and bool(_completeness(tree))


def _imports_lacking(source: str, prefix: str) -> str:
    """Import lines of the prefix whose names a whole program uses and does not bind: it takes them for granted."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    unbound = {node.id for node in names} - {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    unbound -= {
        _bound(alias) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    trees = [parse(line) for line in prefix.split("\n") if line.startswith(("import ", "from "))]
    imports = [node for tree in trees if isinstance(tree, ast.Module) for node in tree.body]
    return "".join(
        f"{ast.unparse(node)}\n"
        for node in imports
        if isinstance(node, ast.Import | ast.ImportFrom) and unbound & {_bound(alias) for alias in node.names}
    )


def _bound(alias: ast.alias) -> str:
    """The name that an import binds."""
    return alias.asname or alias.name.partition(".")[0]


def _with_prefix(failure: Failure) -> Failure:
    message = f"the answer does not start with the given lines; with them put before it: {failure.message}"
    return Failure(failure.kind, message, failure.line, failure.code)


def continues(source: str, prefix: str) -> bool:
    """Whether a program starts with the lines of prefix, blank lines and trailing whitespace aside."""
    wanted, given = ([line.rstrip() for line in s.split("\n") if line.strip()] for s in (prefix, source))
    return given[: len(wanted)] == wanted


def parse(source: str) -> ast.Module | Failure:
    """The source as a tree, or what is wrong with it."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return Failure("too_large", f"the program has {size} bytes, {MAX_BYTES} are allowed")
    try:
        with _parsing, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        lines = source.split("\n")
        line = error.lineno if error.lineno and 0 < error.lineno <= len(lines) else None
        code = lines[line - 1].rstrip() if line else None
        return Failure("syntax_error", f"{type(error).__name__}: {error.msg}", line, code)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:  # null bytes, deep nesting
        return Failure("syntax_error", f"{type(error).__name__}: {str(error) or 'nested too deeply'}")


def _completeness(tree: ast.Module) -> bool | None:
    """Whether Environment is complete (has its methods, or may inherit them); None if it is not bound.

    A class is looked into. What else the name is bound to, and what is only named in a text (``globals()``), may well
    be complete: the sandbox finds out.
    """
    complete: bool | None = None
    named = False
    classes: dict[str, bool] = {}
    for node in _at_module_level(tree):
        if isinstance(node, ast.ClassDef):
            classes[node.name] = _is_complete(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == "Environment":
            complete = classes.get("Environment", True)
        elif isinstance(node, ast.Assign) and any(_is_environment(target) for target in node.targets):
            complete = classes.get(node.value.id, True) if isinstance(node.value, ast.Name) else True
        elif _is_environment(node) and complete is None:
            complete = True
        named = named or (isinstance(node, ast.Constant) and node.value == "Environment")
    return complete if complete is not None or not named else True


def _at_module_level(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module in order, without what is inside of functions and classes."""
    ahead = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            ahead.extend(reversed(list(ast.iter_child_nodes(node))))


def _is_environment(node: ast.AST) -> bool:
    """Whether this binds the name."""
    return isinstance(node, ast.Name) and node.id == "Environment" and isinstance(node.ctx, ast.Store)


def _is_complete(cls: ast.ClassDef) -> bool:
    """Whether a class has the methods of an environment, or may have them from elsewhere."""
    methods = {n.name for n in ast.walk(cls) if isinstance(n, ast.FunctionDef) and not _is_hollow(n)}
    assigned = {n.id for n in ast.walk(cls) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    inherits = bool(cls.bases or cls.keywords or cls.decorator_list)
    return inherits or {"set_state", "step"} <= methods | assigned


def _is_hollow(function: ast.FunctionDef) -> bool:
    """Whether a function's body is only a docstring, ``...`` or ``pass``."""
    return all(
        isinstance(n, ast.Pass) or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))
        for n in function.body
    )


def _blocks(text: str) -> Iterator[str]:
    """What stands between fences, from the last to the first, each with the likeliest end first.

    Every fence is tried as an opening one: what follows a closing fence is prose and does not parse.
    """
    fences = list(_FENCE.finditer(text))
    for k in reversed(range(len(fences))):
        ends = [fence.start() for fence in fences[k + 1 : k + 1 + _MAX_ENDS]]
        yield from _bodies(text, fences[k].end(), ends)


def _bodies(text: str, start: int, ends: list[int]) -> Iterator[str]:
    newline = text.find("\n", start)
    line_end = newline if newline >= 0 else len(text)
    if not _STATEMENT.match(text[start:line_end]):  # the rest of the line names the language
        start = line_end
    for end in ends:
        if end > start:
            yield from _unwrapped(text[start:end])
    if not ends:  # the closing fence is missing
        yield from _unwrapped(text[start:])
        yield from _bare(text[start:])


def _unwrapped(body: str) -> Iterator[str]:
    """A block without the indentation or quotation marks of what surrounds it, and as it stands.

    As it stands comes first if the class is not in it: it may go on within the class that a prefix began.
    """
    inner = dedent(body)
    yield from dict.fromkeys((inner, body) if _ENVIRONMENT.search(body) else (body, inner))
    if ">" in body:
        yield dedent(_QUOTE.sub("", body))


def _bare(text: str) -> Iterator[str]:
    """Code that stands among prose without a fence."""
    lines = _FENCE.sub("", text).split("\n")
    heads = [i for i, line in enumerate(lines) if _ENVIRONMENT.match(line)]
    if not heads:
        yield text
        return
    before = [i for i in range(heads[-1]) if lines[i][:1].strip() and _STATEMENT.match(lines[i])]
    end = _prose_begins(lines, heads[-1])
    code_first = _is_bare("\n".join(lines[end:]))
    for start in [*before[:_MAX_STARTS], heads[-1]]:
        whole, code = "\n".join(lines[start:]), "\n".join(lines[start:end])
        yield from (code, whole) if code_first else (whole, code)


def _prose_begins(lines: list[str], head: int) -> int:
    """The first line after head that stands at the margin and is no Python by itself, or a bare expression."""
    length = 0
    for i in range(head + 1, len(lines)):
        length += len(lines[i])
        if length > MAX_BYTES:
            break
        if not lines[i][:1].strip() or lines[i][0] in ")]}#" or _DEFINITION.match(lines[i]):
            continue
        if isinstance(parse(lines[i] + "\n"), Failure) or _is_bare(lines[i]):
            return i
    return len(lines)


def _is_bare(source: str) -> bool:
    """Whether source is Python only by chance: words that are names (``Done``), or annotate one (``Note: this``)."""
    tree = parse(source + "\n")
    return not isinstance(tree, Failure) and all(isinstance(n, ast.Expr | ast.AnnAssign) for n in tree.body)
