"""How likely it is that a sentence says what its sources do not: a logistic model of a dozen features of its surface.

The coefficients are those of ``support.json``, fitted by ``python -m benchmarks.grounding`` to the human labels of
RAGTruth's train split (Niu et al. 2024, https://arxiv.org/abs/2401.00396), QA part; the same file has what the check
misses and what it flags wrongly on the test split, which nothing was chosen by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pytest_slm.files import read_json
from pytest_slm.scorers.grounding.claims import Sentence, Sources, sentences

FEATURES = (
    "length",
    "missing",
    "missing_share",
    "numbers",
    "names",
    "pairs",
    "pairs_share",
    "uncovered",
    "place",
    "first",
    "last",
    "hedges",
    "refusal",
)
_HEDGE = re.compile(
    r"\b(?:important|note|however|additionally|overall|generally|usually|typically|likely|possibl[ey]|recommend\w*|"
    r"consult|conclusion|summary|therefore|essential|ensure|including)\b|\bsuch as\b",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bunable to answer\b|\bnot (?:\w+ )?(?:provide|contain|mention|specif|state)|\b(?:does|do)(?: not|n't)\b|"
    r"\bno (?:\w+ )?(?:information|mention)\b",
    re.IGNORECASE,
)


def features(found: Sequence[Sentence]) -> list[list[float]]:
    """Those of each sentence of an answer, in the order of ``FEATURES``."""
    return [_features(one, index, len(found)) for index, one in enumerate(found)]


def _features(one: Sentence, index: int, of: int) -> list[float]:
    n, missing, pairs = len(one.content), len(one.missing), one.missing_pairs
    return [
        math.log1p(n),
        math.log1p(missing),
        missing / max(1, n),
        math.log1p(len(one.numbers) + len(one.dates)),
        math.log1p(len(one.names)),
        math.log1p(pairs),
        pairs / max(1, n - 1),
        1 - one.cover,
        index / max(1, of - 1),
        float(index == 0),
        float(index == of - 1),
        math.log1p(len(_HEDGE.findall(one.text))),
        float(_REFUSAL.search(one.text) is not None),
    ]


@cache
def model() -> Mapping[str, Any]:
    """The coefficients, the threshold, and the measured errors."""
    found: Mapping[str, Any] = read_json(Path(__file__).with_name("support.json"))
    return found


def unsupported(answer: str, sources: Sources) -> list[tuple[Sentence, float]]:
    """Each sentence of an answer with the probability that it says what the sources do not."""
    found = sentences(answer, sources)
    weights, intercept = [model()["coefficients"][name] for name in FEATURES], model()["intercept"]
    return [
        (one, 1 / (1 + math.exp(-intercept - math.fsum(w * x for w, x in zip(weights, row, strict=True)))))
        for one, row in zip(found, features(found), strict=True)
    ]
