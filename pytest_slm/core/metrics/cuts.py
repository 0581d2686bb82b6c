"""What answers that were cut off may have changed: the least and the greatest value that a metric could have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_slm.core.metrics.confidence import bin_of
from pytest_slm.core.metrics.scored import ScoredSample, of_group
from pytest_slm.core.types import Cuts, JudgedSample, Metric, MetricSpec, Verdict

Make = Callable[[MetricSpec, Sequence[JudgedSample]], Metric | None]


def with_cuts(metric: Metric, make: Make, spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric:
    """The metric with its bounds: made again with the cut answers wrong, and with them right.

    What is wrong or right is one sample; how a metric goes with it is its own affair. Where it does not simply grow
    with each sample (a share that should be small, a calibration), the verdicts are tried that move it farthest. A cut
    answer that could not be scored is one of them.
    """
    mine = [one.judged for one in _members(spec, judged)]
    if not mine or any(one.ending is None for one in mine):
        return metric
    n_cut, n_censored = (sum(one.ending == ending for one in mine) for ending in ("cut", "censored"))
    if spec.aggregate == "gap" and n_cut + n_censored:  # which of them would move it farthest, nobody knows
        return replace(metric, cuts=Cuts(cut=n_cut / len(mine), censored=n_censored / len(mine)))
    values = [metric.value]
    if n_cut + n_censored:
        values += [made.value for case in _cases(spec, judged) if (made := make(spec, case)) is not None]
    cuts = Cuts(cut=n_cut / len(mine), censored=n_censored / len(mine), lower=min(values), upper=max(values))
    return replace(metric, cuts=cuts)


def _members(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Iterator[ScoredSample]:
    for group in spec.balance or (spec.group,):
        one = replace(spec, aggregate="mean") if spec.aggregate == "gap" else spec
        yield from of_group(replace(one, group=group, balance=()), judged)


def _cases(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Iterator[list[JudgedSample]]:
    """All samples, with such verdicts on the cut ones that the metric is least in one case and greatest in another."""
    cut = [place for place, one in enumerate(judged) if one.ending not in (None, "whole")]

    def case(right: Callable[[int], bool]) -> list[JudgedSample]:
        case = list(judged)
        for place in cut:
            case[place] = _judged(case[place], right(place))
        return case

    sure = {place: judged[place].verdict.confidence or 0.0 for place in cut}
    if spec.aggregate == "brier":
        yield case(lambda place: sure[place] >= 0.5)
        yield case(lambda place: sure[place] < 0.5)
    elif spec.aggregate == "auroc":
        # For so many right answers the area is greatest if they are those of which the model was surest.
        order = sorted(cut, key=sure.__getitem__)
        for n in range(len(order) + 1):
            least, most = set(order[:n]), set(order[len(order) - n :])
            yield case(least.__contains__)
            yield case(most.__contains__)
    elif spec.aggregate == "calibration_error":
        for right in _calibrations(spec, judged, cut):
            yield case(right.__contains__)
    else:
        yield case(lambda _: False)
        yield case(lambda _: True)


def _calibrations(spec: MetricSpec, judged: Sequence[JudgedSample], cut: Sequence[int]) -> tuple[set[int], set[int]]:
    """Which cut answers are right where the calibration error is least, and where it is greatest: each bin by itself,
    and in a bin it matters only how many."""
    bins: dict[int, tuple[list[float], list[int]]] = {}
    for place, one in enumerate(judged):
        confidence, value = one.verdict.confidence, one.value(spec.source)
        inside = spec.group is None or spec.group in one.sample.parts
        if inside and confidence is not None and (place in cut or value is not None):
            gaps, places = bins.setdefault(bin_of(confidence, int(spec.parameters["bins"])), ([], []))
            gaps.append((value == 1 and place not in cut) - confidence)
            places += [place] if place in cut else []
    least: set[int] = set()
    most: set[int] = set()
    for gaps, places in bins.values():
        numbers = range(len(places) + 1)
        least.update(places[: min(numbers, key=lambda n: abs(sum(gaps) + n))])
        most.update(places[: max(numbers, key=lambda n: abs(sum(gaps) + n))])
    return least, most


def _judged(one: JudgedSample, right: bool) -> JudgedSample:
    """The sample, right or wrong by every key that it was scored by, or altogether if it was not scored."""
    verdict, value, target = one.verdict, float(right), str(one.sample.target)
    label = target if right else None if verdict.label == target else verdict.label
    if not one.scored:
        return replace(one, verdict=_verdict(verdict, value, label))
    values = {key: None if old is None else value for key, old in verdict.values.items()}
    return replace(
        one, verdict=replace(_verdict(verdict, None if verdict.value is None else value, label), values=values)
    )


def _verdict(verdict: Verdict, value: float | None, label: str | None) -> Verdict:
    return replace(verdict, value=value, values={}, label=label)
