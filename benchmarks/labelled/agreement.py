"""How far a scorer agrees with people, and people with one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from pytest_slm.core.statistics import wilson


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One line of the table: a scorer and its version, on ``n`` answers of one ``half`` (``development``, in view when
    the scorer was made, or ``held out``). Precision, recall and F1 are those of the labels that say yes; ``wrong`` is
    the share on which scorer and people differ, with its 95 % interval; ``raters`` is the kappa of two people, where
    several have looked; ``least`` is the agreement that is asked for, the kappa of two people where it is None."""

    scorer: str
    version: int
    of: str
    half: str
    n: int
    precision: float
    recall: float
    f1: float
    kappa: float
    wrong: float
    interval: tuple[float, float]
    raters: float | None = None
    least: float | None = 0.97

    @property
    def indicative(self) -> bool:
        """Whether the scorer is below what is asked of it."""
        if self.least is not None:
            return 1 - self.wrong < self.least
        return self.raters is None or self.kappa < self.raters

    def told(self, against: str, measured: str) -> dict[str, Any]:
        """What ``errors.json`` says of it."""
        return {
            "against": against,
            "n": self.n,
            "wrong": round(self.wrong, 4),
            "interval": [round(end, 4) for end in self.interval],
            "kappa": round(self.kappa, 3),
            "raters": None if self.raters is None else round(self.raters, 3),
            "indicative": self.indicative,
            "measured": measured,
        }


def agreement(
    pairs: Sequence[tuple[bool, bool]], *, raters: float | None = None, least: float | None = 0.97, **named: Any
) -> Agreement:
    """Of pairs (said by the scorer, said by people)."""
    both = sum(said and label for said, label in pairs)
    said, labelled, n = sum(said for said, _ in pairs), sum(label for _, label in pairs), len(pairs)
    precision = both / said if said else 0.0
    recall = both / labelled if labelled else 0.0
    wrong = sum(said != label for said, label in pairs)
    return Agreement(
        n=n,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if both else 0.0,
        kappa=kappa([said for said, _ in pairs], [label for _, label in pairs]),
        wrong=wrong / n,
        interval=wilson(wrong, n) or (0.0, 1.0),
        raters=raters,
        least=least,
        **named,
    )


def kappa(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Cohen's kappa (1960) of two raters; 1 where both always say the same one thing."""
    n = len(first)
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / n
    classes = {*first, *second}
    chance = sum(first.count(one) * second.count(one) for one in classes) / n**2
    return 1.0 if chance == 1 else (observed - chance) / (1 - chance)


def between(labels: Sequence[Sequence[Any]]) -> float:
    """The mean kappa of all pairs of raters: ``labels`` has a row of each answer, with a label of each rater."""
    columns = list(zip(*labels, strict=True))
    return fmean(kappa(list(one), list(other)) for one, other in combinations(columns, 2))


def halves(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows whose scorer was made with them in view, and those that nobody has looked at."""
    return {
        "development": [row for row in rows if row["development"]],
        "held out": [row for row in rows if not row["development"]],
    }
