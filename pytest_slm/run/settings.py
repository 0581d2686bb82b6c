"""The user's own settings: tried before a run; which of them mattered in an item, and which meant nothing there; and
what is told beside the mean of answers to questions that were asked several times."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pytest_slm.core.config import RunConfig
from pytest_slm.core.metrics import NothingScoredError, task_metrics
from pytest_slm.core.request import SAMPLING
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec, Task, Verdict
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.kinds.kind import Kind
from pytest_slm.machine import hardware
from pytest_slm.models.detect import detect
from pytest_slm.prompts.template import check_template
from pytest_slm.run.conversation import Conversation
from pytest_slm.run.records import texts_of
from pytest_slm.sandbox import PASS_AT_1

MAJORITY = "majority"
ACCEPTANCE = "draft_acceptance"

ENGINES = {"llamacpp": "llama.cpp", "hf": "transformers"}
"""Whose settings the built-in backends take, as docs/settings.md calls it."""


def check(config: RunConfig, backends: Iterable[str]) -> None:
    """Raise UsageError for a setting that none of these backends takes, a file with a broken header, or a chat template
    that cannot be used, and BackendError for more threads than can be meant, before anything is measured."""
    theirs = {ENGINES.get(name) for name in backends}
    for field in fields(config.engine):
        engine = field.metadata.get("engine", "both")
        known = engine == "both" or engine in theirs or None in theirs
        if getattr(config.engine, field.name) is not None and not known:
            here = ", ".join(sorted(filter(None, theirs)))
            problem = f"a setting of {engine}, and {here} computes here; leave it out"
            raise UsageError(f"--slm-set {field.name}: {problem}", slug="option-value")
    hardware.threads(config.engine.threads)
    lora, draft = config.engine.adapter, config.engine.draft_model
    for path in filter(None, (lora and lora[0], draft)):
        detect(Path(path))  # an engine believes what it reads
    if config.chat_template is not None:
        try:
            check_template(config.chat_template)
        except BackendError as error:
            file = (config.generation.chat_template or "").rpartition(" (")[0]
            problem = str(error.args[0]).removeprefix("chat template: ")
            remedy = "correct the file, or take chatml or none"
            raise UsageError(f"--slm-chat-template={file}: {problem}; {remedy}", slug=error.slug) from None


def asked(kind: Kind[Any, Any], conversations: Sequence[Conversation]) -> dict[str, Any]:
    """For provenance: how texts were asked for, and the user's settings that had a part in it."""
    requests = [request for one in conversations for request in one.requests()]
    told = {} if not requests else {"sampling": _sampling(requests)}
    without = without_effect(kind, conversations)
    settings = {name: value for name, value in kind.context.config.generation.said.items() if name not in without}
    return {**told, "settings": settings} if settings and kind.recorded else told


def without_effect(kind: Kind[Any, Any], conversations: Sequence[Conversation]) -> dict[str, str]:
    """The user's settings that had no part in it, and why."""
    settings = kind.context.config.generation.said
    if not settings or not kind.recorded:
        return {}
    requests = [request for one in conversations for request in one.requests()]
    chats = [request.messages for request in requests if request.messages is not None]
    own = sum(messages[0].content != settings.get("system") for messages in chats)
    why = {
        **(
            {}
            if requests
            else dict.fromkeys((*SAMPLING, "repeats"), "nothing is written, answers are chosen by likelihood")
        ),
        **({} if kind.takes_fewshot else {"fewshot": "the task has no examples"}),
        **({} if chats else {"system": "it asks in no conversation"}),
        **({"system": "its conversations have a system message of their own"} if chats and own == len(chats) else {}),
        **({} if chats or kind.plain_instead else {"chat_template": "it asks in no conversation"}),
    }
    return {name: why[name] for name in settings if name in why}


def _sampling(requests: Sequence[Any]) -> str:
    """How the next token was picked: ``greedy``, or the temperature and what else was not its default."""
    ways = Counter(
        "greedy"
        if request.temperature == 0
        else ", ".join(
            f"{name} {value:g}"
            for name, value, off in (
                ("temperature", request.temperature, 0.0),
                ("top_p", request.top_p, 1.0),
                ("top_k", request.top_k, 0),
                ("min_p", request.min_p, 0.0),
            )
            if value != off
        )
        for request in requests
    )
    return "; ".join(sorted(ways))


def metrics(task: Task, judged: Sequence[JudgedSample]) -> Iterator[Metric]:
    """pass@k for k = 2, 4, 8, ... and K, and the share that the answer given most often gets, of questions that were
    asked K times; none where the primary metric is no mean of right and wrong answers, more of which is better."""
    spec = task.spec(task.primary)
    questions: dict[str, list[JudgedSample]] = {}
    for one in judged:
        questions.setdefault(one.sample.id, []).append(one)
    most = max(map(len, questions.values()), default=1)
    if most < 2 or spec.aggregate != "mean" or spec.complement or spec.unit != "share":
        return
    known = {name: [one for one in mine if _value(spec, one) is not None] for name, mine in questions.items()}
    if all(_value(spec, one) in (0, 1) for mine in known.values() for one in mine):
        for k in sorted({2**power for power in range(1, most.bit_length()) if 2**power <= most} | {most}):
            # A question of which fewer answers could be scored says nothing of k.
            values = {name: _passes(spec, mine, k) for name, mine in known.items() if len(mine) >= k}
            yield from _metric(task, f"pass@{k}", values, questions)
    if spec.source != PASS_AT_1:  # no two programs are alike
        yield from _metric(
            task, MAJORITY, {name: _majority(spec, mine) for name, mine in known.items() if mine}, questions
        )


def accepted(conversations: Sequence[Conversation]) -> Iterator[Metric]:
    """The share of the tokens drafted by another model that were kept, where one has drafted. Tokens of one answer are
    no independent observations, so it has no interval."""
    texts = [text for talk in conversations for text in texts_of(talk.turns) if text.n_drafted]
    drafted, kept = (sum(getattr(text, name) or 0 for text in texts) for name in ("n_drafted", "n_accepted"))
    if drafted:
        yield Metric(name=ACCEPTANCE, value=kept / drafted, n=drafted)


def _value(spec: MetricSpec, one: JudgedSample) -> float | None:
    """What the primary metric is made of; None where that is no share."""
    value = one.verdict.values.get(spec.name, one.value(spec.source))  # lm-eval's verdicts go by the metrics' names
    return value if isinstance(value, float | int) and 0 <= value <= 1 else None


def _passes(spec: MetricSpec, answers: Sequence[JudgedSample], k: int) -> float:
    """The chance that one of k answers is right, without bias from n of which c are (Chen et al. 2021,
    https://arxiv.org/abs/2107.03374)."""
    n, c = len(answers), sum(_value(spec, one) == 1 for one in answers)
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def _majority(spec: MetricSpec, answers: Sequence[JudgedSample]) -> float:
    """What the answer is worth that was given most often (self-consistency, Wang et al. 2022,
    https://arxiv.org/abs/2203.11171); of several as frequent ones the mean."""
    votes = Counter(one.verdict.answer.strip() for one in answers)
    most = max(votes.values())
    worth = [_value(spec, one) or 0.0 for one in answers if votes[one.verdict.answer.strip()] == most]
    return math.fsum(worth) / len(worth)


def _metric(
    task: Task, name: str, values: Mapping[str, float], questions: Mapping[str, Sequence[JudgedSample]]
) -> Iterator[Metric]:
    """The primary metric of these values of questions, in its groups and with its balance, under another name."""
    spec = task.spec(task.primary)
    whole = [
        replace(
            questions[question][0],
            verdict=Verdict(value=value, answer="", explanation=""),
            ending=None,
        )
        for question, value in values.items()
    ]
    with contextlib.suppress(NothingScoredError):  # of a balanced metric, where a group has nothing of it
        alone = replace(task, metrics=(replace(spec, name=name, chance=None),), primary=name, breakdown=None, gate=None)
        yield from (_doubtful(metric) for metric in task_metrics(alone, whole))


def _doubtful(metric: Metric) -> Metric:
    """The metric without an interval where all questions happen to have the same share: no spread was seen, and no
    spread is no certainty."""
    alike = metric.stderr == 0 and metric.value not in (0, 1)
    return replace(metric, interval=None, stderr=None) if alike else metric
