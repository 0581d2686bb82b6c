"""lm-eval's requests as what a conversation asks: likelihoods of continuations, of whole texts, and generations."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_slm.backends.protocol import GENERATE, LETTERS, LOGLIKELIHOOD
from pytest_slm.core.request import Likelihoods, LogLikelihood, RollingLikelihood, Together
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import UsageError

CONVERSATION = "\x00conversation\x00"
"""Begins a context that is a conversation, as JSON: the model's process has the chat template, lm-eval has not."""

MAX_GEN_TOKS = 256
"""lm-eval's own limit where the task names none."""

BY_THE_LIKELIEST = frozenset({"acc", "acc_norm", "acc_bytes"})
"""Metrics that look at nothing but the likeliest of choices of one length."""

_TOKEN_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


def as_conversation(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool = True) -> str:
    """What stands in for lm-eval's chat template. Raises UsageError for an answer that is begun in the prompt."""
    if not add_generation_prompt:
        raise UsageError(
            "this task begins the model's answer itself (gen_prefix), which does not go through a chat template; "
            "set chat_template: false",
            slug="lm-eval-option",
        )
    return CONVERSATION + json.dumps(list(messages))


def needs(name: str, kind: str) -> str:
    """The capability that requests of this kind need. Raises UsageError for a kind that no engine is asked here."""
    if kind not in _NEEDS:
        raise UsageError(f"lm-eval's {name} asks requests of kind {kind!r}, which are not known", slug="lm-eval-kind")
    return _NEEDS[kind]


def needs_of_choices(configs: Iterable[Any], metrics: Iterable[str]) -> str:
    """The capability that multiple choice needs: letters are enough where all choices are single ones, and the metrics
    look at nothing but which of them is the likeliest."""
    texts = (config.doc_to_choice for config in configs)
    single = all(
        isinstance(choices, list) and all(isinstance(one, str) and len(one.strip()) == 1 for one in choices)
        for choices in texts
    )
    return LETTERS if single and set(metrics) <= BY_THE_LIKELIEST else LOGLIKELIHOOD


def unknown(answers: Sequence[Any]) -> bool:
    """Whether likelihoods were asked for, and the server has told none of them."""
    found = [one for answer in answers if isinstance(answer, tuple) for one in answer]
    return bool(found) and all(isinstance(one, LogLikelihood) and one.logprob is None for one in found)


def unanswered(instances: Sequence[Any]) -> list[Any]:
    """The instances without the answers that they have been handed."""
    return [dataclasses.replace(one, resps=[], filtered_resps={}) for one in instances]


def asks_of(instances: Sequence[Any], seed: int) -> Together:
    """All that lm-eval asks about one question, each request as often as the task repeats it, in lm-eval's order.

    Raises UsageError for what is not asked here.
    """
    parts: list[Request | Likelihoods | RollingLikelihood] = []
    for instance in instances:
        for turn in range(repeats(instance)):
            parts.append(_ask_of(instance, seed + turn))
    return Together(asks=tuple(parts))


def take(instances: Sequence[Any], answers: Sequence[Any]) -> None:
    """Hand the answers to ``asks_of`` to lm-eval's instances, in the form that its filters expect."""
    left = iter(answers)
    for instance in instances:
        for _ in range(repeats(instance)):
            instance.resps.append(_response(instance.request_type, next(left)))


def _ask_of(instance: Any, seed: int) -> Request | Likelihoods | RollingLikelihood:
    if instance.request_type == "loglikelihood":
        context, continuation = instance.args
        if context.startswith(CONVERSATION):
            raise UsageError(
                "likelihoods after a chat template are not computed yet; set chat_template: false",
                slug="lm-eval-option",
            )
        return Likelihoods(pairs=((context, continuation),))
    if instance.request_type == "loglikelihood_rolling":
        return RollingLikelihood(text=instance.args[0])
    context, settings = instance.args[:2]
    return generation_request(context, settings, seed)


def _response(kind: str, answer: Any) -> Any:
    if kind == "loglikelihood":
        # One that is not told is less likely than those that are; no more than that is read of it.
        return -math.inf if answer[0].logprob is None else answer[0].logprob, answer[0].is_greedy
    return answer.logprob if kind == "loglikelihood_rolling" else answer.text


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


def repeats(instance: Any) -> int:
    """How often a request is put."""
    return int(instance.repeats or 1)


_NEEDS = {"loglikelihood": LOGLIKELIHOOD, "loglikelihood_rolling": LOGLIKELIHOOD, "generate_until": GENERATE}
