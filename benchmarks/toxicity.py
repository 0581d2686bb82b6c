"""How wrong the toxicity classifier is against what people have labelled, beside others of at most 5 MB.

python -m benchmarks.toxicity --data DIR --surge CSV --hatecheck CSV          measures, and writes what reports say
python -m benchmarks.toxicity ... --wheels FOLDER                              beside the other candidates
python -m benchmarks.toxicity --convert WHEEL                                  makes the classifier's file again

Labelled text: ToxiGen's annotated rows of the mirror (toxic by lm-eval's rule: toxicity_ai + toxicity_human above 5.5),
toxicity_en.csv of https://github.com/surge-ai/toxicity (1,000 comments), and test_suite_annotations.csv of
https://github.com/paul-rottger/hatecheck-data (3,728 cases, five raters each: how far people agree). FOLDER has wheels:
``pip download --no-deps -d FOLDER hatesonar==0.1.0 better-profanity==0.7.0 profanity-filter==1.3.3``; to read
hatesonar's model takes ``pip install onnx``. Its ONNX graph begins with a StringNormalizer that names no locale, for
which onnxruntime takes en_US.UTF-8 and fails where the system has none; its arrays are read here, and the graph is not
run. ``--convert`` unpickles the model of the wheel with scikit-learn, which runs what is in it: take it from PyPI
alone (``pip download --no-deps alt-profanity-check==1.9.1``).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import arguments
from benchmarks.common.outcome import recorded, table
from benchmarks.labelled.agreement import agreement
from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import JudgedSample, MetricSpec, Sample, Verdict
from pytest_slm.scorers.errors import FILE as ERRORS
from pytest_slm.scorers.toxicity import classifier
from pytest_slm.scorers.toxicity.toxicity import VERSION

FACTS, FILE = classifier.FACTS, classifier.FILE
Texts = Sequence[tuple[str, bool]]
"""Texts, and whether people call them toxic."""
Scores = Callable[[str], float]


def main() -> None:
    """Measure or convert what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data sets, laid out as the Hub is")
    parser.add_argument("--surge", type=Path, metavar="CSV", help="toxicity_en.csv")
    parser.add_argument("--hatecheck", type=Path, metavar="CSV", help="test_suite_annotations.csv")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="wheels of the other candidates")
    parser.add_argument("--convert", type=Path, metavar="WHEEL", help="make the file of the classifier, and end")
    options = arguments.checked(arguments.with_out(parser), ["pyarrow"])
    if options.convert:
        convert(options.convert)
        return
    if not (options.data and options.surge and options.hatecheck):
        parser.error("--data, --surge and --hatecheck are needed")
    sets = {
        "toxigen": toxigen(options.data),
        "surge": [(row["text"], row["is_toxic"] == "Toxic") for row in rows(options.surge)],
        "hatecheck": [(row["test_case"], row["label_gold"] == "hateful") for row in rows(options.hatecheck)],
    }
    people = fleiss([(int(row["count_label_h"]), int(row["count_label_nh"])) for row in rows(options.hatecheck)])
    scorers = {"alt-profanity-check": classifier.load().probability, **(candidates(options.wheels))}
    with recorded(options.out, "toxicity", {"people": people}) as document:
        found = {name: {key: measured(texts, score) for key, texts in sets.items()} for name, score in scorers.items()}
        document["rounds"].append(found)
        keys = ("n", "toxic", "auroc", "precision", "recall", "f1", "kappa")
        print(table([(name, s, *(one[k] for k in keys)) for name, by in found.items() for s, one in by.items()],
                    ("scorer", "texts", *keys)))  # fmt: skip
        print(f"five raters of hatecheck among each other: kappa {people}")
    write(found["alt-profanity-check"], sets["toxigen"], people)


def write(found: dict[str, Any], quoted: Texts, people: float) -> None:
    """Put what reports quote into errors.json, and the rest beside the classifier."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    pairs = [(classifier.load().probability(text) >= 0.5, toxic) for text, toxic in quoted]
    one = agreement(pairs, least=None, scorer="toxicity", version=VERSION, of="toxic", half="held out")
    errors = {**json.loads(ERRORS.read_text("utf-8"))}
    errors["toxicity"] = {str(VERSION): one.told("human labels of ToxiGen, 1,140 of its annotated rows", today)}
    ERRORS.write_text(json.dumps(errors, indent=2, sort_keys=True) + "\n", "utf-8")
    known = json.loads(FACTS.read_text("utf-8"))
    known["agreement"] = {"measured": today, **found, "people_kappa": people}
    FACTS.write_text(json.dumps(known, indent=2) + "\n", "utf-8")


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def toxigen(data: Path) -> Texts:
    """The annotated rows that the mirror has, of both splits."""
    from pyarrow import parquet

    folder = data / "skg" / "toxigen-data" / "annotated"
    found = [row for split in ("test", "train") for row in parquet.read_table(folder / f"{split}.parquet").to_pylist()]
    return [(row["text"], row["toxicity_ai"] + row["toxicity_human"] > 5.5) for row in found]


def measured(texts: Texts, score: Scores) -> dict[str, Any]:
    """n, AUROC, and at the threshold of 0.5 precision, recall, F1 and Cohen's kappa."""
    scored = [(toxic, score(text)) for text, toxic in texts]
    samples = [
        JudgedSample(
            sample=Sample(id=str(n), input="", target="yes" if toxic else "no"),
            verdict=Verdict(
                value=float(toxic), answer="", explanation="", label="yes" if p >= 0.5 else "no", confidence=p
            ),
        )
        for n, (toxic, p) in enumerate(scored)
    ]
    auroc = AGGREGATES["auroc"](MetricSpec(name="auroc", aggregate="auroc"), samples)
    f1 = AGGREGATES["f1"](MetricSpec(name="f1", aggregate="f1", label="yes"), samples)
    assert auroc is not None
    assert f1 is not None
    n, toxic, said = len(scored), sum(t for t, _ in scored), sum(p >= 0.5 for _, p in scored)
    hit = sum(t and p >= 0.5 for t, p in scored)
    agreed = (hit + n - toxic - said + hit) / n
    chance = (toxic * said + (n - toxic) * (n - said)) / n**2
    return {
        "n": n,
        "toxic": toxic,
        "auroc": round(auroc.value, 3),
        "auroc_interval": [round(end, 3) for end in auroc.interval or ()],
        "precision": round(hit / said, 3) if said else 0.0,
        "recall": round(hit / toxic, 3),
        "f1": round(f1.value, 3),
        "f1_interval": [round(end, 3) for end in f1.interval or ()],
        "kappa": round((agreed - chance) / (1 - chance), 3),
    }


def fleiss(counts: Sequence[tuple[int, int]]) -> float:
    """Fleiss' kappa of raters with two classes: how often a pair of them agrees, beyond chance."""
    pairs = [sum(c * (c - 1) for c in one) / (sum(one) * (sum(one) - 1)) for one in counts if sum(one) > 1]
    share = sum(one[0] for one in counts) / sum(map(sum, counts))
    chance = share**2 + (1 - share) ** 2
    return round((sum(pairs) / len(pairs) - chance) / (1 - chance), 3)


def convert(wheel: Path) -> None:
    """Write the arrays of alt-profanity-check's pickled model as text: one line a word, its idf and its weights."""
    import joblib

    with zipfile.ZipFile(wheel) as archive:
        name, version = wheel.name.split("-")[:2]
        vectorizer, model = (
            joblib.load(io.BytesIO(archive.read(f"profanity_check/data/{part}.joblib")))
            for part in ("vectorizer", "model")
        )
        licence = next(one for one in archive.namelist() if one.endswith("LICENSE"))
        FILE.with_name("LICENSE.alt-profanity-check").write_bytes(archive.read(licence))
    expected = {"ngram_range": (1, 1), "norm": "l2", "sublinear_tf": False, "token_pattern": r"(?u)\b\w\w+\b"}
    odd = {key: value for key in expected if (value := vectorizer.get_params()[key]) != expected[key]}
    if odd or not vectorizer.lowercase:
        raise SystemExit(f"{wheel}: another kind of vectorizer ({odd}); teach it to classifier.py")
    folds = model.calibrated_classifiers_
    parts = [(one.estimator, one.calibrators[0]) for one in folds]
    head = {"folds": [[float(svm.intercept_[0]), float(c.a_), float(c.b_)] for svm, c in parts]}
    lines = [json.dumps(head)]
    for word, place in sorted(vectorizer.vocabulary_.items()):
        numbers = (vectorizer.idf_[place], *(svm.coef_[0][place] for svm, _ in parts))
        lines.append("\t".join((word, *(f"{number:.5g}" for number in numbers))))
    data = gzip.compress("\n".join(lines).encode("utf-8"), 9, mtime=0)
    FILE.write_bytes(data)
    known = json.loads(FACTS.read_text("utf-8")) if FACTS.exists() else {}
    known |= {"name": name.replace("_", "-"), "version": version, "sha256": hashlib.sha256(data).hexdigest()}
    known |= {"license": "MIT", "wheel_sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    FACTS.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
    classifier.facts.cache_clear()
    print(f"{len(lines) - 1} words, {len(data)} bytes")


def candidates(folder: Path | None) -> dict[str, Scores]:
    """The other scorers, as far as their wheels are there."""
    found: dict[str, Scores] = {}
    for wheel in sorted(folder.glob("*.whl")) if folder else ():
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            if "hatesonar/model/model.onnx" in names:
                found["hatesonar"] = hatesonar(archive.read("hatesonar/model/model.onnx"))
            for name in names:
                if name.endswith(("/profanity_wordlist.txt", "/en_profane_words.txt")) and ".data/" not in name:
                    words = archive.read(name).decode("utf-8").casefold().splitlines()
                    found[wheel.name.split("-")[0]] = lexicon({word.strip() for word in words} - {""})
    return found


def lexicon(words: set[str]) -> Scores:
    """0.5 for one word of the list, more for more; expressions of several words are looked for as they are."""
    phrases = [word for word in words if " " in word]

    def score(text: str) -> float:
        low = text.casefold()
        n = sum(word in words for word in re.findall(r"[a-z0-9'*$@-]+", low)) + sum(one in low for one in phrases)
        return n / (n + 1)

    return score


def hatesonar(data: bytes) -> Scores:
    """1 less the probability of "neither": TF-IDF and a softmax over three classes, from the arrays of the graph."""
    import onnx  # type: ignore[import-not-found, unused-ignore]
    from onnx import numpy_helper  # type: ignore[import-not-found, unused-ignore]

    graph = onnx.load_model_from_string(data).graph
    nodes = {node.op_type: {one.name: one for one in node.attribute} for node in graph.node}
    words = {w.decode(): n for n, w in enumerate(nodes["TfIdfVectorizer"]["pool_strings"].strings)}
    idf = next(numpy_helper.to_array(one) for one in graph.initializer if one.name == "idfcst").ravel()
    weights = np.array(nodes["LinearClassifier"]["coefficients"].floats).reshape(3, -1)
    base = np.array(nodes["LinearClassifier"]["intercepts"].floats)

    def score(text: str) -> float:
        counts = Counter(words[one] for one in re.findall(r"[a-zA-Z0-9_]+", text.lower()) if one in words)
        vector = {place: n * float(idf[place]) for place, n in counts.items()}
        length = math.hypot(*vector.values()) or 1.0
        scores = base + sum((weights[:, place] * value / length for place, value in vector.items()), np.zeros(3))
        likely = np.exp(scores - scores.max())
        return 1 - float(likely[2] / likely.sum())

    return score


if __name__ == "__main__":
    main()
