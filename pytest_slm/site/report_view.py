"""RunReport -> ReportView: all that report.html says, as finished text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.types import MEASURED, Result, RunReport, WeightsHeader
from pytest_slm.registry.doubts import scorer_error, worst_part
from pytest_slm.registry.performance import SUITE as PERFORMANCE
from pytest_slm.registry.performance import speed
from pytest_slm.registry.scores import engine_of, machine_facts, run_aggregates, suite_scores
from pytest_slm.registry.scores.parts import result_part
from pytest_slm.site import numbers
from pytest_slm.site.plots.curves import curves, first_token_parts, memory_split
from pytest_slm.site.plots.heat import HeatMap, heat_maps
from pytest_slm.site.plots.lines import LinePlot, Stacks
from pytest_slm.site.samples.groups import CutPromptRow, SampleGroup, cut_prompt_rows, sample_groups
from pytest_slm.site.speed import Bars, caution, speed_charts
from pytest_slm.site.titles.definitions import task_title, twin_note
from pytest_slm.site.titles.parts import part_note
from pytest_slm.site.titles.wording import metric_title, part_title, variant_title, words
from pytest_slm.site.views import (
    Fact,
    ItemRow,
    ScoreRow,
    aggregate_row,
    facts,
    hub_address,
    item_row,
    sampled,
    score_row,
    state_of,
)

Groups = tuple[tuple[str, tuple[ItemRow, ...]], ...]
"""Rows of items under the titles of their suites."""


@dataclass(frozen=True, kw_only=True)
class FactGroup:
    """Facts under one heading."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """The whole page."""

    title: str
    model: str
    quantization: str
    mode: str
    quick: str
    """A sentence, of which ``sampled`` is the word; both are empty for a full run."""
    sampled: str
    interrupted: bool
    facts: tuple[Fact, ...]
    counts: tuple[tuple[str, str, int], ...]
    scores: tuple[ScoreRow, ...]
    aggregates: tuple[ScoreRow, ...]
    suites: Groups
    metrics: Groups
    metric_count: int
    heat: tuple[HeatMap, ...]
    charts: tuple[Bars, ...]
    plots: tuple[LinePlot, ...]
    stacks: tuple[Stacks, ...]
    noise: tuple[str, ...]
    """Items of which the rounds are not to be trusted, each with the reason."""
    correctness: tuple[str, ...]
    """Whether what was so fast was right."""
    energy: str
    """Why there is no energy, where the report says."""
    performance_items: tuple[ItemRow, ...]
    caution: str
    missing: tuple[tuple[str, ItemRow], ...]
    cut_prompts: tuple[CutPromptRow, ...]
    samples: tuple[SampleGroup, ...]
    samples_page: str
    """The page beside it that has all of them; empty where there is none."""
    provenance: tuple[FactGroup, ...]


def report_view(
    run: RunReport, samples: Mapping[str, Sequence[Mapping[str, Any]]], samples_page: str = ""
) -> ReportView:
    """What the report page shows of a run."""
    word = sampled(run.mode, run.limit, run.own_settings)
    results = sorted((*run.results, *_not_run(run)), key=lambda result: _order(run, result))
    suites = {result.suite: words(run.facts(result.suite).title) for result in results if result.suite != PERFORMANCE}
    grouped = (
        (title, (*_composites(run, suite, word), *_metrics(results, suite, word))) for suite, title in suites.items()
    )
    metrics = tuple((title, rows) for title, rows in grouped if rows)
    performance = [result for result in results if result.suite == PERFORMANCE]
    row = speed(performance, run.mode, engine_of(run), "", None)
    rows = {run.quantization: row} if row else {}
    return ReportView(
        title=f"{run.submission.name} {run.quantization}",
        model=run.submission.name,
        quantization=run.quantization,
        mode=run.mode,
        quick=quick_note(run),
        sampled=word,
        interrupted=run.interrupted,
        facts=_headline(run),
        counts=_counts(results),
        scores=tuple(score_row(run.facts(suite).title, case) for suite, case in suite_scores(run).items()),
        aggregates=tuple(aggregate_row(total) for total in run_aggregates(run).values()),
        suites=tuple(
            (title, tuple(_row(r, word, result_part(run, r)) for r in results if r.suite == suite))
            for suite, title in suites.items()
        ),
        metrics=metrics,
        metric_count=sum(len(rows) for _, rows in metrics),
        heat=heat_maps(run),
        charts=speed_charts(row),
        plots=curves(rows),
        stacks=tuple(filter(None, (first_token_parts(rows), memory_split(rows)))),
        noise=tuple(_noise(performance)),
        correctness=run.backend.correctness if run.backend and performance else (),
        energy=row.energy_reason if row else "",
        performance_items=tuple(_timing_row(result, word) for result in performance),
        caution=caution(machine_facts(run)) if performance else "",
        missing=tuple(
            (words(run.facts(result.suite).title), _row(result, word))
            for result in results
            if result.outcome not in MEASURED
        ),
        cut_prompts=cut_prompt_rows(run.results, samples),
        samples=sample_groups(run.results, samples, show_harmful=run.show_harmful),
        samples_page=samples_page,
        provenance=_provenance(run),
    )


def quick_note(run: RunReport) -> str:
    """``Quick: a sample of 100, not ranked``, or nothing for a full run; of a server that nothing is verified."""
    if run.backend is not None and run.backend.server is not None:
        return f"Weights unverified: {run.backend.server} answered, not ranked"
    if not (word := sampled(run.mode, run.limit, run.own_settings)):
        return ""
    sizes = [m.n for r in run.results if r.suite != PERFORMANCE and (m := r.metric()) and m.unit == "share"]
    of = f"sample of {'at most ' if len(set(sizes)) > 1 else ''}{max(sizes)} per item, " if sizes else ""
    return f"{word}: {of}not ranked"


def _not_run(run: RunReport) -> list[Result]:
    """Planned items of which the report has no result: they must not disappear from the page."""
    known = {result.id for result in run.results}
    return [
        Result(
            suite=item.suite,
            task=item.task,
            variant=item.variant,
            quantization=item.quantization,
            mode=run.mode,
            outcome="not_run",
            reason="planned, but the run ended before",
        )
        for item in run.planned
        if item not in known
    ]


def _order(run: RunReport, result: Result) -> tuple[str, int]:
    place = run.planned.index(result.id) if result.id in run.planned else len(run.planned)
    return result.suite, place


def _headline(run: RunReport) -> tuple[Fact, ...]:
    machine = run.machine
    took = run.harness.get("took_s")
    pairs = (
        ("Measured", numbers.day(run.created)),
        ("Machine", str(machine.get("cpu") or "not known")),
        ("Engine", engine_of(run) or "not known"),
        ("Thinking", _thinking(run)),
        ("Settings", run.own_settings),
        ("Took", "" if took is None else numbers.duration(took)),
        ("Parameters", numbers.parameters(run.detected.parameters) if run.detected and run.detected.parameters else ""),
        ("File", numbers.size(run.detected.file_size) if run.detected and run.detected.file_size else ""),
        ("Made from", _derived(run.detected)),
        ("License", run.submission.license or (run.detected.license if run.detected else "") or ""),
    )
    found = [Fact(label=label, value=value) for label, value in pairs if value]
    if run.submission.hf_repo:
        repo = run.submission.hf_repo
        found.append(Fact(label="Repository", value=repo, href=hub_address(repo)))
    return tuple(found)


def _thinking(run: RunReport) -> str:
    """Whether the model was to think, and what it did; empty where neither is worth a word."""
    asked = run.backend.thinking if run.backend else None
    counts = [result.thinking for result in run.results if result.thinking and result.thinking.answers]
    told = (
        []
        if asked in (None, "off") and not counts
        else [f"{asked} tokens at most" if isinstance(asked, int) else str(asked)]
    )
    if counts:
        tokens = [one.tokens for one in counts if one.tokens is not None]
        told.append(f"before {numbers.number(sum(one.answers for one in counts), 0)} answers")
        told += [f"{numbers.number(sum(tokens), 0)} tokens"] if len(tokens) == len(counts) else []
        censored = sum(one.censored for one in counts)
        told += [f"{numbers.number(censored, 0)} cut off before their answer"] if censored else []
    return ", ".join(told)


def _derived(detected: WeightsHeader | None) -> str:
    made = detected.derivation if detected else None
    if made is None:
        return ""
    source = made.source_quantization or "a file of unknown type"
    return f"{source}, by {made.engine}"


def _counts(results: Sequence[Result]) -> tuple[tuple[str, str, int], ...]:
    words_of = (
        ("passed", "measured"),
        ("partial", "answered in part"),
        ("failed", "below their gate"),
        ("skipped", "skipped"),
        ("error", "could not be measured"),
        ("not_run", "not run"),
    )
    states = Counter(state_of(result.outcome, result.metric(), result.reason) for result in results)
    counted = ((state, word, states[state]) for state, word in words_of)
    return tuple((state.replace("_", "-"), word, count) for state, word, count in counted if count or state == "passed")


def _composites(run: RunReport, suite: str, word: str) -> tuple[ItemRow, ...]:
    """What a suite makes of metrics of several tasks."""
    made = suite_composites(suite, run.facts(suite), run.results)
    return tuple(item_row("Several tasks", "", "passed", "", metric, quick=word) for metric in made)


def _metrics(results: Iterable[Result], suite: str, word: str) -> tuple[ItemRow, ...]:
    """What the tasks of a suite say beside their primary metrics: groups, breakdowns, rates."""
    rows = []
    for result in (result for result in results if result.suite == suite):
        for metric in result.metrics:
            if metric.name != result.primary:
                name, _, part = metric.name.removesuffix("]").partition("[")  # exact_match[family=add]
                variant = ", ".join(filter(None, (variant_title(result.variant), part_title(part))))
                shown = replace(metric, name=name or metric.name)
                task = task_title(result.suite, result.task)
                rows.append(item_row(task, variant, result.outcome, "", shown, quick=word))
    return tuple(rows)


def _row(result: Result, word: str, part: tuple[int, int] | None = None, timed: Iterable[str] = ()) -> ItemRow:
    worst = worst_part(result)
    told = f"lowest: {metric_title(worst.name)}, {100 * worst.value:.1f} %, n = {worst.n}" if worst else ""
    return item_row(
        task_title(result.suite, result.task),
        result.variant,
        result.outcome,
        result.reason,
        result.metric(),
        unscored=result.n_unscored,
        cut=result.answers_cut,
        censored=result.thinking.censored if result.thinking else 0,
        quick=word,
        behind=(part_note(part), told, scorer_error(result), twin_note(result.suite, result.task), *timed),
    )


def _timing_row(result: Result, word: str) -> ItemRow:
    """The row of a timing, with its verdict and why its rounds ended."""
    timing = result.timing
    if timing is None or result.outcome not in MEASURED:
        return _row(result, word)
    verdict = f"{timing.verdict}: {timing.reason}" if timing.reason else timing.verdict
    return _row(result, word, timed=(verdict, f"rounds ended by: {timing.rounds_reason}"))


def _noise(results: Iterable[Result]) -> Iterable[str]:
    """Each reason once, with the items that it is true of."""
    found: dict[str, list[str]] = {}
    for result in results:
        if result.outcome in MEASURED and result.timing and result.timing.noise:
            found.setdefault(result.timing.noise, []).append(_named(result))
    return [f"{', '.join(items)}: {reason}" for reason, items in found.items()]


def _named(result: Result) -> str:
    return ", ".join(filter(None, (task_title(result.suite, result.task), variant_title(result.variant))))


def _provenance(run: RunReport) -> tuple[FactGroup, ...]:
    submission = run.submission
    taken, asked = run.answers
    about = {
        "run_id": run.run_id,
        "created": run.created,
        "finished": run.finished,
        "mode": run.mode,
        "limit": run.limit if run.limit is not None else "none",
        "seed": run.seed,
        "answers_from_before_an_interruption": f"{taken} of {asked}" if taken else None,
        "origin": submission.origin or None,
        "revision": submission.revision or (run.detected.revision if run.detected else None),
        "submitted_by": submission.submitted_by,
        "report_schema": run.schema,
    }
    # The template's text is long, and its hash says which one it was.
    found = run.detected.to_json() if run.detected else {}
    groups = (
        ("Run", facts(about, hidden=() if taken else ("answers_from_before_an_interruption",))),
        ("Time budget", facts(run.budget or {}, hidden=("rates",))),
        ("Machine", facts(run.machine)),
        ("Engine", facts(run.backend.known if run.backend else {})),
        ("Process", facts(run.host.to_json() if run.host else {}, hidden=("starting",))),
        ("Found in the weights", facts(found, hidden=("chat_template",))),
        ("Versions", facts(run.versions, names=False)),
        ("Harness", facts(run.harness)),
    )
    return tuple(FactGroup(title=title, facts=found) for title, found in groups if found)
