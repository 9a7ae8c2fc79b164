"""The child's side of the conversation: load the program, answer questions.

All of this runs in one process with the untrusted program, which may change any of it. The parent therefore believes
nothing but the form of the answers, and the worst that a program can do is to answer wrongly.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from collections.abc import Callable
from mmap import mmap
from typing import Any, NoReturn

import numpy as np

from cwmb.planners import SimulationFailed
from cwmb.sandbox import wire
from cwmb.sandbox.analysis import Printed
from cwmb.sandbox.analysis import run as run_script
from cwmb.sandbox.candidate import LoadFailed, described, load, malformed, report
from cwmb.sandbox.fitting import CannotTravel, frozen, thawed, training_arrays
from cwmb.sandbox.many import StepMany
from cwmb.sandbox.model import CandidateModel
from cwmb.sandbox.randomness import Randomness
from cwmb.sandbox.script import Script
from cwmb.sandbox.values import Malformed, ValidActionsBeside, decoded, decoder, encoder, real, truth, unpack
from cwmb.sandbox.wire import DATA_FD, LENGTH, LOG_FD, NONCE_BYTES, Report
from cwmb.types import BAD_OBSERVATION, BAD_RETURN, OK, RAISED

TAMPERED = 70  # exit status of a child that cannot talk to its parent any more

_USUAL_BYTES = 4096  # of a question
Question = tuple[bytes, bytes]  # nonce, content


def serve(memory: mmap, randomness: Randomness, planners: dict[str, Any], lock_down: Callable[[], str]) -> NoReturn:
    """Answer questions until there are no more of them.

    memory: where the rows of answers go; planners: classes (or the exception of their import) by name; lock_down: puts
    the protection in force and names its layers.
    """
    try:
        faulthandler.enable(file=LOG_FD)
        faulthandler.register(signal.SIGUSR1, file=LOG_FD)  # the parent asks: where are you?
        nonce, content = _next_question()
        try:
            layers = lock_down()
            setup = json.loads(content)
            answer = _answerer(setup, memory, randomness, planners)
        except (Exception, SystemExit) as error:
            _answer(nonce, Report("infrastructure", described(error)))
            os._exit(0)
        sys.stdin = None
        sys.stderr = sys.stdout
        _answer(nonce, Report(text=layers))
        answer()
        _next_question()  # there is none: the parent looks at what was spent before it is done with us
    except BaseException as error:
        os.write(LOG_FD, b"cwmb: " + described(error).encode("utf-8", "replace"))
    finally:
        os._exit(TAMPERED)


def _answerer(
    setup: dict[str, Any], memory: mmap, randomness: Randomness, planners: dict[str, Any]
) -> Callable[[], None]:
    if setup.get("script"):
        return lambda: _run(memory)
    if setup.get("analysis"):
        return lambda: _analyse(setup, randomness)
    if setup["fit"]:
        return lambda: _fit(setup, memory, randomness)
    if setup["planner"] is None:
        return lambda: _predict(setup, memory, randomness)
    planner_class = planners[setup["planner"]]
    if isinstance(planner_class, Exception):  # it names the planner
        raise planner_class
    space = setup["action"]
    low, high = np.array(space["low"], dtype=np.float64), np.array(space["high"], dtype=np.float64)
    planner = planner_class(low, high, space["dtype"], **setup["parameters"])
    generator = randomness.planner_generator(setup["seed"])
    return lambda: _plan(setup, memory, planner, generator, randomness)


def _load(setup: dict[str, Any], randomness: Randomness) -> tuple[Any, bool]:
    """The program's environment, and whether it seems to draw random numbers."""
    nonce, source = _next_question()
    seed = setup["seed"]
    # A program that hides its use of random numbers from this test disagrees with itself in the audit.
    draws = any(word in source for word in (b"random", b"secrets", b"urandom"))
    if draws:
        randomness.begin(seed, b"-1")
    try:
        environment = thawed(source) if setup["fitted"] else load(source)
    except LoadFailed as failed:
        _answer(nonce, failed.report)
        os._exit(0)
    except BaseException as error:  # of a fitted environment
        _answer(nonce, report(error, "fit_error"))
        os._exit(0)
    _answer(nonce, Report())
    return ValidActionsBeside(environment) if setup["observation"]["kind"] == "board" else environment, draws


def _run(memory: mmap) -> None:
    """Run a script once, with an input that comes as a question."""
    nonce, source = _next_question()
    try:
        script = Script(source, len(memory))
    except LoadFailed as failed:
        _answer(nonce, failed.report)
        os._exit(0)
    _answer(nonce, Report())
    nonce, content = _next_question()
    problem = script.run(content)
    written = script.written()
    memory[: len(written)] = written
    _answer(nonce, problem, wire.WRITTEN.pack(len(written)))


def _fit(setup: dict[str, Any], memory: mmap, randomness: Randomness) -> None:
    """Answer the question to learn, once."""
    environment, draws = _load(setup, randomness)
    fit = getattr(environment, "fit", None)
    nonce, content = _next_question()
    problem, state = Report(), b""
    if callable(fit):
        try:
            if draws:
                randomness.begin(setup["seed"], b"fit")
            fit(*training_arrays(content, setup))
            state = frozen(environment)
            if len(state) > len(memory):
                raise CannotTravel(f"it takes {len(state):,} bytes, at most {len(memory):,} can be handed over")
            memory[: len(state)] = state
        except CannotTravel as error:
            text = f"after fit the object must be handed to other processes (its attributes are kept), but {error}"
            problem = Report("fit_error", text)
        except BaseException as error:
            problem = report(error, "fit_error")
    _answer(nonce, problem, wire.FITTED.pack(0 if problem.kind else len(state)))
    _next_question()  # stays until the parent is done with it: it may look how long this took


def _analyse(setup: dict[str, Any], randomness: Randomness) -> None:
    """Answer the question what a script prints, once."""
    nonce, content = _next_question()
    printed: Any = Printed()
    sys.stdout = sys.stderr = printed
    randomness.begin(setup["seed"], b"analysis")
    problem = run_script(content, setup)
    _answer(nonce, problem, printed.content())


def _predict(setup: dict[str, Any], memory: mmap, randomness: Randomness) -> None:
    """Answer questions about transitions: rows (observation, action), NaN for the observation to go on."""
    environment, draws = _load(setup, randomness)
    set_state, step = environment.set_state, environment.step
    observation_space, action_space = setup["observation"], setup["action"]
    size, width = observation_space["size"], observation_space["size"] + action_space["size"]
    stride = wire.row_bytes(size)
    rows = np.ndarray((len(memory) // stride, size), np.float64, memory, wire.ROW_HEAD.size, (stride, 8))
    pack_head = wire.ROW_HEAD.pack_into
    kind, words = observation_space["kind"], observation_space["words"]
    decode = decoder(kind, words)
    encode = encoder(kind, size, words)
    begin, seed = randomness.begin, setup["seed"]
    draws, randomness.distinct = draws and setup["reseed"], not setup["reseed"]
    origin, steps = b"", 0  # the row that the program was set on, and how many it has taken from there
    while True:
        nonce, content = _next_question()
        table = np.frombuffer(content, np.float64).reshape(-1, width)
        is_given = (table[:, 0] == table[:, 0]).tolist()
        actions = decoded(action_space["kind"], table[:, size:])
        problem = wire.NOTHING
        for i, (row, given, action, answer) in enumerate(zip(table, is_given, actions, rows, strict=False)):
            status, done, reward = RAISED, False, 0.0
            try:
                if draws:
                    origin, steps = (row.tobytes(), 0) if given else (origin, steps + 1)
                    begin(seed, origin + b"%d" % steps)
                if given:
                    set_state(decode(row[:size]))
                returned = step(action)
                status = BAD_RETURN
                if type(returned) is not tuple or len(returned) != 3:
                    unpack(returned)
                observation, reward, done = returned
                if type(reward) is not float:
                    reward = real(reward, "reward")
                if type(done) is not bool:
                    done = truth(done)
                status = BAD_OBSERVATION
                encode(observation, answer)
                status = OK
            except Malformed as error:
                kind = "bad_observation"
                if status != BAD_OBSERVATION:
                    kind, status, reward, done = "bad_return", BAD_RETURN, 0.0, False
                if not problem.kind or (problem.kind == "bad_observation" and kind != "bad_observation"):
                    problem = malformed(error, kind, i)
            except BaseException as error:
                status, done, reward = RAISED, False, 0.0
                if problem.kind in ("", "bad_observation"):
                    problem = report(error, "exception", i)
            pack_head(memory, i * stride, status, done, reward)
        _answer(nonce, problem)


def _plan(
    setup: dict[str, Any], memory: mmap, planner: Any, generator: np.random.Generator, randomness: Randomness
) -> None:
    """Answer questions for plans: one observation each."""
    environment, draws = _load(setup, randomness)
    observation_space, action_space = setup["observation"], setup["action"]
    discrete = action_space["kind"] != "box"
    size, vectors = observation_space["size"], observation_space["kind"] == action_space["kind"] == "box"
    many = None
    if vectors and callable(getattr(environment, "step_many", None)):
        many = StepMany(environment, size, randomness.planner_generator(setup["seed"] + 1))
    progress = memoryview(memory).cast("Q")  # see wire.PROGRESS
    kind, words = observation_space["kind"], observation_space["words"]
    again = setup["stepping"] == "set_state"
    model = CandidateModel(environment, kind, size, discrete, progress, many, words, again)
    randomness.distinct = True
    plan_index = 0
    while True:
        nonce, content = _next_question()
        if draws:
            randomness.begin(setup["seed"], b"%d" % plan_index)
        plan_index += 1
        model.begin(np.frombuffer(content, np.float64))
        try:
            actions = np.asarray(planner.plan(model, generator), dtype=np.float64).tobytes()
        except SimulationFailed:
            actions = b""
        stepping = wire.STEPPED if many is None else wire.AT_ONCE if many.refused is None else wire.REFUSED
        why = many.refused if many is not None and many.refused else ""
        _answer(nonce, Report(text=why), wire.PLAN.pack(model.steps, model.failed_steps, stepping) + actions)


def _next_question() -> Question:
    data, size = b"", LENGTH.size + NONCE_BYTES
    while len(data) < size:
        more = os.read(DATA_FD, max(size - len(data), _USUAL_BYTES))  # the next one comes after the answer
        if not more:  # the parent is done with us
            os._exit(0)
        data = data + more if data else more
        if len(data) >= LENGTH.size:
            size = LENGTH.size + LENGTH.unpack_from(data)[0]
    return data[LENGTH.size : LENGTH.size + NONCE_BYTES], data[LENGTH.size + NONCE_BYTES :]


def _answer(nonce: bytes, problem: Report, tail: bytes = b"") -> None:
    view = memoryview(wire.pack_report(nonce, problem, tail))
    while view:
        view = view[os.write(DATA_FD, view) :]
