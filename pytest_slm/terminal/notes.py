"""What a table has no room for: why there is no number, how sure one is, what else a reader should know of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from pytest_slm.core.metrics.composites import suite_composites
from pytest_slm.core.types import MEASURED, Metric, Result, RunReport
from pytest_slm.errors import shown
from pytest_slm.registry.doubts import scorer_error, worst_part, worst_told
from pytest_slm.registry.entry import AggregateScore
from pytest_slm.registry.lengths import Lengths, lengths
from pytest_slm.registry.scores import run_aggregates
from pytest_slm.registry.scores.parts import result_part
from pytest_slm.site.titles.wording import profile_title
from pytest_slm.terminal.matrix import shown_metric
from pytest_slm.terminal.skips import unmeasured
from pytest_slm.terminal.words import name_of, points_told, readable, told


def notes(reports: Sequence[RunReport]) -> list[str]:
    """The lines of all reports: what is true of all of them once, else with the quantizations that it is true of."""
    of: dict[str, list[str]] = {}
    for report in reports:
        for line in dict.fromkeys(_notes(report)):
            of.setdefault(line, []).append(report.quantization)
    return [shown(line if len(names) == len(reports) else f"{', '.join(names)}: {line}") for line, names in of.items()]


def _notes(run: RunReport) -> Iterator[str]:
    yield from unmeasured(run.results)
    yield from (f"{name_of(result)}: {result.reason}" for result in run.results if _measured_with(result))
    for result in run.results:
        if remarks := of_samples(result, shown_metric(result)):
            yield f"{name_of(result)}: {', '.join(remarks)}"
    for lines in (_parts(run), _composites(run), _doubts(run), _timings(run), _remarks(run), _hints(run)):
        yield from lines
    for series in lengths(run.results):
        if series.tasks > 1 or len(series.points) > 1:
            yield _effective(series)
    yield from _aggregates(run)


def _measured_with(result: Result) -> bool:
    """Whether something is to be known of what was measured: it missed its gate, or it leaves something out."""
    return bool(result.reason) and result.outcome in MEASURED


def _aggregates(run: RunReport) -> Iterator[str]:
    note = ", never ranked with these settings" if run.own_settings else ", never ranked in this mode"
    note = "" if run.standard else note
    note = ", never ranked: a server's weights are unverified" if run.backend and run.backend.server else note
    for total in run_aggregates(run).values():
        score, interval = points_told(total.score, total.interval)
        between = f" (95 % interval {interval})" if interval else ""
        yield (
            f"{profile_title(total.profile)} score: {score} of 100{between}, "
            f"coverage {total.coverage:.0%} of its weight{_cut_answers(total)}{note}"
        )


def _parts(run: RunReport) -> list[str]:
    """Which data sets were not whole, so that a score cannot be held against published ones to the digit."""
    known = [(name_of(result), part) for result in run.results if (part := result_part(run, result))]
    told = ", ".join(f"{name} {asked:,} of {of:,} questions" for name, (asked, of) in known)
    return [f"part of the data set: {told}"] if told else []


def _effective(series: Lengths) -> str:
    """``effective length of rag/niah: 2048 tokens (at least 85 %; 1024: 100 %, 2048: 96 %, 4096: 40 %)``."""
    measured = ", ".join(f"{point.tokens}: {point.value:.0%}" for point in series.points)
    of = f", mean of {series.tasks} tasks" if series.tasks > 1 else ""
    found = f"{series.effective} tokens{' or more' if series.open else ''}" if series.effective else "none of them"
    return f"effective length of {series.suite}/{series.name}{of}: {found} (at least {series.enough:.0%}; {measured})"


def _composites(run: RunReport) -> list[str]:
    """What suites make of metrics of several tasks."""
    made = [
        (suite, metric)
        for suite in dict.fromkeys(result.suite for result in run.results)
        for metric in suite_composites(suite, run.facts(suite), run.results)
    ]
    told = [(suite, *_told(metric)) for suite, metric in made]
    part = "" if run.limit is None else f", at most {run.limit} of each item"
    return [f"{suite}: {name} {value} ({bounds}, n={n}{part})" for suite, name, value, bounds, n in told]


def _doubts(run: RunReport) -> list[str]:
    """Where a model is worst, and how often those who judge it are wrong, each once."""
    worst = [(result, part) for result in run.results if (part := worst_part(result)) is not None]
    told = [
        f"{name_of(result)}: {worst_told(part)} {value} ({bounds}, n={n})"
        for result, part in worst
        for _, value, bounds, n in [_told(part)]
    ]
    return [*told, *filter(None, dict.fromkeys(map(scorer_error, run.results)))]


def _timings(run: RunReport) -> list[str]:
    """Other rates of an item, why rounds are noisy (each reason once), and why there is no energy."""
    lines, energy = [], ""
    noise: dict[str, list[str]] = {}
    for result in (result for result in run.results if result.measurements and result.outcome in MEASURED):
        others = [metric for metric in result.metrics if metric.name != result.primary]
        if others:
            rates = ", ".join(f"{metric.name} {readable(metric.value, metric.unit)}" for metric in others)
            lines.append(f"{name_of(result)}: {rates}")
        if result.timing and result.timing.noise:
            noise.setdefault(result.timing.noise, []).append(name_of(result))
        per_token = next((m for m in result.measurements if m.name == "energy_per_token"), None)
        if per_token is not None:
            joules = readable(statistics.median(per_token.values), per_token.unit)
            lines.append(f"{name_of(result)}: energy_per_token {joules}")
        else:
            energy = energy or (result.timing.energy if result.timing else "")
    lines += [f"noisy, {reason}: {', '.join(items)}" for reason, items in noise.items()]
    lines = [*lines, f"no energy: {energy}"] if energy else lines
    timed = any(result.timing for result in run.results)
    return [*lines, *run.backend.correctness] if timed and run.backend else lines


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
        return f", answers were cut off in {', '.join(total.unbounded)}: how much that changes the score is not known"
    low, high = (f"{end:.1f}" for end in total.bounds or (0.0, 0.0))
    return "" if low == high else f", {low} if every cut-off answer was wrong, {high} if every one was right"


def of_samples(result: Result, metric: Metric | None) -> list[str]:
    """How many samples could not be scored or lost a part of their prompt, how many answers were cut off or never
    begun, and between which values the metric is, whatever those were."""
    cuts = metric.cuts if metric else None
    censored = result.thinking.censored if result.thinking else 0
    told_of = [
        f"{n} {f'({100 * share:.0f} %) ' if share else ''}{what}"
        for n, what, share in (
            (result.answers_cut, "cut off", cuts and cuts.cut),
            (censored, "cut off while thinking", cuts and cuts.censored),
        )
        if n
    ]
    bounds = cuts.bounds if cuts else None
    if metric is not None and told_of and bounds is not None and metric.unit == "share":
        told_of.append(f"so {100 * bounds[0]:.1f} – {100 * bounds[1]:.1f} %")
    unscored = [f"{result.n_unscored} unscored"] if result.n_unscored else []
    prompts = [f"{result.prompts_cut.samples} prompts cut"] if result.prompts_cut else []
    return [*unscored, *told_of, *prompts]


def _told(metric: Metric) -> tuple[str, str, str, str]:
    value, interval = told(metric)
    bounds = f"{interval} %" if interval and metric.unit == "share" else interval
    return metric.name, value, bounds or "interval not known", str(metric.n)
