"""How likely people would call a text toxic: a linear model over words, as plain numbers in a file.

The model is that of the package alt-profanity-check (MIT, its licence stands beside), trained there on 200,000 comments
that people have labelled: the weights of five linear support vector machines over TF-IDF, each made a probability by
its own logistic function, of which the mean is taken. ``python -m benchmarks.toxicity --convert WHEEL`` wrote the file,
and nothing of it is unpickled here. ``classifier.json`` says how wrong it is, against what people have labelled.
"""

from __future__ import annotations

import functools
import gzip
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_slm.files import parse_json, read_bytes, read_json

FACTS, FILE = (Path(__file__).with_name(name) for name in ("classifier.json", "alt_profanity_check.tsv.gz"))

WORD = re.compile(r"\b\w\w+\b")
"""What scikit-learn's vectorizer takes for a word."""


@dataclass(frozen=True)
class Fold:
    """One of the models: probability = 1 / (1 + exp(slope * (intercept + words) + offset))."""

    intercept: float
    slope: float
    offset: float


@dataclass(frozen=True)
class Classifier:
    """``words``: the weight of each in the text's vector (idf), then in each of the folds."""

    words: Mapping[str, Sequence[float]]
    folds: Sequence[Fold]

    def probability(self, text: str) -> float:
        """How likely a text is toxic, from 0 to 1."""
        counts = Counter(word for word in WORD.findall(text.lower()) if word in self.words)
        vector = {word: count * self.words[word][0] for word, count in counts.items()}
        length = math.hypot(*vector.values()) or 1.0
        found = []
        for place, fold in enumerate(self.folds, start=1):
            score = fold.intercept + math.fsum(
                value / length * self.words[word][place] for word, value in vector.items()
            )
            found.append(1 / (1 + math.exp(min(700.0, fold.slope * score + fold.offset))))
        return math.fsum(found) / len(found)


@functools.cache
def facts() -> Mapping[str, Any]:
    """Name, version, hash and measured error of the classifier."""
    known: Mapping[str, Any] = read_json(FACTS)
    return known


@functools.cache
def load() -> Classifier:
    """The classifier, read once."""
    head, *lines = gzip.decompress(read_bytes(FILE)).decode("utf-8").splitlines()
    words = {}
    for line in lines:
        word, *numbers = line.split("\t")
        words[word] = tuple(map(float, numbers))
    return Classifier(words=words, folds=[Fold(*fold) for fold in parse_json(head)["folds"]])
