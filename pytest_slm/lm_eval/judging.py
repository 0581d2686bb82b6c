"""lm-eval's verdicts: of single questions by its filters and ``process_results``, of a task by its aggregation, and of
a group by its weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_slm.core.metrics import mean_metric, part_name
from pytest_slm.core.sample import Ending
from pytest_slm.core.statistics import combine, jackknife, t_quantile
from pytest_slm.core.types import Cuts, Metric, MetricSpec
from pytest_slm.errors import BackendError, SlmError, UsageError
from pytest_slm.lm_eval import gold, seam
from pytest_slm.lm_eval.building import LmEvalTasks, lacks_parts
from pytest_slm.lm_eval.likeliest import MEASURES, shared

Verdicts = Mapping[str, Any]
"""What lm-eval says of one question, by the names of our metrics: numbers, or what its aggregation takes."""


@dataclass(frozen=True, kw_only=True)
class JudgedQuestion:
    """One question, judged: the task it belongs to, its cluster, lm-eval's verdicts, how much there is of the answer
    (None where likelihoods were asked), and the part of the breakdown that it is in."""

    task: str
    cluster: object
    verdicts: Verdicts
    ending: Ending | None = None
    part: str | None = None


def judge(
    upstream: Any, doc: Any, instances: Sequence[Any], specs: Sequence[MetricSpec], where: str
) -> tuple[Verdicts, str]:
    """lm-eval's verdicts on the answers to one question, and, where lm-eval fails on what the model has written, why:
    then they are those on an empty answer. Raises UsageError for an unknown metric or filter, BackendError if lm-eval
    fails on the question itself; ``where`` names it."""
    try:
        return _verdicts(upstream, doc, instances, specs), ""
    except SlmError:
        raise
    except Exception as error:  # a task is a program: whatever it raises, it says nothing about the other questions
        problem = f"{type(error).__name__}: {error!s:.200}"
        cause = error
    try:
        if any(instance.request_type != "generate_until" for instance in instances):
            raise cause
        for instance in instances:
            instance.resps = [""] * len(instance.resps)
        return _verdicts(upstream, doc, instances, specs), f"lm-eval cannot read the answer ({problem})"
    except Exception:  # the same again, so it is not the answer's fault
        raise BackendError(
            f"{where}: lm-eval's {upstream.config.task} fails on it ({problem}); its row may be "
            "broken: get the data again, or leave the task out",
            slug="lm-eval-failed",
        ) from cause


def _verdicts(upstream: Any, doc: Any, instances: Sequence[Any], specs: Sequence[MetricSpec]) -> Verdicts:
    verdicts: dict[str, Any] = {}
    seam.filter_answers(upstream, instances)
    by_filter: dict[str, Mapping[str, Any]] = {}
    for spec in specs:
        filtered, wanted = instances[0].filtered_resps, spec.source
        if spec.filter not in filtered:
            raise _unknown(upstream, "filter", spec.filter, filtered)
        if spec.filter not in by_filter:
            answers = [instance.filtered_resps[spec.filter] for instance in instances]
            by_filter[spec.filter] = upstream.process_results(doc, answers)
        values = by_filter[spec.filter]
        if wanted not in values:
            raise _unknown(upstream, "metric", wanted, values)
        tied = shared(upstream, doc, instances, wanted)
        verdicts[spec.name] = _plain(values[wanted]) if tied is None else tied[0]
    return verdicts


def explain(upstream: Any, doc: Any, instances: Sequence[Any], primary: MetricSpec) -> tuple[str, str, int | None]:
    """The answer that the primary metric looks at, a sentence that compares it with the right one, and, of choices, the
    place of the one that the metric takes."""
    kind = instances[0].request_type
    if kind == "generate_until":
        extracted = instances[0].filtered_resps.get(primary.filter, "")
        target = str(upstream.doc_to_target(doc))
        return f"{extracted!s:.400}", f"right answer ends with {target[-80:]!r}", None
    if kind == "loglikelihood_rolling":
        return "", f"log-likelihood {instances[0].resps[0]:g}", None
    choices = [str(instance.args[1]).strip() for instance in instances]
    likely = [float(instance.resps[0][0]) for instance in instances]
    measure, told = MEASURES.get(primary.source, (None, ""))
    if measure is not None:
        likely = measure(likely, choices)
    best = likely.index(max(likely))
    if callable(upstream.config.process_results) or primary.source not in {"acc", *MEASURES}:
        return choices[best], f"{primary.name} is made of all choices together; the likeliest is {best}", best
    if upstream.config.output_type != "multiple_choice":
        return choices[best], f"right answer ends with {str(upstream.doc_to_target(doc))[-80:]!r}", best
    right = " or ".join(map(str, gold.right_places(upstream, doc)))
    tied = shared(upstream, doc, instances, primary.source)
    equal = "" if tied is None else f" (as likely as {tied[1] - 1} more, so {tied[0]:.3g} of an answer)"
    return choices[best], f"likeliest choice{told} {best}{equal}, right choice {right}", best


def metrics(
    built: LmEvalTasks, specs: Sequence[MetricSpec], judged: Sequence[JudgedQuestion], clustered: bool
) -> list[Metric]:
    """The metrics of a task, or of a group and of each of its parts: ``acc``, ``acc[subtask=mmlu_anatomy]``."""
    made: list[Metric] = []
    for spec in specs:
        parts = {
            name: _metric(built.tasks[name], spec, mine, clustered)
            for name in built.tasks
            if (mine := [one for one in judged if one.task == name])
        }
        if built.group is None:
            made += parts.values()
            continue
        made.append(_group_metric(built, built.group, spec, parts, judged, clustered))
        for group in built.group.get_all_groups():
            inside = [name for name in (task.task_name for task in group.get_all_tasks()) if name in parts]
            if inside and not lacks_parts(group):
                some = [one for one in judged if one.task in inside]
                own = {name: parts[name] for name in inside}
                metric = _group_metric(built, group, spec, own, some, clustered)
                made.append(dataclasses.replace(metric, name=f"{spec.name}[group={group.name}]"))
        made += [
            dataclasses.replace(metric, name=f"{spec.name}[subtask={name}]") for name, metric in sorted(parts.items())
        ]
    return made


def breakdown(
    built: LmEvalTasks, spec: MetricSpec, key: str, judged: Sequence[JudgedQuestion], clustered: bool
) -> list[Metric]:
    """One metric of the questions of each part: ``pct_stereotype[bias_type=age]``."""
    parts: dict[str, list[JudgedQuestion]] = {}
    for one in judged:
        if one.part is not None:
            parts.setdefault(one.part, []).append(one)
    return [
        dataclasses.replace(metrics(built, (spec,), mine, clustered)[0], name=f"{spec.name}[{key}={part_name(part)}]")
        for part, mine in sorted(parts.items())
    ]


def _group_metric(
    built: LmEvalTasks,
    group: Any,
    spec: MetricSpec,
    parts: Mapping[str, Metric],
    judged: Sequence[JudgedQuestion],
    clustered: bool,
) -> Metric:
    """lm-eval weighs the parts by their questions, or all alike. The doubt of the former is that of all questions taken
    together; lm-eval's pooled error, within the parts only, is at most a little smaller."""
    wanted = spec.source
    rule = next((one for one in group.aggregate_metric_list or () if one.metric == wanted), None)
    if rule is None:
        known = ", ".join(one.metric for one in group.aggregate_metric_list or ()) or "none"
        raise UsageError(
            f"lm-eval's group {group.name} has no score of {wanted!r} as a whole (those it has: {known}); "
            "declare its tasks one by one",
            slug="unknown-metric",
        )
    first = next(iter(parts))
    if rule.weight_by_size and _is_mean(built.tasks[first], spec, judged):
        return _metric(built.tasks[first], spec, judged, clustered)
    total = sum(part.n for part in parts.values())
    weights = {name: part.n / total if rule.weight_by_size else 1 / len(parts) for name, part in parts.items()}
    value, interval = combine([(weights[name], part.value, part.interval) for name, part in parts.items()])
    errors = [weights[name] * part.stderr for name, part in parts.items() if part.stderr is not None]
    if interval is not None and spec.unit == "share":
        interval = (max(0.0, interval[0]), min(1.0, interval[1]))
    return dataclasses.replace(
        parts[first],
        value=value,
        n=total,
        cuts=_cuts_together(value, [(weights[name], part) for name, part in parts.items()], judged),
        interval=interval,
        stderr=math.hypot(*errors) if len(errors) == len(parts) else None,
    )


def _metric(upstream: Any, spec: MetricSpec, judged: Sequence[JudgedQuestion], clustered: bool) -> Metric:
    values = [one.verdicts[spec.name] for one in judged]
    clusters = [one.cluster for one in judged] if clustered else None
    better = bool(upstream.higher_is_better().get(spec.source, True)) != spec.complement
    if spec.unit == "share" and _is_mean(upstream, spec, judged):
        metric = mean_metric(spec.name, values, complement=spec.complement, clusters=clusters)
        return dataclasses.replace(metric, higher_is_better=better, cuts=_cuts(spec, judged, metric.value))
    aggregate = upstream.aggregation()[spec.source]

    def statistic(places: Sequence[int]) -> float:
        return float(aggregate([values[place] for place in places]))

    value = statistic(range(len(values)))
    names = clusters or list(range(len(values)))
    error = jackknife(statistic, names)
    if not math.isfinite(value) or (error is not None and not math.isfinite(error)):
        raise BackendError(
            f"{spec.name} of lm-eval's {upstream.config.task} is not a finite number here ({len(values)} questions)",
            slug="nothing-scored",
        )
    if spec.unit == "share" and not 0 <= value <= 1:
        raise _no_share(upstream, spec, value)
    # An error of 0 (all answers alike) says that nothing varied here, not that nothing can.
    half = error * t_quantile(0.975, max(1, min(40, len(set(names))) - 1)) if error else None
    return Metric(
        name=spec.name,
        value=value,
        n=len(values),
        interval=None if half is None else (value - half, value + half),
        unit=spec.unit,
        higher_is_better=better,
        stderr=error,
        cuts=_cuts(spec, judged, None),
    )


def _cuts(spec: MetricSpec, judged: Sequence[JudgedQuestion], mean: float | None) -> Cuts | None:
    """What cut answers may have changed of a ``mean`` of shares; of another number (None) only how many there are."""
    n, endings = len(judged), [one.ending for one in judged]
    if None in endings:
        return None
    cut, censored = endings.count("cut"), endings.count("censored")
    if mean is None:
        return Cuts(cut=cut / n, censored=censored / n)
    kept = math.fsum(one.verdicts[spec.name] for one in judged if one.ending == "whole")
    low, high = kept / n, (kept + cut + censored) / n
    if spec.complement:
        low, high = 1 - high, 1 - low
    return Cuts(cut=cut / n, censored=censored / n, lower=min(low, mean), upper=max(high, mean))


def _cuts_together(
    value: float, parts: Sequence[tuple[float, Metric]], judged: Sequence[JudgedQuestion]
) -> Cuts | None:
    """What cut answers may have changed of a weighted mean of parts."""
    cuts = [part.cuts for _, part in parts]
    if not all(cuts):
        return None
    n, endings = len(judged), [one.ending for one in judged]
    known = [
        (weight * cut.lower, weight * cut.upper)
        for (weight, _), cut in zip(parts, cuts, strict=True)
        if cut is not None and cut.lower is not None and cut.upper is not None
    ]
    low, high = (math.fsum(column) for column in zip(*known, strict=True)) if known else (value, value)
    whole = len(known) == len(parts)
    return Cuts(
        cut=endings.count("cut") / n,
        censored=endings.count("censored") / n,
        lower=min(low, value) if whole else None,
        upper=max(high, value) if whole else None,
    )


def _is_mean(upstream: Any, spec: MetricSpec, judged: Sequence[JudgedQuestion]) -> bool:
    """Whether the metric is the plain mean of one number for each question. Raises UsageError for a share that is none:
    no interval in [0, 1] holds it."""
    if not seam.is_mean(upstream, spec.source):
        return False
    values = [one.verdicts[spec.name] for one in judged]
    wrong = next((value for value in values if not isinstance(value, float) or not 0 <= value <= 1), None)
    if spec.unit == "share" and wrong is not None:
        raise _no_share(upstream, spec, wrong)
    return spec.unit == "share"


def _no_share(upstream: Any, spec: MetricSpec, value: Any) -> UsageError:
    return UsageError(
        f"the metric {spec.source!r} of lm-eval's {upstream.config.task} is no share: a value is "
        f"{value!r:.80}. Give the metric its `unit`, and it stays outside of scores",
        slug="unknown-metric",
    )


def _plain(value: Any) -> Any:
    """Numbers of numpy and booleans as floats; pairs for metrics of a whole corpus as they are."""
    if isinstance(value, str | tuple | list | dict) or value is None:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _unknown(upstream: Any, what: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f"lm-eval's {upstream.config.task} has no {what} {name!r}, but {', '.join(sorted(known))}",
        slug="unknown-metric",
    )
