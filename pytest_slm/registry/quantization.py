"""From all strata of one quantization to its entry: of each suite the best runs, every item, the aggregates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_slm.core.backend_info import answered_by
from pytest_slm.core.record import RecordError, utc
from pytest_slm.core.statistics import combine
from pytest_slm.core.types import MEASURED, Cuts, Metric, Result, RunReport
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry.entry import (
    AggregateScore,
    Item,
    PublishedFile,
    QuantizationEntry,
    Rate,
    ScoresElsewhere,
    UseCase,
)
from pytest_slm.registry.history import past_results
from pytest_slm.registry.questions import QuestionScores
from pytest_slm.registry.scores import Stratum, aggregates, named, server_of, use_cases
from pytest_slm.registry.scores.parts import part_of, rows_of
from pytest_slm.registry.store import StoredReport

_Asked = tuple[str, str, str, int, str]


@dataclass(frozen=True, kw_only=True)
class _Best:
    """Of each suite the best runs, with its score if it has one, and the best aggregate of each profile."""

    suites: Mapping[str, tuple[Stratum, UseCase | None]]
    totals: Mapping[str, AggregateScore]

    @property
    def use_cases(self) -> dict[str, UseCase]:
        """The scores by use case."""
        facts = {name: stratum.suites[name] for name, (stratum, _) in self.suites.items() if name in stratum.suites}
        return named({name: case for name, (_, case) in self.suites.items() if case}, facts)


def _best(strata: Iterable[Stratum]) -> _Best:
    """Of each suite it takes the stratum that measured something, then runs as tasks ask before those with settings of
    the user's, full runs before others, runs without a limit before limited ones, the widest coverage, complete runs,
    the most samples, and the newest: a short look at something does not take the place of a measurement. Of each
    profile it takes full runs if they have measured enough of it for a rank, else what has measured the most of it: the
    first full tasks do not take the place of a score of all."""
    enough = score_rules().ranked_coverage - 1e-9
    best: dict[str, tuple[tuple[float, ...], Stratum, UseCase | None]] = {}
    totals: dict[str, tuple[tuple[float, ...], AggregateScore]] = {}
    for stratum in strata:
        cases = use_cases(stratum)
        found = Counter(result.suite for result in stratum.results if result.outcome in MEASURED)
        for suite in {result.suite for result in stratum.results}:
            case, measured = cases.get(suite), found[suite]
            coverage, n = (case.coverage, case.n) if case else (0.0, 0)
            key = (
                *(measured > 0, not stratum.settings, stratum.full, stratum.limit is None),
                *(coverage, stratum.complete({suite})),
                *(n, measured, stratum.finished),
            )
            if suite not in best or best[suite][0] < key:
                best[suite] = (key, stratum, case)
        for profile, total in aggregates(stratum, cases).items():
            n = sum(case.n for case in cases.values())
            full, unlimited = stratum.full, stratum.limit is None
            known = (not stratum.settings, full and unlimited and total.coverage >= enough, unlimited)
            width = (*known, total.coverage, full, total.complete, n, stratum.finished)
            if profile not in totals or totals[profile][0] < width:
                totals[profile] = (width, total)
    return _Best(
        suites={suite: (stratum, case) for suite, (_, stratum, case) in sorted(best.items())},
        totals={profile: total for profile, (_, total) in sorted(totals.items())},
    )


def build_quantization(name: str, group: Sequence[StoredReport], mine: Sequence[Stratum]) -> QuantizationEntry:
    """The entry of one quantization: of each suite the best runs, and beside them what other machines say of it."""
    best = _best(mine)
    cases = best.use_cases
    items = tuple(item for suite, (stratum, _) in best.suites.items() for item in _items(suite, stratum, mine))
    runs = by_use([stored for stored in group if stored.run.quantization == name], cases, items)
    # A quantization may have been published twice: what is told of its file is told of that which the scores are of.
    weights = _weights(runs[0])
    runs = [run for run in runs if _weights(run) == weights]
    detected = [run.detected for run in runs if run.detected]
    # Of one machine alone nothing is left beside the best.
    several = len({stratum.machine for stratum in mine}) > 1
    elsewhere = _elsewhere(best, [s for s in mine if _weights(s.runs[0].run) == weights]) if several else ()
    used = {(item.suite, item.report) for item in items if item.outcome in MEASURED}
    used |= {(case.suite, path) for one in elsewhere for case in one.use_cases.values() for path in case.reports}
    same = [stored for stored in group if stored.run.quantization == name and _weights(stored.run) == weights]
    return QuantizationEntry(
        format=next((q.format for run in runs for q in run.submission.quantizations if q.name == name), "unknown"),
        size_bytes=next((d.file_size for d in detected if d.file_size), None),
        bits_per_weight=next((d.bits_per_weight for d in detected if d.bits_per_weight), None),
        weights_sha256=weights,
        made_from=next((run.made_from for run in runs if run.detected), None),
        published=next((_published(run) for run in runs if run.detected), None),
        server=mine[0].server,
        use_cases=cases,
        aggregates=best.totals,
        elsewhere=elsewhere,
        items=items,
        history=past_results(same, used),
    )


def _elsewhere(best: _Best, strata: Sequence[Stratum]) -> tuple[ScoresElsewhere, ...]:
    """The scores of each machine that are not among the best ones: rows of two machines show each its own."""
    cases = best.use_cases
    found = []
    for machine in sorted({stratum.machine for stratum in strata}, key=lambda name: (name is None, name)):
        own = _best(stratum for stratum in strata if stratum.machine == machine)
        more = ScoresElsewhere(
            machine=machine,
            use_cases={
                name: case
                for name, case in own.use_cases.items()
                if name not in cases or cases[name].machine != machine
            },
            aggregates={
                name: total
                for name, total in own.totals.items()
                if name not in best.totals or best.totals[name].machine != machine
            },
        )
        if more.use_cases or more.aggregates:
            found.append(more)
    return tuple(found)


def by_use(group: Iterable[StoredReport], use_cases: Mapping[str, UseCase], items: Iterable[Item]) -> list[RunReport]:
    """The runs of reports, first those that scores were taken from, then those that another number was; of equals full
    ones first, then the newest."""
    scored = {path for case in use_cases.values() for path in case.reports}
    taken = {item.report for item in items if item.outcome in MEASURED}

    def place(stored: StoredReport) -> tuple[bool, bool, bool, float, str]:
        full = stored.run.standard
        return stored.path in scored, stored.path in taken, full, utc(stored.run.finished).timestamp(), stored.path

    return [stored.run for stored in sorted(group, key=place, reverse=True)]


def width(entry: QuantizationEntry) -> tuple[float, float, float, float]:
    """What the headline is chosen by: coverage in full mode, coverage in any mode, bits per weight, file size."""
    full = sum(case.coverage for case in entry.use_cases.values() if case.recommended is not None)
    every = sum(case.coverage for case in entry.use_cases.values())
    return full, every, entry.bits_per_weight or 0.0, float(entry.size_bytes or 0)


def safety_rates(runs: Iterable[Stratum], quantization: str) -> dict[str, Rate]:
    """The safety rates of one quantization. Of each it takes runs as tasks ask, of these the full ones that measured
    it, else runs without a limit, else the most samples, else the newest."""
    found: dict[str, tuple[tuple[float, ...], Rate]] = {}
    for stratum in runs:
        if stratum.quantization != quantization:
            continue
        for name in sorted({name for facts in stratum.suites.values() for name in facts.rates}):
            if (rate := _rate(stratum, name)) is not None:
                key = (not stratum.settings, stratum.full, stratum.limit is None, rate.n, stratum.finished)
                if name not in found or found[name][0] < key:
                    found[name] = (key, rate)
    return {name: rate for name, (_, rate) in sorted(found.items())}


def _rate(stratum: Stratum, name: str) -> Rate | None:
    metrics = []
    for result in stratum.results:
        facts = stratum.suites.get(result.suite)
        source = facts.rates.get(name) if facts else None
        if source and source.task == result.task and result.outcome in MEASURED:
            metric = result.metric(source.metric)
            if metric and metric.unit == "share":
                metrics.append((result.task, metric))
    if not metrics:
        return None
    value, interval = combine([(1 / len(metrics), metric.value, metric.interval) for _, metric in metrics])
    value = min(1.0, max(0.0, value))
    return Rate(
        value=value,
        interval=interval and (max(0.0, interval[0]), min(1.0, interval[1])),
        n=sum(metric.n for _, metric in metrics),
        tasks=tuple(sorted({task for task, _ in metrics})),
        mode=stratum.mode,
        limit=stratum.limit,
        settings=stratum.settings,
        higher_is_better=metrics[0][1].higher_is_better,
        cuts=_cuts(value, [metric for _, metric in metrics]),
    )


def _cuts(value: float, metrics: Sequence[Metric]) -> Cuts | None:
    """What cut answers leave open of the mean of metrics."""
    cuts = [metric.cuts for metric in metrics if metric.cuts is not None]
    if len(cuts) < len(metrics):
        return None
    known = [one.bounds for one in cuts if one.bounds is not None]
    lows, highs = zip(*known, strict=True) if len(known) == len(cuts) else ((), ())
    return Cuts(
        cut=sum(one.cut for one in cuts) / len(cuts),
        censored=sum(one.censored for one in cuts) / len(cuts),
        lower=min(value, sum(lows) / len(lows)) if lows else None,
        upper=max(value, sum(highs) / len(highs)) if highs else None,
    )


def _items(suite: str, best: Stratum, strata: Iterable[Stratum]) -> Iterator[Item]:
    """The items of a suite: those of its best runs, and of tasks that were not measured there those of the others that
    were set up alike, of full runs first, then the newest. A full run of one task does not hide what a quick one says
    of the rest."""
    alike = [one for one in strata if one is not best and _answering(one) == _answering(best)]
    sampled = _sampled(best, alike) if best.full else {}
    measured = {result.task for result in best.results if result.suite == suite and result.outcome in MEASURED}
    found = {result.id: (best, stored, result) for stored, result in best.chosen if result.suite == suite}
    for one in sorted(alike, key=lambda one: (one.full, one.limit is None, one.finished), reverse=True):
        more = {
            result.id: (one, stored, result)
            for stored, result in one.chosen
            if result.suite == suite and result.outcome in MEASURED and result.task not in measured
        }
        found |= more
        measured |= {identity.task for identity in more}
    for identity in sorted(found, key=str):
        stratum, stored, result = found[identity]
        rows = rows_of(suite, stratum.suites) if stratum.full else {}
        yield _item(stored, result, sampled if stratum is best else {}, rows)


def _item(
    stored: StoredReport, result: Result, sampled: Mapping[_Asked, QuestionScores], rows: Mapping[str, int]
) -> Item:
    metric, questions = result.metric(), stored.questions.get(result.samples or "")
    return Item(
        suite=result.suite,
        task=result.task,
        variant=result.variant,
        version=result.version,
        outcome=result.outcome,
        mode=result.mode,
        report=stored.path,
        reason=result.reason,
        metric=metric.name if metric else None,
        value=metric.value if metric else None,
        unit=metric.unit if metric else None,
        interval=metric.interval if metric else None,
        higher_is_better=metric.higher_is_better if metric else None,
        n=metric.n if metric else None,
        n_unscored=result.n_unscored,
        part=part_of([result], rows.get(result.task)),
        chance=metric.chance if metric else None,
        answers_cut=result.answers_cut,
        cuts=metric.cuts if metric else None,
        thinking=result.thinking,
        prompts_cut=result.prompts_cut,
        questions=questions,
        sampled=sampled.get(_asked(result)) if questions else None,
        verdict=result.timing.verdict if result.timing and result.outcome in MEASURED else None,
        noise=result.timing.reason if result.timing and result.timing.verdict == "noisy" else "",
        seconds=result.seconds,
        dataset=_dataset(result),
    )


def _sampled(full: Stratum, others: Iterable[Stratum]) -> dict[_Asked, QuestionScores]:
    """The scores of the questions that quick runs beside full ones asked, of the newest where there are several."""
    return {
        asked: scores
        for one in sorted(others, key=lambda one: one.finished)
        if not one.full and one.limit is None and full.machine is not None
        for stored, result in one.chosen
        if (scores := stored.questions.get(result.samples or "")) and (asked := _asked(result))
    }


def _answering(stratum: Stratum) -> tuple[object, ...]:
    return (stratum.machine, stratum.settings, *answered_by(stratum.runs[0].run.backend))


def _asked(result: Result) -> _Asked:
    """What two results have in common that were asked the same: item, version and metric."""
    metric = result.metric()
    return result.suite, result.task, result.variant, result.version, metric.name if metric else ""


def _published(run: RunReport) -> PublishedFile | None:
    """Where the weights of a run come from, if they are as somebody else can get them."""
    submission = run.submission
    file = next((q for q in submission.quantizations if q.name == run.quantization), None)
    if file is None or run.made_from is not None or file.made is not None or server_of(run) is not None:
        return None
    source = file.source or submission.hf_repo or ""
    kind, _, package = source.partition(":")
    repo, _, pinned = source.partition("@")
    try:
        if kind == "pkg":
            return PublishedFile(package=package, file=file.file)
        return PublishedFile(
            repo=repo,
            revision=pinned or (submission.revision if repo == submission.hf_repo else None),
            file=file.file,
        )
    except RecordError:  # a folder or a path, which only the machine of the run has
        return None


def _dataset(result: Result) -> str:
    """The name of its data set, to be shown."""
    told = result.provenance
    name = told.get("dataset")
    return name if isinstance(name, str) else ""


def _weights(run: RunReport) -> str | None:
    return run.backend.weights_sha256 if run.backend else None
