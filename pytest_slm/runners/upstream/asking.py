"""lm-eval's requests, put to a backend: likelihoods of continuations, of whole texts, and generations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_slm.backends.protocol import GENERATE, LOGLIKELIHOOD, Backend, Finished, silent
from pytest_slm.core.types import Generation, Message, Request
from pytest_slm.errors import NotAvailableError, UsageError

CONVERSATION = "\x00conversation\x00"
"""Begins a context that is a conversation, as JSON: the model's process has the chat template, lm-eval has not."""

MAX_GEN_TOKS = 256
"""lm-eval's own limit where the task names none."""

ROLLED_AT_ONCE = 16
"""Texts of one call: so many are lost at most if a run is interrupted."""

_TOKEN_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")

Asked = tuple[Any, Any]
"""(key of the question, lm-eval's ``Instance``)."""


def as_conversation(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
    """What stands in for lm-eval's chat template. Raises UsageError for an answer that is begun in the prompt."""
    if not add_generation_prompt:
        raise UsageError(
            "this task begins the model's answer itself (gen_prefix), which does not go through a chat template; "
            "set chat_template: false",
            slug="lm-eval-option",
        )
    return CONVERSATION + json.dumps(list(messages))


def ask(backend: Backend, questions: Mapping[Any, Sequence[Any]], answered: Callable[[Any], None], seed: int) -> None:
    """Have all requests of all questions answered, those of one kind in one call, so that the engine can share what
    they have in common; ``answered`` is called with a question's key as soon as its last answer is there."""
    open_ = {key: sum(_repeats(instance) for instance in instances) for key, instances in questions.items()}
    kinds: dict[str, list[Asked]] = {}
    for key, instances in questions.items():
        for instance in instances:
            kinds.setdefault(instance.request_type, []).extend([(key, instance)] * _repeats(instance))

    def add(asked: Asked, answer: Any) -> None:
        key, instance = asked
        instance.resps.append(answer)
        open_[key] -= 1
        if not open_[key]:
            answered(key)

    for kind, asked in kinds.items():
        _ASK[kind](backend, asked, add, seed)


def check_kind(name: str, kind: str, backend: Backend) -> None:
    """Raise UsageError for a kind of request that no engine is asked here, NotAvailableError where this one cannot."""
    if kind not in _NEEDS:
        raise UsageError(f"lm-eval's {name} asks requests of kind {kind!r}, which are not known", slug="lm-eval-kind")
    if _NEEDS[kind] not in backend.capabilities:
        raise NotAvailableError(
            f"lm-eval's {name} requires {_NEEDS[kind]!r}, which this model and backend do not offer",
            slug="missing-capability",
        )


def generation_request(context: str, settings: Mapping[str, Any], seed: int) -> Request:
    """lm-eval's ``generation_kwargs`` as a request: greedy unless the task samples."""
    limits = [settings[name] for name in _TOKEN_LIMITS if settings.get(name) is not None]
    stop = settings.get("until") or ()
    temperature = float(settings.get("temperature") or 0.0)
    sampled = settings.get("do_sample", temperature > 0)
    shown = _shown(context)
    return Request(
        **({"prompt": shown} if isinstance(shown, str) else {"messages": shown}),
        max_tokens=int(limits[0]) if limits else MAX_GEN_TOKS,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        temperature=(temperature or 1.0) if sampled else 0.0,
        top_p=float(settings.get("top_p") or 1.0),
        top_k=int(settings.get("top_k") or 0),
        seed=seed,
        keep_end=True,
    )


def _shown(context: str) -> str | tuple[Message, ...]:
    if not context.startswith(CONVERSATION):
        return context
    turns = json.loads(context.removeprefix(CONVERSATION))
    return tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns)


def _repeats(instance: Any) -> int:
    return int(instance.repeats or 1)


Add = Callable[[Asked, Any], None]


def _likelihoods(backend: Backend, asked: Sequence[Asked], add: Add, seed: int) -> None:
    if any(instance.args[0].startswith(CONVERSATION) for _, instance in asked):
        raise UsageError(
            "likelihoods after a chat template are not computed yet; set chat_template: false", slug="lm-eval-option"
        )
    finished, rest = _once(asked, lambda answer: (answer.logprob, answer.is_greedy), add)
    rest(backend.loglikelihood([instance.args for _, instance in asked], silent, finished))


def _rolling(backend: Backend, asked: Sequence[Asked], add: Add, seed: int) -> None:
    for start in range(0, len(asked), ROLLED_AT_ONCE):
        part = asked[start : start + ROLLED_AT_ONCE]
        answers = backend.loglikelihood_rolling([instance.args[0] for _, instance in part])
        for one, answer in zip(part, answers, strict=True):
            add(one, answer.logprob)


def _generations(backend: Backend, asked: Sequence[Asked], add: Add, seed: int) -> None:
    requests = []
    for number, (_, instance) in enumerate(asked):
        context, settings = instance.args[:2]
        requests.append(generation_request(context, settings, seed + number if _repeats(instance) > 1 else seed))

    def text(answer: Generation) -> str:
        return answer.text

    finished, rest = _once(asked, text, add)
    rest(backend.generate(requests, silent, finished))


def _once(
    asked: Sequence[Asked], value: Callable[[Any], Any], add: Add
) -> tuple[Finished[Any], Callable[[Sequence[Any]], None]]:
    """A callback for the answers as they come, and one for all of them, which adds those that did not come so."""
    seen: set[int] = set()

    def finished(number: int, answer: Any) -> None:
        seen.add(number)
        add(asked[number], value(answer))

    def rest(answers: Sequence[Any]) -> None:
        for number in sorted(set(range(len(asked))) - seen):
            finished(number, answers[number])

    return finished, rest


_ASK: Mapping[str, Callable[[Backend, Sequence[Asked], Add, int], None]] = {
    "loglikelihood": _likelihoods,
    "loglikelihood_rolling": _rolling,
    "generate_until": _generations,
}
_NEEDS = {"loglikelihood": LOGLIKELIHOOD, "loglikelihood_rolling": LOGLIKELIHOOD, "generate_until": GENERATE}
