"""Some samples of every item for the report page, so few that the page stays small; it says what it left out."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from markupsafe import escape

from pytest_slm.core.types import Result
from pytest_slm.site import numbers
from pytest_slm.site.views import Fact, anchor, facts, relative_address, words

BUDGET = 700_000
"""Bytes of all samples together, as HTML; with the rest a report stays below 1 MB."""
MOST = 20
LONGEST = 2_000
MOST_CUT = 50
"""Samples of one item whose prompts were cut that are named; the file has all of them."""
KNOWN = ("task", "doc_id", "prompt_sha256", "target_sha256", "prompt", "response", "score", "answer", "explanation")
TEXTS = ("response", "answer", "explanation", "reasoning", "metadata", "groups", "cluster")
"""What of a line may have words of a question or of an answer in it."""
COUNTS = ("n_prompt", "n_unshown")


@dataclass(frozen=True, kw_only=True)
class SampleView:
    """One sample; ``verdict`` is right, wrong, partly or unscored.

    ``harmful``: its texts may hurt, so that they stand behind a click, or are hashes (``hidden``)."""

    name: str
    verdict: str
    score: str
    prompt: str
    asked: str
    """The prompt itself, where the user wanted to see it."""
    response: str
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
    counted = [(line, *_prompt(line)) for line in lines]
    lost = sorted((-gone, _name(line), shown) for line, shown, gone in counted if gone)
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
    results: Sequence[Result], samples: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[SampleGroup, ...]:
    """One group for each result whose sample file is in ``samples`` (keys are ``Result.samples``)."""
    mine = [(result, samples[result.samples]) for result in results if result.samples and samples.get(result.samples)]
    return tuple(_group(result, lines, BUDGET // len(mine)) for result, lines in mine)


def _group(result: Result, lines: Sequence[Mapping[str, Any]], budget: int) -> SampleGroup:
    made: dict[int, SampleView] = {}
    shown: list[SampleView] = []
    for count in range(min(MOST, len(lines)), 0, -1):
        places = _spaced(len(lines), count)
        made |= {place: _sample(lines[place], result.harmful) for place in places if place not in made}
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
        samples=tuple(shown),
    )


def _title(result: Result) -> str:
    return " · ".join(part for part in (words(result.suite), result.task, result.variant) if part)


def _lengths(lines: Sequence[Mapping[str, Any]]) -> str:
    """How long the prompts are that were shown; empty where nobody counted."""
    shown = [n for n, _ in map(_prompt, lines) if n]
    if not shown:
        return ""
    middle, longest = statistics.median_low(shown), max(shown)
    most = f", {numbers.number(longest, 0)} at most" if longest > middle else ""
    return f", prompts of {numbers.number(middle, 0)} tokens{most}"


def _prompt(line: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens of a prompt that were shown, and those that were not; 0 where the line does not say."""
    shown, gone = (line.get(name) for name in COUNTS)
    return (shown, gone if _is_count(gone) else 0) if _is_count(shown) else (0, 0)


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 10**12


def _spaced(total: int, count: int) -> list[int]:
    """So many places of all lines, evenly spaced, the first and the last included. Lines are in the order in which
    answers were finished, so those at the beginning are the short ones: another mixture of right and wrong."""
    return [total // 2] if count == 1 else [place * (total - 1) // (count - 1) for place in range(count)]


def _bytes(view: SampleView) -> int:
    text = "".join(str(part) for part in (view.asked, view.response, view.answer, view.explanation, view.more))
    return len(escape(text)) + 1_000  # the markup around it


def _sample(line: Mapping[str, Any], harmful: bool) -> SampleView:
    hidden = harmful and not line.get("prompt")
    if hidden:
        told = json.dumps(line.get("response"), sort_keys=True, default=str).encode("utf-8", "surrogatepass")
        named = {key: value for key, value in line.items() if key not in TEXTS}
        line = {**named, "response_sha256": hashlib.sha256(told).hexdigest()[:16]}
    response, cut = _cut(_text(line.get("response")))
    score = line.get("score")
    known = isinstance(score, int | float) and not isinstance(score, bool)
    verdict = "unscored" if not known else "right" if score == 1 else "wrong" if score == 0 else "partly"
    n, gone = _prompt(line)
    counted = bool(n or gone)
    rest = {
        str(key): _cut(_text(value))[0]
        for key, value in line.items()
        if key not in (*KNOWN, *(COUNTS if counted else ()))
    }
    return SampleView(
        name=_name(line),
        verdict=verdict,
        score=f"{score:.3g}" if known else "could not be scored",
        prompt=_cut(_text(line.get("prompt_sha256")), 64)[0],
        asked=_cut(_text(line.get("prompt")))[0],
        response=response,
        harmful=harmful,
        hidden=hidden,
        cut=cut,
        answer=_cut(_text(line.get("answer")), 400)[0],
        explanation=_cut(_text(line.get("explanation")), 400)[0],
        prompt_tokens=f"{numbers.number(n, 0)}{_lost(gone)}" if counted else "",
        more=facts(rest),
    )


def _lost(gone: int) -> str:
    return f"; cut: {numbers.number(gone, 0)} more before them were not shown" if gone else ""


def _name(line: Mapping[str, Any]) -> str:
    return _cut(_text(line.get("doc_id")), 200)[0] or "?"


def _text(value: Any) -> str:
    return "" if value is None else numbers.plain("", value)


def _cut(text: str, longest: int = LONGEST) -> tuple[str, str]:
    if len(text) <= longest:
        return text, ""
    return text[:longest] + "…", f"{numbers.number(len(text) - longest, 0)} more characters in the file"
