"""A summary in Markdown for the page of a GitHub Actions job, which names a file for it (GITHUB_STEP_SUMMARY)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_slm.comparing.drops import counted, numbers, probability, sight
from pytest_slm.core.types import MEASURED, Result, RunReport
from pytest_slm.errors import writing_failed
from pytest_slm.markdown import escaped
from pytest_slm.terminal.summary import result_cells

VARIABLE = "GITHUB_STEP_SUMMARY"
LARGEST = 900_000
"""Bytes. GitHub drops the summary of a step that is larger than 1 MiB, as a whole."""
LONGEST = 300
"""Characters of a reason."""


def write_step_summary(reports: Sequence[RunReport]) -> Iterator[str]:
    """Append the summary to the file that the environment names, if it names one; a line for what went wrong."""
    path = os.environ.get(VARIABLE)
    if not path or not reports:
        return
    text = markdown(reports).encode("utf-8", "backslashreplace")
    if len(text) > LARGEST:
        text = text[: text.rindex(b"\n", 0, LARGEST)] + b"\n\nThe rest is left out; the report has it.\n"
    try:
        with Path(path).open("ab") as file:
            file.write(text)
    except OSError as error:
        yield str(writing_failed(path, error))


def markdown(reports: Sequence[RunReport]) -> str:
    """The results of a session as tables of GitHub's Markdown, with every foreign text escaped."""
    return "\n".join(line for run in reports for line in (*_lines(run), "")) + "\n"


def _lines(run: RunReport) -> Iterator[str]:
    held = [result.baseline for result in run.results if result.baseline]
    yield f"### {escaped(run.submission.name)} {escaped(run.quantization)}, {escaped(run.mode)}"
    yield ""
    if held:
        yield f"Against the baseline {escaped(held[0].run)}: **{escaped(counted(held))}**"
        yield ""
    yield "| item | metric | value | 95 % interval | n | outcome |" + (" against the baseline |" if held else "")
    yield "|---|---|---|---|---|---|" + ("---|" if held else "")
    for result in run.results:
        cells = [*result_cells(result), result.outcome] + ([_against(result)] if held else [])
        yield f"| {' | '.join(map(escaped, cells))} |"
    reasons = [result for result in run.results if result.reason and result.outcome != "passed"]
    if reasons:
        yield ""
    for result in reasons:
        yield f"- {escaped(f'{result.outcome} {result.id}: {result.reason:.{LONGEST}}')}"


def _against(result: Result) -> str:
    verdict = result.baseline
    if verdict is None:
        return "" if result.outcome in MEASURED else "not measured"
    if verdict.p is None:
        return f"{verdict.verdict.upper()}: {verdict.reason:.{LONGEST}}"
    told = f"{verdict.verdict.upper()}: {numbers(verdict)}, p {probability(verdict.p_corrected)}"
    return f"{told}; {sight(verdict)}" if verdict.verdict == "inconclusive" else told
