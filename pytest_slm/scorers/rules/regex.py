"""Does a regular expression match the answer, and is what its groups catch the right text?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer, spellings
from pytest_slm.scorers.match import plain_text
from pytest_slm.scorers.rules.process import LimitError, limited, unscored

LONGEST_PATTERN = 10_000


@dataclass(frozen=True, kw_only=True)
class RegexOptions(Record):
    """``pattern`` is Python's kind of regular expression; without one the targets are patterns, any of which is right.
    ``full``: it must match the whole answer. ``which`` of several matches counts. ``ignore_case`` is for the comparison
    of groups with the target too."""

    pattern: str | None = None
    full: bool = False
    ignore_case: bool = False
    which: Literal["first", "last"] = "first"

    def __post_init__(self) -> None:
        if self.pattern is not None:
            compiled(self.pattern)


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern. Raises RecordError for one that is none."""
    if len(pattern) > LONGEST_PATTERN:
        raise RecordError(f"pattern: {len(pattern)} letters, and at most {LONGEST_PATTERN} are read")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise RecordError(f"pattern: {pattern!r:.80} is no regular expression ({error})") from None


@bounded
def regex(sample: Sample, generation: Generation, options: RegexOptions) -> Verdict:
    """Right if the pattern is found in the answer and, where it has named groups and the sample a target, they have
    caught it: a text for the only group, or a mapping from names to texts. An answer on which the pattern takes too
    long is not scored."""
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    patterns = [options.pattern] if options.pattern is not None else spellings(sample)
    for pattern in patterns:
        try:
            found = limited(
                "regex",
                pattern=pattern,
                text=answer,
                ignore_case=options.ignore_case,
                full=options.full,
                last=options.which == "last",
            )
        except LimitError as error:
            return unscored(answer, f"the pattern {pattern!r:.80}", error)
        if found is not None:
            return _caught(sample, options, found[0], found[1])
    told = " nor ".join(f"{pattern!r:.80}" for pattern in patterns[:5])
    where = "matches the whole answer" if options.full else "is found in the answer"
    return Verdict(
        value=0.0, answer=answer, explanation=f"{told} {where}: no" if len(patterns) > 1 else f"no match of {told}"
    )


def _caught(sample: Sample, options: RegexOptions, whole: str, groups: Mapping[str, str | None]) -> Verdict:
    if options.pattern is None or sample.target is None:
        return Verdict(value=1.0, answer=whole, explanation="the pattern matches")
    wanted = sample.target if isinstance(sample.target, Mapping) else {next(iter(groups)): spellings(sample)}
    wrong = [name for name, targets in wanted.items() if not _equal(groups.get(name), targets, options)]
    caught = ", ".join(f"{name} is {groups.get(name)!r:.80}" for name in wanted)
    answer = next(iter(groups.values())) if len(groups) == 1 else whole
    told = f"{caught}; expected {_told(wanted, wrong)}" if wrong else caught
    return Verdict(value=float(not wrong), answer=answer or "", explanation=f"{told:.600}")


def _equal(caught: str | None, targets: Any, options: RegexOptions) -> bool:
    if caught is None:
        return False
    texts = targets if isinstance(targets, list | tuple) else [targets]
    compared = plain_text(caught, ignore_case=options.ignore_case)
    return any(plain_text(str(text), ignore_case=options.ignore_case) == compared for text in texts)


def _told(wanted: Mapping[str, Any], names: list[str]) -> str:
    texts = [wanted[name] for name in names]
    return ", ".join(" or ".join(map(repr, text)) if isinstance(text, list | tuple) else repr(text) for text in texts)


def check(sample: Sample, options: RegexOptions) -> None:
    """Raise UsageError for a sample with neither pattern nor target, or with a target that no group can be."""
    if options.pattern is None:
        for pattern in spellings(sample):
            try:
                compiled(pattern)
            except RecordError as error:
                raise bad_sample(sample, f"its target is the {error}") from None
        return
    names = list(compiled(options.pattern).groupindex)
    if isinstance(sample.target, Mapping):
        missing = [name for name in sample.target if name not in names]
        if missing:
            raise bad_sample(sample, f"the pattern has no group {missing[0]!r:.80}. Name it: (?P<{missing[0]:.40}>...)")
    elif sample.target is not None and len(names) != 1:
        problem = f"the pattern has {len(names)} named groups" if names else "the pattern has no named group"
        raise bad_sample(
            sample, f"{problem}, and the target is compared with one. Name one, as in (?P<answer>...), or leave out one"
        )


def compares(options: RegexOptions) -> bool:
    """Whether there is a group, or no pattern of its own."""
    return options.pattern is None or bool(compiled(options.pattern).groupindex)


REGEX = Rule(judge=regex, options=RegexOptions, check=check, compares=compares)
