"""The values that pass between the parts of the benchmark.

One encoding is used everywhere outside of a program: an observation or an action is a *row* of float64 numbers (a
discrete value is a row of one, a tuple of integers one column each, a box its flattened vector). ``Space.decode`` turns
a row into the Python value that a program and a reader see.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Space:
    """The set of values that an observation or an action can take.

    kind: ``discrete`` (one int), ``tuple`` (several ints), ``box`` (a vector of floats), ``board`` (numbers of words:
    of the cells of a 6×6×2 board, of what is carried; and flags that a program is not told: which actions are valid).
    low, high: inclusive bounds, one per column of a row; infinite where there is none.
    dtype: what Gymnasium calls the element type (``int64``, ``float32``, ``float64``).
    words: of a board, what its numbers stand for.
    """

    kind: Literal["discrete", "tuple", "box", "board"]
    low: tuple[float, ...]
    high: tuple[float, ...]
    dtype: str
    words: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of columns of a row."""
        return len(self.low)

    def decode(self, row: Floats) -> int | tuple[int, ...] | Floats | tuple[NDArray[np.str_], str]:
        """The value that a program sees: int, tuple of ints, a fresh float64 vector [size], or (board, inventory)."""
        if self.kind == "board":
            *board, carried = np.array(self.words)[np.asarray(row, dtype=np.int64)[:73]]
            return np.array(board).reshape(6, 6, 2), str(carried)
        if self.kind == "discrete":
            return int(row[0])
        if self.kind == "tuple":
            return tuple(int(x) for x in row)
        return np.array(row, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Transitions:
    """N transitions (s, a, r, s', terminated), row i of every array being transition i.

    observations, next_observations: float64 [N, observation_space.size]
    actions: float64 [N, action_space.size]
    rewards: float64 [N]
    terminated, truncated: bool [N]; the recording's own cut is neither
    episodes: int64 [N], the episode that a transition belongs to
    steps: int64 [N], its time step within that episode
    determined: bool [N, D + 2], which parts of the outcome follow from observation and action alone: each element of
    the next observation, the reward, the end
    """

    observations: Floats
    actions: Floats
    rewards: Floats
    next_observations: Floats
    terminated: Bools
    truncated: Bools
    episodes: Ints
    steps: Ints
    determined: Bools

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def wholly_determined(self) -> Bools:
        """Whether all parts that count follow from observation and action [N]; at an end the next state does not."""
        rest = self.determined[:, -2:].all(axis=1)
        return np.asarray(rest & (self.terminated | self.determined[:, :-2].all(axis=1)))

    def frame(self) -> pd.DataFrame:
        """One row per transition: episode, step, observation_0 …, action_0 …, reward, next_observation_0 …,
        terminated, truncated, and determined (whether all of the outcome follows from observation and action)."""
        import pandas as pd

        def columns(name: str, rows: Floats) -> dict[str, Floats]:
            return {f"{name}_{i}": column for i, column in enumerate(rows.T)}

        return pd.DataFrame(
            {
                "episode": self.episodes,
                "step": self.steps,
                **columns("observation", self.observations),
                **columns("action", self.actions),
                "reward": self.rewards,
                **columns("next_observation", self.next_observations),
                "terminated": self.terminated,
                "truncated": self.truncated,
                "determined": self.wholly_determined,
            }
        )

    def take(self, index: Any) -> Transitions:
        """The transitions selected by a numpy index (array of ints or bools, or a slice)."""
        return Transitions(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Analysis:
    """What a script printed while it looked at the training transitions, cut to 4 KB, and why it failed, if so."""

    output: str
    failure: Failure | None = None


class Analyse(Protocol):
    """Runs a Python script on the training transitions in the sandbox, as any program.

    It finds there numpy as ``np`` and the arrays ``observations`` [N, D], ``actions`` [N, A] ([N] where discrete),
    ``rewards`` [N], ``next_observations`` [N, D], ``terminated``, ``episodes`` and ``steps`` [N]; with a program also
    its class ``Environment``.
    """

    def __call__(self, script: str, program: Program | None = None) -> Analysis:
        """Never raises for what the script does.

        Raises:
            BudgetExhausted: of a budget of analyses that is generous, but finite for each call of the model.
        """
        ...


def no_analysis(script: str, program: Program | None = None) -> Analysis:
    """Where there is no sandbox at hand."""
    return Analysis("", Failure("exception", "scripts cannot be run here"))


@dataclass(frozen=True)
class Task:
    """All that a strategy learns about an environment. The held-out transitions are not among it.

    description: the text about the environment; contract: the text about the class to write.
    kind: what is asked for, which decides the prompts: a ``world_model``; or a ``script``, a program that solves a
    problem of programming (then environment names the problem, and there are neither spaces nor transitions);
    analyse: looks at the training transitions with a script that nobody trusts.
    """

    environment: str
    description: str
    contract: str
    observation_space: Space
    action_space: Space
    train: Transitions
    kind: Literal["world_model", "script"] = "world_model"
    analyse: Analyse = no_analysis


@dataclass(frozen=True)
class Program:
    """The source of a candidate code world model."""

    source: str

    @property
    def hash(self) -> str:
        """SHA-256 of the source, in hex."""
        return hashlib.sha256(self.source.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class FittedProgram(Program):
    """A program that has learned. state: its environment after fit, as the sandbox hands it from process to process."""

    state: bytes = b""


FailureKind = Literal[
    # the language model's fault
    "no_code",  # the answer holds no class Environment
    "syntax_error",
    "load_error",  # importing the program or Environment() raised
    "forbidden_import",
    "fit_error",  # fit raised, or left what cannot be handed to another process
    "exception",  # set_state or step raised
    "bad_return",  # step returned something else than (observation, reward, done)
    "bad_observation",  # of the wrong shape or kind: costs the state part, is not fatal
    "timeout",
    "memory",
    "crash",  # the process died
    "protocol_violation",  # the program tampered with the channel
    "stateful",  # predictions differ in a fresh process: knowledge was carried between transitions
    "too_large",
    "flood",  # a script wrote more than it may
    "context_exceeded",
    "refused",  # by a content filter, or by the model itself
    "strategy_error",  # the strategy itself raised
    # not the model's fault: never counted as a score
    "infrastructure",
]


@dataclass(frozen=True)
class Failure:
    """Why something did not work: a value, kept in the record.

    message: one or a few lines, for people and for the fix prompt; line: line of the program, if known, from 1;
    code: the text of that line; transition: the index of the transition at which it happened, if any.
    """

    kind: FailureKind
    message: str
    line: int | None = None
    code: str | None = None
    transition: int | None = None


@dataclass(frozen=True)
class Fitted:
    """What became of a program that may learn: itself where it has no method fit.

    failure: why there is nothing to predict or plan with; seconds: reference seconds that fit took.
    """

    program: Program
    failure: Failure | None = None
    seconds: float = 0.0


# What became of each transition in the sandbox.
OK, RAISED, BAD_RETURN, BAD_OBSERVATION, NOT_RUN = 0, 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a program said about N transitions.

    observations: float64 [N, D]; rewards: float64 [N]; done: bool [N]; NaN and False where it said nothing
    status: uint8 [N]: OK, RAISED, BAD_RETURN, BAD_OBSERVATION (reward and done are valid) or NOT_RUN
    failure: the first thing that went wrong, fatal or not
    seconds: reference seconds that the program computed, 0 where that was not measured
    """

    observations: Floats
    rewards: Floats
    done: Bools
    status: NDArray[np.uint8]
    failure: Failure | None = None
    seconds: float = 0.0

    @classmethod
    def none(cls, n: int, observation_size: int, failure: Failure) -> Predictions:
        """Those of a program that says nothing about N transitions."""
        silence = np.full(n, np.nan), np.zeros(n, np.bool_), np.full(n, NOT_RUN, np.uint8)
        return cls(np.full((n, observation_size), np.nan), *silence, failure)

    def take(self, index: Any) -> Predictions:
        """Those selected by a numpy index (array of ints or bools, or a slice), with the same failure."""
        return Predictions(
            self.observations[index],
            self.rewards[index],
            self.done[index],
            self.status[index],
            self.failure,
            self.seconds,
        )


@dataclass(frozen=True)
class Mistake:
    """A wrongly predicted transition, as rows (see the module's docstring).

    shown: of many wrong elements those that say most, else all; undetermined: what differs but does not follow from
    observation and action, so that it is not wrong (columns of the observation, then D for the reward, D + 1 for the
    end); state: how many elements, the first ones, make up the state of a large observation; malformed: what is wrong
    with the form of the predicted observation, if anything; digits: how many decimal digits of each element and of the
    reward are right (see cwmb.judging.precision), None where only a match counts, empty where that is not told.
    """

    index: int
    observation: list[float]
    action: list[float]
    next_observation: list[float]
    reward: float
    done: bool
    predicted_observation: list[float]
    predicted_reward: float
    predicted_done: bool
    wrong_elements: list[int]  # columns of the observation outside of the tolerance; empty if terminal
    reward_wrong: bool
    done_wrong: bool
    shown: list[int] = field(default_factory=list)
    undetermined: list[int] = field(default_factory=list)
    state: int = 0
    malformed: str = ""
    digits: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class WrongOutput:
    """A test that a script does not pass. index: which one; given, expected, said: its input, and the outputs."""

    index: int
    given: str
    expected: str
    said: str


@dataclass(frozen=True)
class Ran:
    """What a script wrote for one input. failure: why it did not end as it should; seconds: reference seconds."""

    output: str
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """How well a program predicts a set of transitions (all shares lie in [0, 1]).

    accuracy: the benchmark's score; state, reward, done: its parts (unweighted means; state over non-terminal
    transitions); exact: share of transitions with all parts right; ran: share that counts as answered, neither raised
    nor timed out (nor malformed, where that costs everything);
    failure: the first failure, fatal or not; mistakes: wrong transitions drawn for feedback, the first one is the
    one that the protocol shows; determined: share of transitions with all parts right that observation and action
    determine; lost: share of tried pairs of steps in which the second did not go on from where the first led, None
    where that was not tried or nobody plans so; precision: how nearly right it is (see cwmb.judging.precision), None if
    not measured; valid: share of non-terminal transitions whose valid actions are right, None where there are none.

    Of a script accuracy is the share of tests that it passes, and outputs are what mistakes are of a world model.
    """

    accuracy: float
    state: float
    reward: float
    done: float
    exact: float
    ran: float
    n: int
    failure: Failure | None = None
    mistakes: tuple[Mistake, ...] = ()
    determined: float = 0.0
    lost: float | None = None
    precision: float | None = None
    valid: float | None = None
    outputs: tuple[WrongOutput, ...] = ()

    @property
    def perfect(self) -> bool:
        """Whether every determined part of every transition is right (a float accuracy of 1.0 is no reliable test).

        A program that loses its state between two steps is not: nobody could plan with it.
        """
        return self.n > 0 and max(self.exact, self.determined) == 1.0 and not self.loses_state

    @property
    def loses_state(self) -> bool:
        """Whether step mostly does not go on from the state that it returned."""
        return self.lost is not None and self.lost > 0.5

    @property
    def raised(self) -> bool:
        """Whether the program failed in a way that calls for a fix rather than an improvement."""
        return self.failure is not None and (self.failure.kind != "bad_observation" or self.ran < 1.0)


@dataclass(frozen=True)
class Usage:
    """What language model calls cost. dollars is None as soon as a price is unknown.

    cached_tokens, written_tokens: of those of the prompt, how many were read from the endpoint's cache, and how many
    written to it at a price of their own. estimated_calls: how many of the calls came without a count of their tokens,
    which was then guessed.
    """

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    dollars: float | None = 0.0
    estimated_calls: int = 0
    written_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        dollars = None if self.dollars is None or other.dollars is None else self.dollars + other.dollars
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            dollars,
            self.estimated_calls + other.estimated_calls,
            self.written_tokens + other.written_tokens,
        )


@dataclass(frozen=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Tool:
    """Something that a model may call, where its provider offers calls; elsewhere it writes the same as text.

    argument: the name of its one argument, a text (none if empty). A call is written as a fenced block of that text,
    marked fence; where there is no argument, as the words.
    """

    name: str
    description: str
    argument: str = ""
    fence: str = ""
    words: str = ""


@dataclass(frozen=True)
class Prompt:
    """What a strategy asks a language model.

    kind: ``generate``, ``improve`` or ``fix``, or a strategy's own word; parent: index of the completion whose program
    is shown or continued, None at the root; note: the decision that led here, for the search tree (plain JSON);
    tools: what the model may call. The messages must tell how to write the same, as many providers don't offer calls.
    """

    kind: str
    messages: tuple[Message, ...]
    parent: int | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""  # lines of code that the program must start with (GIF-MCTS below the root)
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters. None: not sent. max_new_tokens limits the visible answer."""

    temperature: float | None = 1.0
    top_p: float | None = 0.95
    top_k: int | None = None
    max_new_tokens: int = 4000
    max_reasoning_tokens: int = 16000


@dataclass(frozen=True)
class Request:
    """One call of a language model, as a provider gets it.

    tools: what the provider may offer the model to call; the reply's text then has each call in its written form.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A provider's answer.

    finish_reason: the endpoint's, ``length`` where the answer was cut off; model: the name that the endpoint reports;
    dropped: parameters that it refused; thoughts: what the model said to itself, no part of the text; reduced_to: the
    new tokens that the endpoint granted, where these were fewer than it was asked for.
    """

    text: str
    usage: Usage
    finish_reason: str = "stop"
    model: str = ""
    dropped: tuple[str, ...] = ()
    thoughts: str = ""
    reduced_to: int | None = None


@dataclass(frozen=True)
class Completion:
    """A metered reply. index counts a cell's calls from 0.

    program: what was found in the text; failure: why it can't be used, if so. A syntax error has both, so that a
    strategy can ask for a fix; where there is no code there is no program. in_thoughts: whether the program stood in
    the model's thoughts, and nowhere else; departs: whether it is a whole program that does not start with the lines
    that the prompt gave.
    """

    index: int
    text: str
    program: Program | None
    failure: Failure | None
    usage: Usage
    finish_reason: str
    in_thoughts: bool = False
    departs: bool = False


class Provider(Protocol):
    """A language model behind an API (entry-point group ``cwmb.models``, called with the text after the colon).

    name: what records call it: no path, no secret. Where it waits, it does so by ``cwmb.models.pausing.pause``.
    """

    name: str

    def complete(self, request: Request) -> Reply:
        """Answer one request. Must be safe to call from several threads.

        Raises:
            ContextExceeded: the prompt is longer than the model can read.
            InfrastructureError: no answer after all sensible retries.
        """
        ...


class LanguageModel(Protocol):
    """What a strategy asks: a metered provider. It counts, keeps the ledger, extracts programs, ends at the budget."""

    def complete(self, prompt: Prompt) -> Completion:
        """Ask once.

        Raises:
            BudgetExhausted: no further call may start. A strategy may let it pass: the harness keeps the best program.
        """
        ...


class Evaluate(Protocol):
    """Scores a program on the training transitions, in the sandbox."""

    def __call__(self, program: Program) -> Evaluation:
        """Run the program on every training transition; never raises for what the program does.

        Raises:
            BudgetExhausted: of a budget of evaluations that is generous, but finite for each call of the model.
        """
        ...


class Strategy(Protocol):
    """A way of searching for a program (entry-point group ``cwmb.strategies``; its dataclass fields are the options).

    A class attribute ``anytime = True`` declares that a smaller budget would have asked the same first questions, so
    that results for smaller budgets are read off the same run. ``independent = True`` declares that its questions don't
    depend on answers, so that they may be asked all at once.
    """

    def search(self, task: Task, llm: LanguageModel, evaluate: Evaluate, rng: np.random.Generator) -> Program | None:
        """Return the program to be judged, or None for the best one evaluated.

        All randomness comes from rng: the same seed must ask the same questions.
        """
        ...
