"""A line of a file of samples, as people read it: the question, its choices, what was expected, what came, and why.

A line comes from a file that anybody may have written, so nothing in it is taken for what it should be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from pytest_slm.site import numbers

Line = Mapping[str, Any]
State = Literal["right", "wrong", "partly", "unscored"]

TEXTS = ("prompt", "target", "response", "answer", "explanation", "reasoning", "metadata", "groups", "cluster")
"""What of a line may have words of a question or of an answer in it."""
LONGEST_ID = 200


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """A text with who says it: a role of a conversation, or ``text`` for one without roles."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True)
class LikelihoodChoice:
    """A continuation whose likelihood was asked, of all in one ``form`` (empty where there is one form only).

    ``logprob`` is its log-likelihood, ``share`` its part of the probability of all choices of its form; both None where
    a server told neither."""

    text: str
    form: str
    logprob: float | None
    share: float | None
    chosen: bool
    right: bool


@dataclass(frozen=True, kw_only=True)
class SampleReading:
    """One sample. With ``hidden`` its texts are left out, and ``response_sha256`` says which answer it was."""

    id: str
    repeat: int
    state: State
    score: float | None
    cut: bool
    """Whether the answer was ended at its greatest length."""
    asked: tuple[Utterance, ...]
    expected: str
    choices: tuple[LikelihoodChoice, ...]
    wrote: tuple[Utterance, ...]
    """What the model wrote, one text or one of each turn; empty where likelihoods were asked."""
    reasoning: str
    answer: str
    why: str
    prompt_sha256: str
    response_sha256: str
    hidden: bool
    n_prompt: int | None
    n_unshown: int
    n_output: int | None


def item_key(suite: str, task: str, variant: str) -> str:
    """How an item is called in addresses."""
    return "/".join(filter(None, (suite, task, variant)))


def read_line(line: Line, *, hide: bool = False, cuts: bool = True) -> SampleReading:
    """What a line says; with ``hide`` none of its texts. Without ``cuts`` an answer that was cut off is as good as a
    whole one."""
    known = {key: value for key, value in line.items() if key not in TEXTS} if hide else line
    value = _finite(known.get("score"))
    response = known.get("response")
    likelihoods = _likelihoods(response)
    repeat, shown = known.get("repeat"), known.get("n_prompt")
    return SampleReading(
        id=text_of(known.get("doc_id"))[:LONGEST_ID] or "?",
        repeat=repeat if is_count(repeat) else 0,
        state="unscored" if value is None else "right" if value == 1 else "wrong" if value == 0 else "partly",
        score=value,
        cut=cuts and known.get("finish") == "length",
        asked=tuple(_said(known.get("prompt"), "text")),
        expected=text_of(known.get("target")),
        choices=tuple(_choices(likelihoods)),
        wrote=() if likelihoods else tuple(_written(response)),
        reasoning=text_of(known.get("reasoning")),
        answer=text_of(known.get("answer")),
        why=text_of(known.get("explanation")),
        prompt_sha256=text_of(known.get("prompt_sha256"))[:64],
        response_sha256=_digest(line.get("response")) if hide else "",
        hidden=hide,
        n_prompt=_count(shown),
        n_unshown=(_count(known.get("n_unshown")) or 0) if is_count(shown) else 0,
        n_output=_count(known.get("n_output")),
    )


def text_of(value: Any) -> str:
    """Any value of a line as a text."""
    return "" if value is None else numbers.plain("", value)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether it is a number of things."""
    return type(value) is int and 0 <= value < 10**12


def _count(value: Any) -> int | None:
    return value if is_count(value) else None


def _digest(response: Any) -> str:
    told = json.dumps(response, sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    return hashlib.sha256(told).hexdigest()[:16]


def _said(value: Any, role: str) -> list[Utterance]:
    """Messages, or a text; what is neither is shown as it is."""
    if isinstance(value, list):
        mine = [one if isinstance(one, Mapping) else {"content": one} for one in value]
        return [Utterance(role=text_of(one.get("role")) or role, text=text_of(one.get("content"))) for one in mine]
    return [Utterance(role=role, text=text_of(value))] if value else []


def _written(response: Any) -> list[Utterance]:
    """What the model wrote: a text, or a list of the texts of a turn, or one of such lists for each turn."""
    if not isinstance(response, list):
        return [Utterance(role="", text=text_of(response))] if response else []
    if all(isinstance(turn, list) for turn in response):
        texts = [(f"turn {place}", one) for place, turn in enumerate(response, start=1) for one in turn]
    else:
        texts = [("" if len(response) == 1 else f"{place}.", one) for place, one in enumerate(response, start=1)]
    return [
        Utterance(role=role, text=text_of(one.get("text") if isinstance(one, Mapping) and "text" in one else one))
        for role, one in texts
    ]


def _likelihoods(response: Any) -> Sequence[Mapping[str, Any]]:
    """The entries of continuations, where a response consists of them."""
    if isinstance(response, list) and response and all(isinstance(one, Mapping) for one in response):
        return response if all("logprob" in one and "text" not in one for one in response) else ()
    return ()


def _choices(entries: Sequence[Mapping[str, Any]]) -> list[LikelihoodChoice]:
    """The choices in the form that decides, or in every form where none is known to."""
    told = [(_form(entry), entry) for entry in entries]
    deciding = next((form for form, entry in told if entry.get("chosen") is True), None)
    mine = [(form, entry) for form, entry in told if deciding in (None, form)]
    shares = _shares(mine)
    several = len({form for form, _ in mine}) > 1
    return [
        LikelihoodChoice(
            text=text_of(entry.get("choice", entry.get("class"))),
            form=form if several else "",
            logprob=_finite(entry.get("logprob")),
            share=share,
            chosen=entry.get("chosen") is True,
            right=entry.get("right") is True,
        )
        for (form, entry), share in zip(mine, shares, strict=True)
    ]


def _form(entry: Mapping[str, Any]) -> str:
    """What a continuation is one of: the labels of its kind, such as the form of the question or a rotation."""
    return " ".join(f"{key} {text_of(entry[key])}" for key in ("form", "rotation") if key in entry)


def _shares(told: Sequence[tuple[str, Mapping[str, Any]]]) -> list[float | None]:
    """The part of the probability that each has among those of its form; None where one of them is not known."""
    forms: dict[str, list[float | None]] = {}
    for form, entry in told:
        forms.setdefault(form, []).append(_finite(entry.get("logprob")))
    shares: dict[str, list[float | None]] = {}
    for form, logprobs in forms.items():
        known = [one for one in logprobs if one is not None]
        weights = [math.exp(one - max(known)) for one in known]
        whole = math.fsum(weights)
        shares[form] = [weight / whole for weight in weights] if len(known) == len(logprobs) else [None] * len(logprobs)
    left = {form: iter(mine) for form, mine in shares.items()}
    return [next(left[form]) for form, _ in told]


def _finite(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    with contextlib.suppress(OverflowError):  # an integer beyond all numbers
        return float(value) if math.isfinite(value) else None
    return None
