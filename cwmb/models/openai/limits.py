"""Limits on new tokens that an endpoint does not grant: how many it would.

The window of a model holds prompt and answer together, and some models have a limit on answers besides. Endpoints say
so in a hundred spellings, with numbers and without. What they name is tried first; where that is refused, too, or none
is named, the limit is halved. A refusal costs nothing, so that it is the endpoint that decides, not our reading of it.
"""

from __future__ import annotations

import re

from cwmb.models.openai.refusals import Refusal

LEAST = 16  # new tokens: where fewer would be asked for without knowing that they fit, the prompt alone does not
GUESSES = 3  # times that the endpoint's numbers are believed

_NUMBER = r"(\d+)"
_WINDOW = re.compile(
    r"""context[ _-]?(length|size|window|limit) | max(imum)?[ _](context|prompt|model|sequence|seq)[ _]len
    | token[ ]limit | model'?s?[ ]context
    | (prompt|inputs?|messages?)\b[^.]{0,60}\b(too[ ](long|large)|longer[ ]than|exceeds?|less[ ]than)
    | request([ ]entity)?([ ]is)?[ ]too[ ](long|large)
    | exceed_context | too[ ]many[ ](input[ ]|prompt[ ])?tokens | tokens?[ ](count|overall)\b.{0,60}(exceed|large|long)
    | inputs?`?[ ]tokens[ ]?\+ | reduce[ ](the|your)[ ](length|prompt|messages?|input) | range[ ]of[ ]input[ ]length
    | max_tokens[ ]must[ ]be[ ]at[ ]least[ ]1,[ ]got[ ]-""",
    re.VERBOSE | re.IGNORECASE,
)
_WINDOW_BY_NAME = re.compile(r"context[ _-]?(length|size|window)|exceed_context|maximum (model|prompt) length", re.I)
_PROMPT_ALONE = re.compile(
    r"""(prompt|inputs?`?|messages?|request)\b.{0,60}\b(too[ ](long|large)|longer[ ]than|exceeds?|less[ ]than)
    | exceed_context | too[ ]many[ ](input|prompt)[ ]tokens | input[ ]token[ ]count | input[ ]length""",
    re.VERBOSE | re.IGNORECASE,
)
_LIMIT = re.compile(
    r"max_?(new|completion|output)?_?tokens|completion|output|new tokens|generat|requested\D{0,20}\d|\btotal\b|\bsum\b",
    re.IGNORECASE,
)
_LIMIT_NAME = re.compile(r"max_?(new|completion|output)?_?tokens|maximum tokens (you requested|value)", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"not supported|unsupported (parameter|argument)|instead|unrecogni|unknown|extra (field|input)", re.I
)
_BY_THE_MINUTE = re.compile(r"per (minute|day|hour)|\b[TR]P[MD]\b|rate.?limit", re.IGNORECASE)

_PROMPTS = (
    rf"{_NUMBER} (?:tokens )?(?:in|of|from|for) (?:the |your |text )*(?:messages?|prompt|input)",
    rf"{_NUMBER} `?(?:inputs?|prompt)`? tokens",
    rf"\b(?:prompt|inputs?|messages)\b[^.;>=]{{0,40}}?{_NUMBER}",
)
_WINDOWS = (
    rf"(?:context (?:length|size|window|limit)|(?:model|prompt|sequence|model's) (?:maximum )?(?:context )?length"
    rf"|token limit|limit is|tokens allowed|n_ctx)\D{{0,40}}{_NUMBER}",
    rf"{_NUMBER} (?:tokens )?max(?:imum)? (?:context|length)",
    rf"(?:<=|>|less than|cannot exceed|limit of|\[\d+,) ?{_NUMBER}",
)
_TOTAL = rf"(?:requested|received|given|current length is)\D{{0,20}}{_NUMBER}"
_EQUATION = rf"{_NUMBER} \+ {_NUMBER} > {_NUMBER}"  # prompt, answer, window


def of_the_window(refusal: Refusal) -> bool:
    """Whether prompt and answer together, or the prompt alone, are too long for the model."""
    told = f"{refusal.codes} {refusal.words}"
    if refusal.status in (401, 402, 404, 408, 429) or _BY_THE_MINUTE.search(told):
        return False
    return bool((_WINDOW if refusal.status < 500 else _WINDOW_BY_NAME).search(told))


def of_answers(refusal: Refusal) -> bool:
    """Whether the limit on new tokens is larger than the model grants to any answer."""
    named = _LIMIT_NAME.search(f"{refusal.param} {refusal.words}")
    numbers = re.search(r"\d", re.sub(r"\S*[a-z]-\S*", "", refusal.words))  # apart from those in a model's name
    return refusal.status in (400, 413, 422) and bool(named and numbers) and not _UNKNOWN.search(refusal.words)


def reduced(refusal: Refusal, sent: int, prompt: int, tried: int) -> int:
    """The limit to ask with next; 0 if the prompt alone does not fit, or no limit is small enough.

    sent: the limit that was refused; prompt: the tokens of the prompt as estimated; tried: how often it was reduced.
    """
    words = re.sub(r"(?<=\d)[,_](?=\d{3}\b)", "", refusal.words)
    named = _room(words, sent, prompt, tried) if of_the_window(refusal) else _most(words, sent)
    if named is not None and named <= 0:
        return 0
    if named is not None and named < sent and tried < GUESSES:
        return named
    return sent // 2 if sent // 2 >= LEAST else 0


def _room(words: str, sent: int, estimate: int, tried: int) -> int | None:
    """The new tokens for which there is room beside the prompt; 0 or less if there is none; None: nobody knows."""
    about_the_limit = bool(_LIMIT.search(words)) or re.search(rf"\b{sent}\b", words)
    if re.search(r"got -\d", words) or (not about_the_limit and _PROMPT_ALONE.search(words)):
        return 0
    if equation := re.search(_EQUATION, words):
        return int(equation[3]) - int(equation[1])
    prompt, window = (_first(patterns, words) for patterns in (_PROMPTS, _WINDOWS))
    if window is None:
        return None
    if prompt is None and (total := _first((_TOTAL,), words)) is not None:
        prompt = total - sent if total > sent else total
    if prompt is None and tried == 0:
        prompt = estimate
    return None if prompt is None else window - prompt


def _most(words: str, sent: int) -> int | None:
    """The largest number below the refused one: what a model grants at most."""
    exclusive = bool(re.search(r"exclusive|lower than|less than (?!or)", words))
    numbers = [int(n) for n in re.findall(_NUMBER, words)]
    return max((n - exclusive for n in numbers if LEAST < n < sent), default=None)


def _first(patterns: tuple[str, ...], words: str) -> int | None:
    found = (re.search(pattern, words, re.IGNORECASE) for pattern in patterns)
    return next((int(match[1]) for match in found if match), None)
