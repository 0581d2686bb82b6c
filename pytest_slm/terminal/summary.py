"""The table at the end of the run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest

from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.statistics import NOISY, Interval, coefficient_of_variation
from pytest_slm.core.types import MEASURED, Metric, Result, RunReport
from pytest_slm.errors import shown
from pytest_slm.registry.doubts import scorer_error, worst_part, worst_told
from pytest_slm.registry.entry import AggregateScore
from pytest_slm.registry.lengths import Lengths, lengths
from pytest_slm.registry.scores import engine_of, run_aggregates
from pytest_slm.terminal.table import aligned


def summarize(terminal: pytest.TerminalReporter, run: RunReport) -> None:
    """Write what was measured, what was not and why, and the aggregates with their coverage."""
    terminal.write_sep("=", shown(f"{run.submission.name} · {run.quantization} · {run.mode}"))
    terminal.write_line(shown(_set_up(run)))
    in_order = sorted(run.results, key=lambda r: (not run.facts(r.suite).scored, r.suite, r.task))
    rows = [_row(result) for result in in_order]
    for number, line in enumerate(aligned([HEAD, *rows])):
        terminal.write_line(line, bold=number == 0)
    reasons = [f"{result.outcome} {name_of(result)}: {result.reason}" for result in run.results if result.reason]
    for line in (*reasons, *_composites(run), *_doubts(run), *_timings(run), *_remarks(run), *_hints(run)):
        terminal.write_line(shown(line))
    for series in lengths(run.results):
        if series.tasks > 1 or len(series.points) > 1:
            terminal.write_line(shown(_effective(series)))
    note = ", never ranked with these settings" if run.own_settings else ", never ranked in this mode"
    note = "" if run.standard else note
    note = ", never ranked: a server's weights are unverified" if run.backend and run.backend.server else note
    for total in run_aggregates(run).values():
        terminal.write_line(
            f"aggregate {total.profile}: {total.score:.1f} of 100{_bounds(total.interval)}, "
            f"coverage {total.coverage:.0%} of its weight{_cut_answers(total)}{note}"
        )


def _effective(series: Lengths) -> str:
    """``effective length of rag/niah: 2048 tokens (at least 85 %; 1024: 100 %, 2048: 96 %, 4096: 40 %)``."""
    measured = ", ".join(f"{point.tokens}: {point.value:.0%}" for point in series.points)
    of = f", mean of {series.tasks} tasks" if series.tasks > 1 else ""
    found = f"{series.effective} tokens{' or more' if series.open else ''}" if series.effective else "none of them"
    return f"effective length of {series.suite}/{series.name}{of}: {found} (at least {series.enough:.0%}; {measured})"


def _set_up(run: RunReport) -> str:
    """What answered: engine, threads, context, and whether the weights are somebody's or made on this machine."""
    backend = run.backend
    threads, n_ctx = (backend.threads, backend.n_ctx) if backend else (None, None)
    said = [
        engine_of(run) or "an engine that was never opened",
        f"{threads} thread{'' if threads == 1 else 's'}" if threads else "",
        f"context {n_ctx}" if n_ctx else "",
        "exact" if backend and backend.exact else "",
        f"thinking {backend.thinking}" if backend and backend.thinking not in (None, "off") else "",
        run.own_settings,
        f"unverified weights, served by {backend.server} as {backend.served_model}"
        if backend and backend.server
        else "",
        f"weights made from {run.made_from}, whose losses stay" if run.made_from else "",
    ]
    return ", ".join(filter(None, said))


def _composites(run: RunReport) -> list[str]:
    """What suites make of metrics of several tasks."""
    made = [
        (suite, metric)
        for suite in dict.fromkeys(result.suite for result in run.results)
        for metric in suite_composites(suite, run.facts(suite), run.results)
    ]
    told = [(suite, *_shown(metric)) for suite, metric in made]
    part = "" if run.limit is None else f", at most {run.limit} of each item"
    return [f"{suite}: {name} {value} ({bounds}, n={n}{part})" for suite, name, value, bounds, n in told]


def _doubts(run: RunReport) -> list[str]:
    """Where a model is worst, and how often those who judge it are wrong, each once."""
    worst = [(result, part) for result in run.results if (part := worst_part(result)) is not None]
    told = [
        f"{name_of(result)}: {worst_told(part)} {value} ({bounds}, n={n})"
        for result, part in worst
        for _, value, bounds, n in [_shown(part)]
    ]
    return [*told, *filter(None, dict.fromkeys(map(scorer_error, run.results)))]


BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def _hints(run: RunReport) -> list[str]:
    """What would be faster, and what is slow to be right. Nothing where the processor does not say what it can."""
    flags = set(run.machine.get("cpu_flags") or ())
    backend = run.backend
    if backend is not None and backend.n_ubatch and backend.n_batch and backend.n_ubatch < backend.n_batch:
        return [
            f"hint: {backend.engine} computes this quantization in steps of {backend.n_ubatch} tokens: its kernels for "
            f"more are wrong on this processor (NMSE {backend.kernels_nmse:.1f})"
        ]
    if backend is None or (backend.dtype, backend.device) != ("bfloat16", "cpu") or not flags or flags & BF16_FLAGS:
        return []
    return [
        "hint: computed in bfloat16, for which this processor has no instructions; `engine: {dtype: float32}` in the "
        "submission is many times as fast, and takes twice the memory"
    ]


def _timings(run: RunReport) -> list[str]:
    """What the table has no room for: other rates of an item, why rounds are noisy, and why there is no energy."""
    lines, energy = [], ""
    for result in (result for result in run.results if result.measurements and result.outcome in MEASURED):
        others = [metric for metric in result.metrics if metric.name != result.primary]
        if others:
            told = ", ".join(f"{metric.name} {readable(metric.value, metric.unit)}" for metric in others)
            lines.append(f"{name_of(result)}: {told}")
        if result.timing and result.timing.noise:
            lines.append(f"noisy {name_of(result)}: {result.timing.noise}")
        per_token = next((m for m in result.measurements if m.name == "energy_per_token"), None)
        if per_token is not None:
            joules = readable(statistics.median(per_token.values), per_token.unit)
            lines.append(f"{name_of(result)}: energy_per_token {joules}")
        else:
            energy = energy or (result.timing.energy if result.timing else "")
    lines = [*lines, f"no energy: {energy}"] if energy else lines
    timed = any(result.timing for result in run.results)
    return [*lines, *run.backend.correctness] if timed and run.backend else lines


def _remarks(run: RunReport) -> list[str]:
    """What else a reader should know: of the prompts, answers from an earlier session of the run, and how a time budget
    was kept."""
    taken, asked = run.answers
    found = list(dict.fromkeys(note for result in run.results if result.answers for note in result.answers.notes))
    if taken:
        found.insert(0, f"resumed: {taken} of {asked} answers are from before the interruption")
    if thought := thinking_line(run.results):
        found.insert(0, thought)
    found += _without_effect(run)
    drafted = [metric for result in run.results if (metric := result.metric("draft_acceptance"))]
    if drafted:
        n = sum(metric.n for metric in drafted)
        kept = sum(metric.n * metric.value for metric in drafted) / n
        found.append(f"draft model: {100 * kept:.0f} % of {n:,d} drafted tokens were kept")
    found += [f"chat template: {note}" for note in (run.backend.chat_template_notes if run.backend else ())]
    if run.budget:
        found.append(
            f"budget: {run.budget['asked_s']:.0f} s asked, {run.budget['planned_s']:.0f} s planned, "
            f"{run.budget['took_s']:.0f} s taken"
        )
    return found


def _without_effect(run: RunReport) -> list[str]:
    """Which of the user's settings meant nothing, for which items."""
    items: dict[tuple[str, str], list[str]] = {}
    for result in run.results:
        for name, why in result.without_effect.items():
            items.setdefault((name, why), []).append(name_of(result))
    alike: dict[tuple[str, str], list[str]] = {}
    for (name, why), mine in items.items():
        more = f" and {len(mine) - 4} more" if len(mine) > 4 else ""
        alike.setdefault((", ".join(mine[:4]) + more, why), []).append(name)
    return [
        f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} no meaning for {mine}: {why}"
        for (mine, why), names in alike.items()
    ]


def thinking_line(results: Sequence[Result]) -> str:
    """How many answers had thinking before them, its tokens, and how many were never begun; empty where none had."""
    counts = [result.thinking for result in results if result.thinking and result.thinking.answers]
    if not counts:
        return ""
    answers, censored = (sum(getattr(one, name) for one in counts) for name in ("answers", "censored"))
    known = [one.tokens for one in counts if one.tokens is not None]
    tokens = f"{sum(known):,d} tokens" if len(known) == len(counts) else "tokens not counted"
    lost = f", {censored} of them cut off before their answer" if censored else ""
    return f"thinking: before {answers} answer{'' if answers == 1 else 's'}, {tokens}{lost}"


def _cut_answers(total: AggregateScore) -> str:
    """What answers that were cut off leave open of an aggregate."""
    if total.unbounded:
        return f", without bounds: nobody knows what cut answers change of {', '.join(total.unbounded)}"
    low, high = (f"{end:.1f}" for end in total.bounds or (0.0, 0.0))
    return "" if low == high else f", {low} – {high} were cut answers wrong or right"


def _bounds(interval: Interval | None) -> str:
    return f" (95 % interval {interval[0]:.1f} – {interval[1]:.1f})" if interval else ""


HEAD = ("item", "metric", "value", "95 % interval", "n", "seconds", "outcome")


def _row(result: Result) -> tuple[str, ...]:
    metric = result.metric() if result.outcome in MEASURED else None
    if metric is None and result.metrics and (result.kind == "lm_eval" or result.prompts_cut):
        # a group of which parts are missing, or a task whose prompts were cut
        metric = result.metrics[0]
    if metric is None and result.outcome in MEASURED and result.measurements:
        memory = next((m for m in result.measurements if m.name == "peak_rss"), result.measurements[0])
        shown = (memory.name, readable(statistics.median(memory.values), memory.unit), "", "")
    else:
        shown = _shown(metric)
    remarks = [f"{result.n_unscored} unscored"] if result.n_unscored else []
    remarks += _cut(result, metric)
    if result.prompts_cut:
        remarks.append(f"{result.prompts_cut.samples} prompts cut")
    if noise := _noise(result, metric):
        remarks.append(noise)
    n = shown[3] + (f" ({', '.join(remarks)})" if remarks else "")
    seconds = f"{result.seconds:.1f}" if result.outcome != "not_run" else ""
    return (name_of(result), *shown[:3], n, seconds, result.outcome)


def _cut(result: Result, metric: Metric | None) -> list[str]:
    """How many answers were cut off or never begun, and between which values the metric is, whatever they were."""
    cuts = metric.cuts if metric else None
    censored = result.thinking.censored if result.thinking else 0
    told = [
        f"{n} {f'({100 * share:.0f} %) ' if share else ''}{what}"
        for n, what, share in (
            (result.answers_cut, "cut off", cuts and cuts.cut),
            (censored, "cut off while thinking", cuts and cuts.censored),
        )
        if n
    ]
    bounds = cuts.bounds if cuts else None
    if metric is not None and told and bounds is not None and metric.unit == "share":
        told.append(f"so {100 * bounds[0]:.1f} – {100 * bounds[1]:.1f} %")
    return told


def _noise(result: Result, metric: Metric | None) -> str:
    """``noisy``, if the run has found so or, where it gives no verdict, if the rounds differ too much."""
    rounds = next((m for m in result.measurements if metric and m.name == metric.name), None)
    variation = coefficient_of_variation(rounds.values) if rounds else None
    noisy = result.timing.noise if result.timing else variation is not None and variation > NOISY
    if not noisy:
        return ""
    return "noisy" if variation is None else f"noisy, CV {variation:.0%}"


def result_cells(result: Result) -> tuple[str, ...]:
    """Item, metric, value, 95 % interval and n, as the table has them."""
    return _row(result)[:5]


def result_line(result: Result) -> str:
    """One line for the moment at which an item is done."""
    return shown(_result_line(result))


def _result_line(result: Result) -> str:
    if result.outcome not in MEASURED:
        return f"  {result.id} {result.outcome}: {result.reason}"
    _, metric, value, interval, n, seconds, _ = _row(result)
    if not metric:
        return f"  {result.id} {result.outcome}, {seconds} s{f': {result.reason}' if result.reason else ''}"
    doubt = f" ({interval})" if interval else ""
    count = f", n={n}" if n else ""
    verdict = f", failed: {result.reason}" if result.outcome == "failed" else ""
    return f"  {result.id} {metric} {value}{doubt}{count}, {seconds} s{verdict}"


def name_of(result: Result) -> str:
    """``performance/decode[100]``, whatever the quantization."""
    return f"{result.suite}/{result.task}" + (f"[{result.variant}]" if result.variant else "")


def _shown(metric: Metric | None) -> tuple[str, str, str, str]:
    if metric is None:
        return ("", "", "", "")
    if metric.unit == "share":
        bounds = f"{100 * metric.interval[0]:.1f} – {100 * metric.interval[1]:.1f} %" if metric.interval else "unknown"
        return (metric.name, f"{100 * metric.value:.1f} %", bounds, str(metric.n))
    bounds = " – ".join(number(bound) for bound in metric.interval) if metric.interval else "unknown"
    return (metric.name, readable(metric.value, metric.unit), bounds, str(metric.n))


def readable(value: float, unit: str) -> str:
    """A value with its unit, for people."""
    return f"{value / 1e6:.0f} MB" if unit == "B" else f"{number(value)} {unit}"


def number(value: float) -> str:
    """Three digits, and never 1.02e+03, which is hard to compare with 998."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
