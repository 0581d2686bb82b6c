"""The file of samples: one line for each conversation, with what was asked (by hash), what came, and its worth."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.request import Aside, Ask, Likelihoods, LogLikelihood, RollingLikelihood, Together
from pytest_slm.core.sample import Ending, cluster_id
from pytest_slm.core.types import Generation, Message, Request, Sample, Verdict
from pytest_slm.kinds.context import sha256


@dataclass(frozen=True, kw_only=True)
class SampleRecord(Record):
    """One line of a file of samples. ``response`` is what the model wrote, or for every choice its log-likelihood and
    whether it is the greedy answer; where more than one text was asked for, a list of what came, and of a conversation
    of several turns a list of such lists."""

    task: str
    doc_id: str
    prompt_sha256: str
    """Of what was asked first: what is asked later depends on what the model has answered."""
    target_sha256: str
    response: Any
    score: float | None
    answer: str
    explanation: str
    prompt: tuple[Mapping[str, str], ...] = ()
    """What was asked, before any template: messages with ``role`` and ``content``; a plain text has the role
    ``text``, and functions that may be called stand in one of ``tools``. Of later turns what is new in them. Empty with
    ``--slm-keep-prompts=no``."""
    target: Any = None
    """What was expected; None with ``--slm-keep-prompts=no``, and where nothing was."""
    reasoning: str = ""
    """What the model thought before it answered."""
    repeat: int = 0
    """Which of the times it is that the question was asked, from 0."""
    turns: int = 1
    """How often the model was asked."""
    n_prompt: int | None = None
    """Prompt tokens of all texts that were asked for; of likelihoods that of the longest context (None: not known)."""
    n_unshown: int = 0
    """Prompt tokens that were left out, because the context has no room for them: in the text that lost most."""
    n_output: int | None = None
    n_reasoning: int | None = None
    """Tokens of the output that were thinking, marks included; None where nobody counted them."""
    finish: str | None = None
    """Of the last text that the model wrote."""
    cluster: str | None = None
    groups: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    """How it was asked first, without the text: greatest length, stop strings, seed, temperature."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """What further metrics are made of, by their keys: numbers, lists of numbers, and null where there is no score."""
    label: str | None = None
    """The class that was answered."""
    confidence: float | None = None
    """How sure the model was, from 0 to 1."""


Turn = tuple[Ask, Any]
"""What was asked, and what was answered."""


def sample_record(
    task: str,
    sample: Sample,
    turns: Sequence[Turn],
    verdict: Verdict,
    repeat: int = 0,
    *,
    kept: bool = True,
    right: Sequence[bool] = (),
) -> SampleRecord:
    """The line of a conversation that has come to its end. ``kept``: with what was asked and expected; ``right`` says
    of each continuation of the first turn whether it is the right answer, where that is known."""
    asked = [turn for turn in turns if not isinstance(turn[0], Aside)]
    texts = [one for _, answer in asked for one in _generations(answer)]
    responses = [_response(ask, answer, labelled=kept) for ask, answer in asked]
    for place, one in enumerate(responses[0] if responses else ()):
        one |= {"chosen": True} if place == verdict.chosen else {}
        one |= {"right": True} if place < len(right) and right[place] else {}
    plain = len(asked) == len(texts) == 1 and len(responses[0]) == 1  # nothing is asked where a prompt has no room
    return SampleRecord(
        task=task,
        doc_id=sample.id,
        repeat=repeat,
        prompt_sha256=sha256(*_shown(asked[0][0])) if asked else sha256(),
        target_sha256=sha256(json.dumps(sample.target, sort_keys=True, ensure_ascii=False)),
        response=texts[0].text if plain else responses[0] if len(responses) == 1 else responses,
        score=verdict.value,
        answer=verdict.answer,
        explanation=verdict.explanation,
        prompt=tuple(_readable([ask for ask, _ in asked])) if kept else (),
        target=sample.target if kept else None,
        reasoning="\n\n".join(filter(None, (text.reasoning for text in texts))),
        turns=len(asked),
        n_prompt=_sum([text.n_prompt for text in texts]) if texts else longest_context(asked),
        n_unshown=unshown(asked),
        n_output=_sum([text.n_output for text in texts]),
        n_reasoning=_sum([text.n_reasoning for text in texts]),
        finish=texts[-1].finish if texts else None,
        cluster=cluster_id(sample.cluster),
        groups=sample.parts,
        metadata={**sample.metadata, **verdict.details},
        request=_terms(asked[0][0]) if asked else {},
        values={key: value for key, value in verdict.values.items() if _is_number(value)},
        label=verdict.label,
        confidence=verdict.confidence,
    )


def _is_number(value: object) -> bool:
    """Whether a value is what means are made of: a finite number, None, or a list of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def ending_of(turns: Sequence[Turn], *, opening_only: bool) -> Ending | None:
    """How much there is of what the model wrote: the worst of all texts, where ``opening_only`` says that one that was
    cut off is as good as a whole one. None where it wrote nothing."""
    texts = texts_of(turns)
    if not texts:
        return None
    endings = {text.ending for text in texts}
    return "censored" if "censored" in endings else "cut" if "cut" in endings and not opening_only else "whole"


def texts_of(turns: Sequence[Turn]) -> list[Generation]:
    """All texts that the model wrote."""
    return [text for _, answer in turns for text in _generations(answer)]


def _sum(counts: Sequence[int | None]) -> int | None:
    """The sum of counts; None where there are none, or one is not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def unshown(turns: Sequence[Turn]) -> int:
    """Tokens of its prompt that the model was not shown, in the text that lost most."""
    return max((one.n_unshown for one in _answers(turns)), default=0)


def longest_context(turns: Sequence[Turn]) -> int | None:
    """Tokens of the longest context that a likelihood was asked after; None where that is not known."""
    known = [one.n_prompt for one in _answers(turns) if one.n_prompt is not None]
    return max(known, default=None)


def _answers(turns: Sequence[Turn]) -> list[Generation | LogLikelihood]:
    """All that the model has answered, one by one."""
    return [one for _, answer in turns for one in _single(answer) if isinstance(one, Generation | LogLikelihood)]


def _single(answer: Any) -> Iterator[Any]:
    """What a tuple of answers holds, however deep: several choices of several questions."""
    for one in answer if isinstance(answer, tuple) else ():
        yield from _single(one)
    if not isinstance(answer, tuple):
        yield answer


def _generations(answer: Any) -> list[Generation]:
    return [one for one in _single(answer) if isinstance(one, Generation)]


def _response(ask: Ask, answer: Any, *, labelled: bool) -> list[dict[str, Any]]:
    """What a line keeps of the answers of one turn: each text with how it ended, each likelihood with what it is of
    (unless that is a text of the question, and not to be kept: ``labelled`` False)."""
    if isinstance(ask, Together):
        parts = zip(ask.asks, answer, strict=True)
        return [one for part, its in parts for one in _response(part, its, labelled=labelled)]
    if isinstance(ask, Likelihoods):
        texts = [{"choice": continuation.strip()} for _, continuation in ask.pairs]
        labels: Sequence[Mapping[str, Any]] = ask.labels or (texts if labelled else [{} for _ in texts])
        return [{**label, **_likelihood(one)} for label, one in zip(labels, answer, strict=True)]
    if isinstance(ask, RollingLikelihood):
        return [_likelihood(answer)]
    assert isinstance(answer, Generation)
    return [{name: getattr(answer, name) for name in ("text", "reasoning", "finish", *_COUNTS)}]


def _likelihood(answer: LogLikelihood) -> dict[str, object]:
    return answer.to_json()


def restored(line: Mapping[str, Any], turn: int, ask: Ask) -> Any:
    """The answer to the ``turn``-th ask of a conversation, from its line. Raises LookupError where the line has none,
    or where it is of another question."""
    if turn == 0 and line.get("prompt_sha256") != sha256(*_shown(ask)):
        raise LookupError("another question was asked then")
    response = line["response"]
    if line.get("turns") == 1 and isinstance(response, str):
        response = [{"text": response, **{name: line.get(name) for name in ("reasoning", "finish", *_COUNTS)}}]
    try:
        return _answer(ask, iter(response if line.get("turns") == 1 else response[turn]))
    except (StopIteration, LookupError, TypeError, RecordError) as error:
        raise LookupError(f"its line has no such answer ({error!r:.80})") from None


_COUNTS = ("n_prompt", "n_output", "n_reasoning", "n_unshown")


def _answer(ask: Ask, left: Iterator[Any]) -> Any:
    if isinstance(ask, Together):
        return tuple(_answer(part, left) for part in ask.asks)
    if isinstance(ask, Likelihoods):
        return tuple(_restored_likelihood(next(left)) for _ in ask.pairs)
    if isinstance(ask, RollingLikelihood):
        return _restored_likelihood(next(left))
    return Generation.from_json(next(left))


def _restored_likelihood(one: Mapping[str, Any]) -> LogLikelihood:
    return LogLikelihood(**{field.name: one[field.name] for field in fields(LogLikelihood)})


def _shown(ask: Ask) -> list[str]:
    """All that an ask shows the model, before any template."""
    if isinstance(ask, Together):
        return [text for part in ask.asks for text in _shown(part)]
    if isinstance(ask, Likelihoods):
        return [text for pair in ask.pairs for text in pair]
    if isinstance(ask, RollingLikelihood):
        return [ask.text]
    assert isinstance(ask, Request)
    if ask.messages is None:
        return [ask.prompt if ask.prompt is not None else json.dumps(ask.prompt_ids)]
    tools = [json.dumps(tool, sort_keys=True, ensure_ascii=False) for tool in ask.tools]
    return [*(text for message in ask.messages for text in _turn(message)), *tools]


def _turn(message: Message) -> list[str]:
    more = {key: value for key, value in message.as_template().items() if key not in ("role", "content")}
    return [message.role, message.content, *([json.dumps(more, sort_keys=True, ensure_ascii=False)] if more else [])]


LONGEST_KEPT = 20_000
"""Characters of one message that are kept: whoever asks why an answer was wrong reads its end, where the question
stands, and hardly a book before it."""


def _readable(asks: Sequence[Ask]) -> Iterator[dict[str, str]]:
    """What was asked, for people: each message once, though every turn shows the model those before it again."""
    before: list[tuple[str, str]] = []
    for ask in asks:
        for part in ask.asks if isinstance(ask, Together) else (ask,):
            now = _messages(part)
            for role, content in now[len(before) :] if now[: len(before)] == before else now:
                yield {"role": role, "content": _shortened(content)}
            before = now


def _messages(ask: Ask) -> list[tuple[str, str]]:
    if isinstance(ask, Likelihoods):
        return [("text", context) for context in dict.fromkeys(context for context, _ in ask.pairs)]
    if not isinstance(ask, Request) or ask.messages is None:
        return [("text", text) for text in _shown(ask)]
    tools = [json.dumps(list(ask.tools), ensure_ascii=False)] if ask.tools else []
    turns = [_turn(message) for message in ask.messages]
    return [*(("tools", text) for text in tools), *((role, "\n".join(said)) for role, *said in turns)]


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_KEPT:
        return text
    head = LONGEST_KEPT // 4
    return f"{text[:head]}\n[… {len(text) - LONGEST_KEPT:,d} characters …]\n{text[head - LONGEST_KEPT :]}"


def _terms(ask: Ask) -> dict[str, Any]:
    """How an ask is put, without what it asks: of a request the fields that are not their defaults."""
    if isinstance(ask, Together):
        number = sum(len(part.pairs) if isinstance(part, Likelihoods) else 1 for part in ask.asks)
        return {**_terms(ask.asks[0]), **({"requests": number} if number > 1 else {})}
    if isinstance(ask, Likelihoods):
        return {"kind": "loglikelihood", "requests": len(ask.pairs)}
    if isinstance(ask, RollingLikelihood):
        return {"kind": "loglikelihood_rolling"}
    assert isinstance(ask, Request)
    plain = Request(prompt="").to_json()
    return {
        "kind": "generate",
        "max_tokens": ask.max_tokens,
        "seed": ask.seed,
        "temperature": ask.temperature,
        **{
            name: value
            for name, value in ask.to_json().items()
            if name not in ("messages", "prompt", "prompt_ids", "tools") and value != plain[name]
        },
    }
