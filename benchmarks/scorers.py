"""How often scorers that read for meaning agree with people.

python -m benchmarks.scorers                  fetches the labelled answers (PyRIT's wheel with pip, XSTest's repository
                                              from GitHub) and measures
python -m benchmarks.scorers --wheel FILE     takes them from there
python -m benchmarks.scorers --data DIR       finds the prompts of others again that small models have answered
python -m benchmarks.scorers --write          writes errors.json, which reports quote, beside the scorers
python -m benchmarks.scorers --fit            fits the weights of the scorer `harm` again first, on the development half

Of every set one half of the requests was in view when the rules were made; what counts is the other half, at which
nobody has looked but this program. Nothing of the data is stored.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.common import arguments
from benchmarks.common.outcome import recorded, table
from benchmarks.labelled import pyrit, small_models, xstest
from benchmarks.labelled.agreement import Agreement, agreement, between, halves
from pytest_slm.errors import SlmError
from pytest_slm.scorers import errors
from pytest_slm.scorers.guard import harm
from pytest_slm.scorers.guard.refusal import VERSION
from pytest_slm.scorers.guard.stance import stance

Rows = Sequence[Mapping[str, Any]]
RIDGE = 3.0
QUOTED = {
    ("refusal", "answers to XSTest"): f"two people, settled, {xstest.XSTEST}",
    ("harm", "harm from 0.5 on"): f"human labels of {pyrit.PYRIT}, harm from 0.5 on",
}
"""Which line reports quote, and whose labels those are; always that of the half that nobody has looked at."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, metavar="FILE", help=f"the wheel of {pyrit.PYRIT}")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data sets, laid out as the Hub is: for their prompts")
    parser.add_argument("--fit", action="store_true", help="fit the weights of the scorer harm again")
    parser.add_argument("--write", action="store_true", help="write errors.json beside the scorers")
    options = arguments.checked(arguments.with_out(parser), ["numpy"] if "--fit" in (argv or ()) else [], argv)
    try:
        wheel, answers = pyrit.wheel(options.wheel), xstest.rows()
    except (OSError, ValueError, SlmError) as error:
        parser.error(str(error))
    with recorded(options.out, "scorers", {"fitted": options.fit}) as document:
        if options.fit:
            harm.FILE.write_text(json.dumps(fitted(pyrit.rows(wheel, "harm")), indent=2) + "\n", "utf-8")
            harm.model.cache_clear()
        found = [
            *answers_to_xstest(answers),
            *answers_of_small_models(small_models.rows(options.data)),
            *refusals(pyrit.rows(wheel, "refusal_scorer")),
            *outcomes(pyrit.rows(wheel, "objective")),
            *harms(pyrit.rows(wheel, "harm")),
        ]
        document["rounds"] = [asdict(one) for one in found]
        if options.write:
            write(found)
        print(shown(found))


def answers_to_xstest(rows: Rows) -> list[Agreement]:
    """Refused, in full or in part, or answered: what two people have settled on."""
    return [
        agreement(
            [(stance(row["answer"], row["request"]).refused, row["label"] != "compliance") for row in mine],
            scorer="refusal",
            version=VERSION,
            of="answers to XSTest",
            half=half,
            raters=between([[label != "compliance" for label in row["labels"]] for row in mine]),
        )
        for half, mine in halves(rows).items()
    ]


def answers_of_small_models(rows: Rows) -> list[Agreement]:
    """Refused, and served, of the answers on which both raters agree and whose prompt is known here; what two raters
    have is of all answers of the half."""
    found = []
    for half, mine in halves(rows).items():
        agreed = [row for row in mine if row["answer"] is not None and row["labels"][0] == row["labels"][1]]
        stances = [(stance(row["answer"], row["request"]), row["labels"][0]) for row in agreed]
        judged = [(said, label) for said, label in stances if said.kind != "unknown"]
        for scorer, refusing in (("refusal", True), ("compliance", False)):
            kinds = ("refusal", "partial") if refusing else ("compliance",)
            found.append(
                agreement(
                    [(said.kind in kinds, label in kinds) for said, label in judged],
                    scorer=scorer,
                    version=VERSION,
                    of="answers of small models",
                    half=half,
                    raters=between([[label in kinds for label in row["labels"]] for row in mine]),
                )
            )
    return found


def refusals(rows: Rows) -> list[Agreement]:
    """Refused, or answered something else: all answers, and those that belong to their request. (PyRIT's authors have
    also put answers to other requests of their list; the same text stands there as a good answer to its own.)"""
    good = {row["answer"] for row in rows if not row["labels"][0]}
    found = []
    for half, mine in halves(rows).items():
        own = [row for row in mine if not (row["labels"][0] and row["answer"] in good)]
        for of, chosen in (("all answers", mine), ("answers to their own request", own)):
            pairs = [
                (stance(row["answer"], row["request"]).kind != "compliance", row["labels"][0] > 0) for row in chosen
            ]
            found.append(agreement(pairs, scorer="refusal", version=VERSION, of=of, half=half))
    return found


def outcomes(rows: Rows) -> list[Agreement]:
    """Did the answer do what was asked for? Of the refusal scorer's compliance."""
    return [
        agreement(
            [(stance(row["answer"], row["request"]).kind == "compliance", row["labels"][0] > 0) for row in mine],
            scorer="compliance",
            version=VERSION,
            of="outcomes",
            half=half,
        )
        for half, mine in halves(rows).items()
    ]


def harms(rows: Rows) -> list[Agreement]:
    """Harm from 0.5 on, against the mean label; what two people have is of the answers that three have labelled."""
    several = [[label >= harm.HARMFUL for label in row["labels"]] for row in rows if len(row["labels"]) > 1]
    return [
        agreement(
            [
                (harm.severity(row["answer"], row["request"]) >= harm.HARMFUL, fmean(row["labels"]) >= harm.HARMFUL)
                for row in mine
            ],
            scorer="harm",
            version=harm.VERSION,
            of="harm from 0.5 on",
            half=half,
            raters=between(several),
            least=None,
        )
        for half, mine in halves(rows).items()
    ]


def fitted(rows: Rows) -> dict[str, Any]:
    """The weights of the scorer `harm`: ridge regression on the mean label, on the development half alone."""
    import numpy as np

    mine = halves(rows)["development"]
    counted = [harm.features(row["answer"], row["request"]) for row in mine]
    names = list(counted[0])
    matrix = np.array([[one[name] for name in names] for one in counted])
    scale = np.sqrt((matrix**2).mean(axis=0)) + 1e-9
    scaled = matrix / scale
    penalty = RIDGE * np.eye(len(names))
    penalty[0, 0] = 0.0
    labels = np.array([fmean(row["labels"]) for row in mine])
    weights = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ labels) / scale
    return {
        **harm.model(),
        "version": harm.VERSION,
        "fitted": f"{datetime.now(UTC):%Y-%m-%d}",
        "n": len(mine),
        "weights": {name: round(float(weight), 5) for name, weight in zip(names, weights, strict=True)},
    }


def write(found: Sequence[Agreement]) -> None:
    """Put what reports quote into errors.json; entries of other scorers and versions stay."""
    known = json.loads(errors.FILE.read_text("utf-8"))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for one in found:
        if (against := QUOTED.get((one.scorer, one.of))) and one.half == "held out":
            told = one.told(against, today)
            known.setdefault(one.scorer, {})[str(one.version)] = told
    errors.FILE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")


def shown(found: Sequence[Agreement]) -> str:
    """The table of the documents."""
    rows = [
        (
            f"{one.scorer} {one.version}",
            one.of,
            one.half,
            one.n,
            *(f"{100 * value:.1f}" for value in (one.precision, one.recall, one.f1)),
            f"{one.kappa:.2f}",
            "" if one.raters is None else f"{one.raters:.2f}",
            f"{100 * one.wrong:.1f} ({100 * one.interval[0]:.1f} – {100 * one.interval[1]:.1f})",
            "indicative" if one.indicative else "yes",
        )
        for one in found
    ]
    head = (
        "scorer",
        "labels",
        "half",
        "n",
        "precision",
        "recall",
        "F1",
        "kappa",
        "two raters",
        "wrong, %",
        "good enough",
    )
    return table(rows, head)


if __name__ == "__main__":
    main()
