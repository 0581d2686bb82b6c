"""The one loop: it puts what conversations ask to the model, and makes a result of what they return.

All open samples are asked in one batch a round, so that the engine computes at once what they share: a conversation of
ten turns over 200 samples is ten batches. Each batch is kept by ``pytest_slm.answers``, so a run that goes on finds the
answers of the turns that are done, and every conversation resumes where it was.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.request import Likelihoods
from pytest_slm.core.types import JudgedSample, Request, Result, Task, ThinkingCounts
from pytest_slm.core.worlds import Handover
from pytest_slm.kinds.checking import make_kind
from pytest_slm.kinds.context import RunContext
from pytest_slm.kinds.kind import Kind
from pytest_slm.run import settings
from pytest_slm.run.conversation import Conversation
from pytest_slm.run.records import texts_of
from pytest_slm.run.rounds import QuestionRounds
from pytest_slm.run.unshown import cut_prompts, without_rank


def measure(task: Task, variant: str, context: RunContext) -> Result:
    """The result of a task variant in these surroundings. Raises SlmError where it cannot be measured."""
    return drive(make_kind(task, variant, context))


def drive(kind: Kind[Any, Any]) -> Result:
    """Hold all conversations of an item, and conclude. Raises SlmError where it cannot be measured."""
    started = time.perf_counter()
    task, context = kind.task, kind.context
    kind.ready()
    samples = kind.samples()
    conversations = _begun(kind, samples)
    rounds = QuestionRounds(kind, conversations)
    rounds.hold()
    judged = [conversation.judged() for conversation in conversations]
    conclusion = kind.conclude(judged)
    scored = sum(one.scored for one in judged)
    result = Result(
        suite=task.suite,
        task=task.name,
        variant=kind.variant,
        quantization=context.quantization.name,
        mode=context.config.mode,
        version=task.version,
        kind=task.kind,
        seed=context.config.seed,
        seconds=time.perf_counter() - started,
        outcome=conclusion.outcome,
        reason=conclusion.reason,
        primary=conclusion.primary,
        metrics=(*conclusion.metrics, *settings.metrics(task, judged), *settings.accepted(conversations)),
        n_scored=scored if kind.recorded else 0,
        n_unscored=len(judged) - scored if kind.recorded else 0,
        provenance={
            **({"source": task.source, "license": task.license} if kind.recorded else {}),
            **kind.provenance(samples),
            **conclusion.provenance,
            **rounds.graders,
            **settings.asked(kind, conversations),
            **_retries(conversations),
        },
        answers_cut=_cut(kind, judged),
        thinking=_thinking(conversations),
        clusters=_clusters(judged),
        seeded=kind.seeded,
        without_effect=settings.without_effect(kind, conversations),
        harmful=task.harmful,
        public=task.public,
        canary=context.config.canary,
    )
    cut = cut_prompts(conversations)
    return result if cut is None else without_rank(result, cut, kind.num_fewshot)


@dataclass(frozen=True, kw_only=True)
class FirstRound:
    """What an item asks first: requests for text, and pairs for likelihoods; an item that asks nothing has neither.
    ``samples`` they are of, out of ``whole`` that the run will take. ``seconds``: what it took to make them."""

    requests: tuple[Request, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    samples: int = 0
    whole: int = 0
    seconds: float = 0.0


def first_round(kind: Kind[Any, Any], most: int) -> FirstRound:
    """What an item asks first, found without asking it: a plan counts exactly what the run will ask, or what it asks of
    ``most`` of its samples where it has more. What is asked after the first answers cannot be known without them.
    Raises SlmError where the item cannot be measured."""
    started = time.perf_counter()
    kind.ready()
    known = [n for n in (kind.context.limit(kind.task), kind.total()) if n is not None]
    if known and min(known) > most:
        config = dataclasses.replace(kind.context.config, limit=most)
        kind.context = dataclasses.replace(kind.context, config=config)
    samples = kind.samples()
    conversations = _begun(kind, samples)
    rounds = QuestionRounds(kind, conversations)
    rounds.begin()
    for conversation in conversations:
        if conversation.problem is not None:
            raise conversation.problem
    return FirstRound(
        requests=tuple(rounds.pending(Request)),
        pairs=tuple([pair for ask in rounds.pending(Likelihoods) for pair in ask.pairs] + rounds.pending_texts()),
        samples=len(samples),
        whole=min(known) if known and min(known) > most else len(samples),
        seconds=time.perf_counter() - started,
    )


def _begun(kind: Kind[Any, Any], samples: Sequence[Any]) -> list[Conversation]:
    """A conversation about each sample, begun; where the user wants repeats and a text is asked for, so many of each.
    Likelihoods are the same each time."""
    conversations = []
    for sample in samples:
        first = Conversation(kind, sample)
        first.begin()
        conversations.append(first)
        asks = first.requests() or isinstance(first.ask, Handover)  # who waits for another's answers asks later
        if (n := kind.context.config.generation.repeats or 1) > 1 and asks:
            more = [Conversation(kind, sample, repeat) for repeat in range(1, n)]
            for one in more:
                one.begin()
            for one in (first, *more):
                one.in_cluster()
            conversations += more
    return conversations


def _cut(kind: Kind[Any, Any], judged: Sequence[JudgedSample]) -> int | None:
    """How many samples have an answer that was cut off; None where the model wrote none, or where it does not
    matter."""
    endings = [one.ending for one in judged if one.ending is not None]
    return sum(ending == "cut" for ending in endings) if endings and kind.counts_cuts else None


def _retries(conversations: Sequence[Conversation]) -> dict[str, int]:
    """How often a server had to be asked again; nothing where it never had."""
    n = sum(text.n_retries for one in conversations for text in texts_of(one.turns))
    return {"retries": n} if n else {}


def _thinking(conversations: Sequence[Conversation]) -> ThinkingCounts | None:
    texts = [text for one in conversations for text in texts_of(one.turns)]
    if not texts:
        return None
    thought = [text for text in texts if text.thought]
    known = [text.n_reasoning for text in thought if text.n_reasoning is not None]
    return ThinkingCounts(
        answers=len(thought),
        tokens=sum(known) if len(known) == len(thought) else None,
        censored=sum(text.ending == "censored" for text in thought),
    )


def _clusters(judged: Sequence[JudgedSample]) -> int | None:
    """How many clusters there are; None where every sample is by itself."""
    names = {one.sample.cluster for one in judged}
    return None if names <= {None} else len(names)
