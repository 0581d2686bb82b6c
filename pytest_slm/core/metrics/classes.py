"""Metrics of tasks that sort samples into classes."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_slm.core.metrics.scored import ScoredSample, of_group
from pytest_slm.core.statistics import Z95, standard_error, t_quantile, wilson
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def macro_f1(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean over classes of F1, the harmonic mean of precision and recall: ``verdict.label`` against the target.

    Classes are the targets that occur. A label that is none of them, or none at all, is a miss and no class of its own.
    The standard error is that of the infinitesimal jackknife over clusters (Jaeckel 1972; for independent samples it is
    the delta method of Takahashi et al. 2022, https://doi.org/10.1007/s10489-021-02635-5): unlike a bootstrap or a
    jackknife that leaves samples out it never loses a rare class on the way, and it needs no seed. The interval is
    Wilson's with the effective number of samples, so that it is of some width where every label is right.
    """
    return _f1(spec, judged, None)


def f1(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """F1 of the class ``spec.label`` alone: the harmonic mean of how many of the samples that were put into it belong
    there, and how many of those that belong there were put into it. None where no sample belongs to it.

    Error and interval are those of ``macro_f1`` for one class.
    """
    return _f1(spec, judged, spec.label)


def weighted_f1(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean over classes of F1, each class by the share of the samples that belong to it (scikit-learn's
    ``f1_score(average="weighted")``): what is told of sentiment in financial news.

    The standard error is that of ``macro_f1``, the weights being those of the sample.
    """
    return _f1(spec, judged, None, weighted=True)


def _f1(spec: MetricSpec, judged: Sequence[JudgedSample], only: str | None, *, weighted: bool = False) -> Metric | None:
    """The mean of F1 over all classes, or the F1 of one."""
    samples = [one for one in of_group(spec, judged) if one.value is not None]
    if not samples or (only is not None and all(str(one.judged.sample.target) != only for one in samples)):
        return None
    pairs = [(str(one.judged.sample.target), one.judged.verdict.label) for one in samples]
    targets, labels = Counter(target for target, _ in pairs), Counter(label for _, label in pairs)
    hits = Counter(target for target, label in pairs if target == label)
    classes = {name: count for name, count in targets.items() if only in (None, name)}
    scores = {name: 2 * hits[name] / (count + labels[name]) for name, count in classes.items()}
    n = len(pairs)
    weights = {name: count / n if weighted else 1 / len(classes) for name, count in classes.items()}
    value = min(1.0, math.fsum(weights[name] * score for name, score in scores.items()))

    def share(name: str | None, right: bool) -> float:
        """What a sample does to the F1 of the class that it is in or is said to be in."""
        return weights[name] * (right - scores[name]) / (targets[name] + labels[name]) if name in scores else 0.0

    # n times what each sample does to the value: their mean is 0, and the error of their mean is the value's. Where
    # classes weigh what they have, a sample also makes its own class weigh more.
    more = {name: score - value if weighted else 0.0 for name, score in scores.items()}
    pulls = [n * (share(t, t == label) + share(label, t == label)) + more.get(t, 0.0) for t, label in pairs]
    return of_classes(spec, value, pulls, samples, {"": n} if weighted else classes)


def macro_recall(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean over classes of the share of their samples that are right, where the targets are the classes: every
    class counts the same, however many samples it has (the balanced accuracy of Brodersen et al. 2010 for more than two
    classes). Who always answers the same, or draws lots, gets one divided by the number of classes. Errors and interval
    are those of ``macro_f1``.
    """
    samples = [one for one in of_group(spec, judged) if one.value is not None]
    if not samples:
        return None
    pairs = [(str(one.judged.sample.target), one.value or 0.0) for one in samples]
    targets = Counter(target for target, _ in pairs)
    recall = {name: statistics.fmean(value for target, value in pairs if target == name) for name in targets}
    pulls = [len(pairs) / len(recall) * (value - recall[target]) / targets[target] for target, value in pairs]
    return of_classes(spec, statistics.fmean(recall.values()), pulls, samples, targets)


def of_classes(
    spec: MetricSpec, value: float, pulls: Sequence[float], samples: Sequence[ScoredSample], classes: Mapping[str, int]
) -> Metric:
    """The metric with its error, from what each sample does to the value, and how many samples each class has."""
    clusters = [one.cluster for one in samples]
    error = standard_error(pulls, clusters)
    interval = None
    if error is not None:
        n_clusters = len(set(clusters))
        # Each class is judged by its own samples: a rare one counts as much as the others and is known less well.
        most = len(classes) ** 2 / sum(1 / count for count in classes.values())
        # Where nothing varies, what clusters do cannot be seen, and they count instead of samples.
        n = min(most, value * (1 - value) / error**2) if error else most * n_clusters / len(samples)
        quantile = Z95 if n_clusters == len(samples) else t_quantile(0.975, n_clusters - 1)
        low, high = wilson(min(n, value * n), n, quantile) or (0.0, 1.0)
        interval = min(low, value), max(high, value)
    return Metric(name=spec.name, value=value, n=len(samples), interval=interval, stderr=error)
