"""F1 of answers that are sets of labels, as scikit-learn's MultiLabelBinarizer and macro f1_score have it."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_slm.core.metrics.classes import of_classes
from pytest_slm.core.metrics.scored import of_group
from pytest_slm.core.types import JudgedSample, Metric, MetricSpec


def label_f1(spec: MetricSpec, judged: Sequence[JudgedSample]) -> Metric | None:
    """The mean over the labels that are expected anywhere of F1, the harmonic mean of precision and recall.

    A sample has rows, each a set of labels: the expected ones are ``metadata[key]`` (a mapping from the row's name to
    its labels), those of the answer ``verdict.values[key]``, in the same form. A row that only one of both has is empty
    on the other side; a label that nobody expects is no class. Errors and interval are those of ``macro_f1``.
    """
    samples = [one for one in of_group(spec, judged) if one.value is not None]
    rows = [_rows(one.judged, spec.source) for one in samples]
    targets = Counter(label for pairs in rows for wanted, _ in pairs for label in wanted)
    if not targets:
        return None
    given = Counter(label for pairs in rows for _, mine in pairs for label in mine)
    hits = Counter(label for pairs in rows for wanted, mine in pairs for label in wanted & mine)
    scores = {label: 2 * hits[label] / (count + given[label]) for label, count in targets.items()}

    def pull(pairs: Sequence[tuple[set[str], set[str]]]) -> float:
        """What a sample does to the value, times their number."""
        parts = []
        for wanted, mine in pairs:
            for label in (wanted | mine) & targets.keys():
                there = (label in wanted) + (label in mine)
                parts.append((2 * (there == 2) - scores[label] * there) / (targets[label] + given[label]))
        return math.fsum(parts) * len(samples) / len(scores)  # a set has another order in each process

    return of_classes(spec, statistics.fmean(scores.values()), [pull(pairs) for pairs in rows], samples, targets)


def _rows(one: JudgedSample, key: str) -> list[tuple[set[str], set[str]]]:
    wanted = one.sample.metadata.get(key) or {}
    given: Any = one.verdict.values.get(key, one.verdict.value)
    if not isinstance(given, Mapping):  # judged as a whole: all of it is right, or nothing
        given = wanted if given else {}
    return [(set(wanted.get(name, ())), set(given.get(name, ()))) for name in {**wanted, **given}]
