"""All samples of one run or of several quantizations of a model, as a page with search and filters.

The page is a shell. What it shows lies beside it as scripts of at most some 120 kB, which it loads when somebody looks:
of every item and run an index (ids and verdicts of all samples), and its samples in pieces. A page opened from a disk
may load scripts and nothing else; they call one function with plain data, which reaches the page as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pytest_slm.core.types import Result, RunReport
from pytest_slm.site.render import scripted_page
from pytest_slm.site.samples.reading import Line, SampleReading, Utterance, item_key, read_line
from pytest_slm.site.titles.definitions import item_title

PIECE = 100_000
"""Bytes of samples in one file; one more sample may make it larger, by ``LARGEST`` at most."""
LARGEST = 40_000
LONGEST = 6_000
"""Characters of one text; of a prompt the last ones, since the question stands there."""
MOST_MESSAGES = 12
MOST_CHOICES = 60
SCRIPT = "samples.js"

Item = tuple[str, str, str]
"""Suite, task and variant."""


@dataclass(frozen=True, kw_only=True)
class SampledRun:
    """A run with the lines of its samples by ``Result.samples``."""

    run: RunReport
    samples: Mapping[str, Sequence[Line]]

    def lines(self, item: Item) -> tuple[Result, Sequence[Line]] | None:
        """The result of an item and its lines, if it has any."""
        for result in self.run.results:
            if (result.suite, result.task, result.variant) == item and (
                lines := self.samples.get(result.samples or "")
            ):
                return result, lines
        return None


@dataclass(frozen=True, kw_only=True)
class HiddenItem:
    """An item of which nothing is shown in public, and why."""

    title: str
    why: str


@dataclass(frozen=True, kw_only=True)
class SamplesView:
    """The shell: ``manifest`` is JSON that says which files there are."""

    title: str
    runs: tuple[str, ...]
    manifest: Markup
    left_out: tuple[HiddenItem, ...]
    back: str
    """Where the page that it belongs to is."""
    back_title: str


def sample_pages(
    runs: Sequence[SampledRun], *, page: str, data: str, back: str = "", back_title: str = "", public: bool = False
) -> Iterator[tuple[str, str]]:
    """Path and text of every file: the shell at ``page``, and scripts in the folder ``data`` beside it.

    In ``public`` there are items whose questions may stand there and do not hurt, and no others. Nothing comes where
    there is no sample to show.
    """
    items = list(dict.fromkeys((r.suite, r.task, r.variant) for one in runs for r in one.run.results if r.samples))
    shown: list[Item] = []
    pieces: list[list[int]] = []
    left_out: list[HiddenItem] = []
    for item in items:
        results = [r for one in runs for r in one.run.results if (r.suite, r.task, r.variant) == item and r.samples]
        if why := _why_not(results) if public else "":  # whose lines need not be there
            left_out.append(HiddenItem(title=_title(item), why=why))
            continue
        known = [one.lines(item) for one in runs]
        if not any(known):
            continue
        counts: list[int] = []
        for place, (one, found) in enumerate(zip(runs, known, strict=True)):
            count = 0
            if found is not None:
                result, lines = found
                rows = _rows(lines, result, hide=result.harmful and not one.run.show_harmful)
                for key, text in _files(f"{place}-{len(shown)}", rows):
                    yield f"{data}/{key}.js", text
                    count += 1
            counts.append(max(0, count - 1))  # without its index
        shown.append(item)
        pieces.append(counts)
    if not shown and not left_out:
        return
    names = _names([one.run for one in runs])
    folder = f"{data.removeprefix(page.rpartition('/')[0]).lstrip('/')}/"
    manifest = {
        "data": folder,
        "runs": names,
        "items": [
            {"key": item_key(*item), "title": _title(item), "pieces": counts}
            for item, counts in zip(shown, pieces, strict=True)
        ],
    }
    view = SamplesView(
        title=runs[0].run.submission.name,
        runs=tuple(names),
        manifest=htmlsafe_json_dumps(manifest, separators=(",", ":"), allow_nan=False),
        left_out=tuple(left_out),
        back=back,
        back_title=back_title,
    )
    yield page, scripted_page("samples.html", SCRIPT, view=view)


def _why_not(results: Sequence[Result]) -> str:
    """Why an item's texts do not stand in public; empty where they may."""
    if any(result.harmful for result in results):
        return "its texts may hurt whoever reads them"
    if not all(result.public for result in results):
        return "its texts are not published; the page of a run of your own shows them"
    return ""


def _names(runs: Sequence[RunReport]) -> list[str]:
    """What each run is called: its quantization, of several models with the model, and where two are called the same
    with the run."""
    several = len({run.submission.slug for run in runs}) > 1
    names = [f"{run.submission.name} {run.quantization}" if several else run.quantization for run in runs]
    return [name if names.count(name) == 1 else f"{name} {run.run_id}" for name, run in zip(names, runs, strict=True)]


def _title(item: Item) -> str:
    return item_title(*item)


# -- one item of one run ----------------------------------------------------------------------------------------------


def _rows(lines: Sequence[Line], result: Result, *, hide: bool) -> list[tuple[SampleReading, bool]]:
    """The samples in the order of their ids, numbers as numbers, and whether their texts may hurt."""
    read = [read_line(line, hide=hide, cuts=result.answers_cut is not None) for line in lines]
    return [(one, result.harmful) for one in sorted(read, key=lambda one: (_natural(one.id), one.repeat))]


def _natural(text: str) -> list[tuple[str, int]]:
    """By which texts with numbers in them are put in order: every second part of a split is a number."""
    parts = re.split(r"([0-9]+)", text)
    return [(word, int(number or 0)) for word, number in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def _files(key: str, rows: Sequence[tuple[SampleReading, bool]]) -> Iterator[tuple[str, str]]:
    """The pieces, and the index that says which sample is in which."""
    starts: list[int] = []
    piece: list[str] = []
    size = 0
    for place, (read, harmful) in enumerate(rows):
        row = _row(read, harmful=harmful)
        if piece and size + len(row.encode("utf-8", "backslashreplace")) > PIECE:
            yield _file(f"{key}-{len(starts) - 1}", f"[{','.join(piece)}]")
            piece, size = [], 0
        if not piece:
            starts.append(place)
        piece.append(row)
        size += len(row.encode("utf-8", "backslashreplace"))
    yield _file(f"{key}-{len(starts) - 1}", f"[{','.join(piece)}]")
    yield _file(
        key,
        _json(
            {
                "ids": _shared([_id(read) for read, _ in rows]),
                "states": "".join(read.state[0] for read, _ in rows),
                "scores": {str(at): read.score for at, (read, _) in enumerate(rows) if read.state == "partly"},
                "cut": [at for at, (read, _) in enumerate(rows) if read.cut],
                "starts": starts,
            }
        ),
    )


def _file(key: str, data: str) -> tuple[str, str]:
    return key, f"slmSamples({_json(key)},{data});\n"


def _id(read: SampleReading) -> str:
    return read.id if not read.repeat else f"{read.id} #{read.repeat + 1}"


def _shared(ids: Sequence[str]) -> list[str]:
    """Ids without what they share with the one before: two digits (base 36) that say how much, and the rest. 14,000
    ids of one form take 100 kB then instead of 400. A browser counts letters beyond the first 65,536 twice."""
    told, before = [], ""
    for name in ids:
        most = min(len(name), len(before), 36 * 18 - 1)
        same = next((at for at in range(most) if name[at] != before[at]), most)
        n = same + sum(letter > "\uffff" for letter in name[:same])
        told.append(f"{_DIGITS[n // 36]}{_DIGITS[n % 36]}{name[same:]}")
        before = name
    return told


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _row(read: SampleReading, *, harmful: bool) -> str:
    """A sample as JSON that is no longer than ``LARGEST`` bytes."""
    longest = LONGEST
    while True:
        row = _json(_plain(read, longest, harmful=harmful))
        if len(row.encode("utf-8", "backslashreplace")) <= LARGEST or longest < 10:
            return row
        longest //= 2


def _plain(read: SampleReading, longest: int, *, harmful: bool) -> dict[str, Any]:
    left_out = max(0, len(read.asked) - MOST_MESSAGES)
    row = {
        "id": _id(read),
        "state": read.state,
        "score": read.score if read.state == "partly" else None,
        "cut": read.cut,
        "harmful": harmful,
        "hidden": read.response_sha256,
        "asked": [[said.role[:40], _end(said.text, longest)] for said in read.asked[-MOST_MESSAGES:]],
        "earlier": left_out,
        "sha256": "" if read.asked else read.prompt_sha256[:16],
        "expected": _begin(read.expected, longest),
        "choices": [
            [
                _begin(one.text, longest // 4),
                one.form[:80],
                _short(one.logprob),
                _short(one.share),
                one.chosen,
                one.right,
            ]
            for one in read.choices[:MOST_CHOICES]
        ],
        "wrote": _wrote(read.wrote, longest),
        "thought": _begin(read.reasoning, longest),
        "read": _begin(read.answer, longest // 4),
        "why": _begin(read.why, longest // 4),
        "tokens": [read.n_prompt, read.n_output],
        "unshown": read.n_unshown,
    }
    return {key: value for key, value in row.items() if value not in (None, "", [], False, 0, [None, None])}


def _wrote(texts: Sequence[Utterance], longest: int) -> list[list[str]]:
    return [[said.role[:40], _begin(said.text, longest)] for said in texts[:MOST_MESSAGES]]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _end(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"… {len(text) - longest:,d} characters …\n{text[-longest:]}"


def _begin(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest:,d} characters …"


def _json(data: Any) -> str:
    """JSON that is JavaScript, too: what ends a line in the one and not in the other is written out."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
