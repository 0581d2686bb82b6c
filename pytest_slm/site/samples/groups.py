"""Some samples of every item for the report page, so few that the page stays small; it says what it left out."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from markupsafe import escape

from pytest_slm.core.statistics import figures
from pytest_slm.core.types import Result
from pytest_slm.site import numbers
from pytest_slm.site.samples.reading import (
    TEXTS,
    LikelihoodChoice,
    SampleReading,
    Utterance,
    is_count,
    item_key,
    read_line,
    text_of,
)
from pytest_slm.site.titles.definitions import item_title
from pytest_slm.site.titles.wording import metric_title, part_title
from pytest_slm.site.views import Fact, anchor, facts, relative_address

BUDGET = 700_000
"""Bytes of all samples together, as HTML; with the rest a report stays below 1 MB."""
MOST = 20
LONGEST = 2_000
MOST_MESSAGES = 6
MOST_CUT = 50
"""Samples of one item whose prompts were cut that are named; the file has all of them."""
LONGEST_ANSWER = 400
MOST_CHOICES = 30
IN_VIEW = (
    *("task", "doc_id", "repeat", "prompt_sha256", "target_sha256", "prompt", "target", "response", "score", "answer"),
    *("explanation", "reasoning", "n_prompt", "n_unshown"),
)
"""What of a line the view says in a place of its own."""
NOTHING: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, kw_only=True)
class ChoiceRow:
    """A choice with its marks in words, and how likely it was."""

    text: str
    form: str
    share: str
    logprob: str
    marks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SampleView:
    """One sample; ``verdict`` is right, wrong, partly or unscored.

    ``harmful``: its texts may hurt, so that they stand behind a click, or are hashes (``hidden``)."""

    name: str
    verdict: str
    score: str
    prompt_sha256: str
    asked: tuple[Utterance, ...]
    """The messages of the prompt, where they were kept; of a long one the end, since the question stands there."""
    expected: str
    choices: tuple[ChoiceRow, ...]
    response: tuple[Utterance, ...]
    reasoning: str
    harmful: bool
    hidden: bool
    cut: str
    answer: str
    explanation: str
    prompt_tokens: str
    """How many tokens the prompt has, and how many at its beginning were left out; empty where nobody counted."""
    more: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True)
class SampleGroup:
    """The samples of one item that are shown, and where all of them are."""

    id: str
    title: str
    summary: str
    path: str
    href: str
    task: str
    """How the page of all samples is asked for this item, behind its ``#``."""
    samples: tuple[SampleView, ...]


@dataclass(frozen=True, kw_only=True)
class CutPromptRow:
    """An item of which prompts lost their beginning: how much in all, and which samples lost how much."""

    title: str
    told: str
    lost: tuple[Fact, ...]
    """By sample; those that lost most come first."""
    left_out: int
    """Samples that are not named."""


def cut_prompt_rows(
    results: Sequence[Result], samples: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[CutPromptRow, ...]:
    """A row for every item with prompts that were cut, whether or not its file of samples is there."""
    return tuple(
        _cut_prompts(result, samples.get(result.samples or "", ())) for result in results if result.prompts_cut
    )


def _cut_prompts(result: Result, lines: Sequence[Mapping[str, Any]]) -> CutPromptRow:
    counted = [(_name(read), read.n_prompt or 0, read.n_unshown) for read in map(read_line, lines)]
    lost = sorted((-gone, name, shown) for name, shown, gone in counted if gone)
    whole = sum(shown - gone for gone, _, shown in lost)
    share = f", {numbers.percent(-sum(gone for gone, *_ in lost) / whole)} of what those prompts have" if lost else ""
    return CutPromptRow(
        title=_title(result),
        told=f"{result.prompts_cut}{share}",
        lost=tuple(
            Fact(label=name, value=f"{numbers.number(-gone, 0)} of {numbers.number(shown - gone, 0)} tokens")
            for gone, name, shown in lost[:MOST_CUT]
        ),
        left_out=max(0, len(lost) - MOST_CUT),
    )


def sample_groups(
    results: Sequence[Result], samples: Mapping[str, Sequence[Mapping[str, Any]]], *, show_harmful: bool = False
) -> tuple[SampleGroup, ...]:
    """One group for each result whose sample file is in ``samples`` (keys are ``Result.samples``)."""
    mine = [(result, samples[result.samples]) for result in results if result.samples and samples.get(result.samples)]
    return tuple(_group(result, lines, BUDGET // len(mine), show_harmful) for result, lines in mine)


def _group(result: Result, lines: Sequence[Mapping[str, Any]], budget: int, show_harmful: bool) -> SampleGroup:
    made: dict[int, SampleView] = {}
    shown: list[SampleView] = []
    for count in range(min(MOST, len(lines)), 0, -1):
        places = _spaced(len(lines), count)
        made |= {place: _sample(lines[place], result, show_harmful) for place in places if place not in made}
        if sum(_bytes(made[place]) for place in places) <= budget:
            shown = [made[place] for place in places]
            break
    path = result.samples or ""
    some = f"{len(shown)} of {numbers.number(len(lines), 0)} answers{', evenly spaced' if len(shown) > 1 else ''}"
    return SampleGroup(
        id=anchor("samples", str(result.id)),
        title=_title(result),
        summary=(some if len(shown) < len(lines) else f"{len(shown)} answer{'' if len(shown) == 1 else 's'}")
        + _lengths(lines),
        path=path,
        href=relative_address(path),
        task=urlencode({"task": item_key(result.suite, result.task, result.variant)}),
        samples=tuple(shown),
    )


def _title(result: Result) -> str:
    return item_title(result.suite, result.task, result.variant)


def _lengths(lines: Sequence[Mapping[str, Any]]) -> str:
    """How long the prompts are that were shown; empty where nobody counted."""
    shown = [n for n in (line.get("n_prompt") for line in lines) if is_count(n) and n]
    if not shown:
        return ""
    middle, longest = statistics.median_low(shown), max(shown)
    most = f", {numbers.number(longest, 0)} at most" if longest > middle else ""
    return f", prompts of {numbers.number(middle, 0)} tokens{most}"


def _spaced(total: int, count: int) -> list[int]:
    """So many places of all lines, evenly spaced, the first and the last included. Lines are in the order in which
    answers were finished, so those at the beginning are the short ones: another mixture of right and wrong."""
    return [total // 2] if count == 1 else [place * (total - 1) // (count - 1) for place in range(count)]


def _bytes(view: SampleView) -> int:
    text = "".join(map(str, (view.asked, view.choices, view.response, view.reasoning, view.expected, view.answer)))
    return len(escape(text + view.explanation + str(view.more))) + 1_000  # the markup around it


def _sample(line: Mapping[str, Any], result: Result, show_harmful: bool) -> SampleView:
    read = read_line(line, hide=result.harmful and not show_harmful, cuts=result.answers_cut is not None)
    texts, left = _cut_texts(read.wrote)
    counted = bool(read.n_prompt or read.n_unshown)
    hidden = TEXTS if read.hidden else ()
    rest = {
        **({"response_sha256": read.response_sha256} if read.hidden else {}),
        **{
            str(key): _cut(text_of(_spelled(str(key), value)))
            for key, value in line.items()
            if key not in (*IN_VIEW, *hidden) and value not in NOTHING
        },
    }
    return SampleView(
        name=_name(read),
        verdict=read.state,
        score="could not be scored" if read.score is None else figures(read.score),
        prompt_sha256=read.prompt_sha256,
        asked=tuple(replace(said, text=_end(said.text)) for said in read.asked[-MOST_MESSAGES:]),
        expected=_cut(read.expected, LONGEST_ANSWER),
        choices=tuple(map(_choice, read.choices[:MOST_CHOICES])),
        response=texts,
        reasoning=_cut(read.reasoning),
        harmful=result.harmful,
        hidden=read.hidden,
        cut=left,
        answer=_cut(read.answer, LONGEST_ANSWER),
        explanation=_cut(read.why, LONGEST_ANSWER),
        prompt_tokens=f"{numbers.number(read.n_prompt or 0, 0)}{_lost(read.n_unshown)}" if counted else "",
        more=facts(rest),
    )


def _spelled(key: str, value: Any) -> Any:
    """Metrics and groups of a sample by what people call them."""
    if key == "values" and isinstance(value, Mapping):
        return {metric_title(str(name)): one for name, one in value.items()}
    if key == "groups" and isinstance(value, list | tuple):
        return [part_title(one) if isinstance(one, str) else one for one in value]
    return value


def _choice(choice: LikelihoodChoice) -> ChoiceRow:
    marks = (("right", choice.right), ("chosen", choice.chosen))
    return ChoiceRow(
        text=_cut(choice.text, LONGEST_ANSWER),
        form=_cut(choice.form, 80),
        share="" if choice.share is None else numbers.percent(choice.share),
        logprob="" if choice.logprob is None else f"{choice.logprob:.2f}",
        marks=tuple(word for word, is_so in marks if is_so),
    )


def _lost(gone: int) -> str:
    return f"; cut: {numbers.number(gone, 0)} more before them were not shown" if gone else ""


def _name(read: SampleReading) -> str:
    return read.id + (f" (asked again, {read.repeat + 1})" if read.repeat else "")


def _cut_texts(texts: Sequence[Utterance]) -> tuple[tuple[Utterance, ...], str]:
    """Texts with so many characters in all, and how many were left out."""
    shown, left, gone = [], LONGEST, 0
    for said in texts:
        if left > 0:
            shown.append(replace(said, text=_cut(said.text, left)))
        gone += max(0, len(said.text) - max(0, left))
        left -= len(said.text)
    return tuple(shown), f"{numbers.number(gone, 0)} more characters in the file" if gone else ""


def _end(text: str) -> str:
    return text if len(text) <= LONGEST else f"…{text[-LONGEST:]}"


def _cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
