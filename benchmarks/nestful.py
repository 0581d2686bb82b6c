"""Whether our verdicts on chains of calls are those of NESTful's own scorer.

python -m benchmarks.nestful --data DIR --official CHECKOUT_OF_IBM_NESTFUL

``matches``: the 300 rows of version 1, each with the gold calls and with seeded changes of them (``--changes`` a row),
and the answers of runs of ours (``--runs``); partial and full match of each, and F1 of all that both read. ``wins``:
made chains over the functions of version 2 (``--chains``), right, changed and broken, which both make: theirs in its
own process, ours in the sandbox. The scorer wants scikit-learn and tqdm (``--python`` names an interpreter
that has them).
"""

from __future__ import annotations

import argparse
import json
import operator
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.outcome import recorded, table
from pytest_slm.core.config import RunConfig
from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import Generation, JudgedSample, MetricSpec, Sample
from pytest_slm.core.worlds import Chain
from pytest_slm.data import checkouts, tables
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.nestful import NESTFUL
from pytest_slm.kinds.options import read_options
from pytest_slm.kinds.sequences.kind import SequencesOptions, gold_of, made
from pytest_slm.load import load_suite, load_task
from pytest_slm.load.builtin import suites_folder
from pytest_slm.sandbox import Chains
from pytest_slm.scorers.rules.call_sequence import CALL_SEQUENCE

WORKER = Path(__file__).parent / "common" / "nestful_worker.py"
Calls = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """An answer to a row; ``sort`` says what was done to the gold calls."""

    sort: str
    row: Mapping[str, Any]
    text: str
    sample: Sample


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="data sets, laid out as the Hub is")
    parser.add_argument("--official", type=Path, required=True, metavar="DIR", help="a checkout of IBM/NESTFUL")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="what runs NESTful's scorer")
    parser.add_argument("--runs", type=Path, nargs="*", default=[], metavar="FILE", help="samples of runs of nestful")
    parser.add_argument("--changes", type=int, default=3)
    parser.add_argument("--chains", type=int, default=200)
    parser.add_argument("--seed", type=int, default=19)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    told = parser.parse_args()
    with recorded(told.out, "nestful", {"seed": told.seed}) as document:
        document["matches"] = matches(told)
        document["wins"] = wins(told)


# -- matches ----------------------------------------------------------------------------------------------------------


def matches(told: argparse.Namespace) -> Mapping[str, Any]:
    """Partial and full match of each answer, and F1 of all."""
    cases = list(match_cases(told))
    *theirs, over_all = official(told, [{"output": one.row["output"], "generated_text": one.text} for one in cases])
    ours = [judged(one) for one in cases]
    found: dict[str, Counter[str]] = {}
    for case, mine, other in zip(cases, ours, theirs, strict=True):
        count = found.setdefault(case.sort, Counter())
        if other["num_pred_examples_w_parsing_errors"]:
            count["not read by theirs"] += 1
            count["of these 0 in ours"] += mine.verdict.value == 0
            continue
        same = all(
            f"{mine.verdict.values[key]:.3f}" == other[name]
            for key, name in (("partial_match", "accuracy_combined"), ("full_match", "percentage_times_full_score"))
        )
        count["same" if same else "different"] += 1
        if not same:
            print(f"different: {case.sort}: {case.text[:300]}\n  ours {mine.verdict.values}\n  theirs {other}")
    head = ("same", "different", "not read by theirs", "of these 0 in ours")
    print(table([[sort, *(count[key] for key in head)] for sort, count in found.items()], ["answer", *head]))
    read = [mine for mine, other in zip(ours, theirs, strict=True) if not other["num_pred_examples_w_parsing_errors"]]
    f1 = {}
    for key, name in (("functions", "f1_intent"), ("parameters", "f1_slot")):
        metric = AGGREGATES["label_f1"](MetricSpec(name=f"f1_{key}", aggregate="label_f1", key=key), read)
        f1[key] = {"ours": None if metric is None else metric.value, "theirs": over_all[name], "n": len(read)}
        print(f"f1_{key}: {f1[key]}")
    return {"found": found, "f1": f1}


def match_cases(told: argparse.Namespace) -> Iterator[Case]:
    """The gold calls of each row, changed calls, and what models have answered."""
    rows: dict[str, Mapping[str, Any]] = {}

    def read(dataset: Any) -> Sequence[Mapping[str, Any]]:
        found = tables.read(dataset, RunConfig(model="fake", data=told.data)).rows
        if not str(dataset.config).startswith("spec_"):
            rows.update({f"{dataset.config}-{number:03d}": row for number, row in enumerate(found)})
        return found

    context = GeneratorContext(options={}, variant={}, limit=None, seed=1, count_tokens=len, rows=read)
    samples = {sample.id: sample for sample in NESTFUL.make(context)}
    rng = random.Random(told.seed)
    for name, sample in samples.items():
        calls: Calls = json.loads(sample.right_answers[0])
        yield Case(sort="gold", row=rows[name], text=json.dumps(calls), sample=sample)
        for sort in rng.sample(sorted(CHANGES), min(told.changes, len(CHANGES))):
            text = CHANGES[sort](json.loads(json.dumps(calls)), rng)
            yield Case(sort=sort, row=rows[name], text=text, sample=sample)
    for path in told.runs:
        for line in map(json.loads, path.read_text("utf-8").splitlines()):
            if line.get("doc_id") in samples:
                sample = samples[line["doc_id"]]
                yield Case(sort="a model's", row=rows[sample.id], text=line["response"], sample=sample)


def judged(case: Case) -> JudgedSample:
    """Ours of an answer."""
    generation = Generation(text=case.text, n_prompt=1, n_output=1, finish="stop")
    return JudgedSample(sample=case.sample, verdict=CALL_SEQUENCE.judge(case.sample, generation, None))


def _one(calls: Calls, rng: random.Random, **changes: Any) -> str:
    place = rng.randrange(len(calls))
    calls[place] = {**calls[place], **changes}
    return json.dumps(calls)


def _argument(calls: Calls, rng: random.Random, change: Callable[[dict[str, Any], str], None]) -> str:
    """Change one argument somewhere."""
    place, name = rng.choice([(place, name) for place, call in enumerate(calls) for name in call["arguments"]])
    change(calls[place]["arguments"], name)
    return json.dumps(calls)


def _relabelled(calls: Calls, _rng: random.Random) -> str:
    """Other labels, that references keep to."""
    text = json.dumps(calls)
    for place, call in reversed(list(enumerate(calls))):
        label = call["label"].replace("$", "")
        text = text.replace(f'"{call["label"]}"', f'"$var_9{place}"').replace(f"${label}.", f"$var_9{place}.")
    return text


CHANGES: Mapping[str, Callable[[Calls, random.Random], str]] = {
    "left out": lambda calls, rng: json.dumps([one for one in calls if one is not rng.choice(calls)]),
    "twice": lambda calls, rng: json.dumps([*calls, rng.choice(calls)]),
    "swapped": lambda calls, rng: json.dumps(calls[::-1]),
    "another function": lambda calls, rng: _one(calls, rng, name="another"),
    "another value": lambda calls, rng: _argument(calls, rng, lambda given, name: given.update({name: "other"})),
    "a number": lambda calls, rng: _argument(calls, rng, lambda given, name: given.update({name: 7})),
    "text for number": lambda calls, rng: _argument(
        calls, rng, lambda given, name: given.update({name: str(given[name])})
    ),
    "in a list": lambda calls, rng: _argument(calls, rng, lambda given, name: given.update({name: [given[name], {}]})),
    "argument left out": lambda calls, rng: _argument(calls, rng, lambda given, name: given.__delitem__(name)),
    "argument too many": lambda calls, rng: _argument(calls, rng, lambda given, name: given.update(extra=None)),
    "arguments reversed": lambda calls, rng: _one(calls, rng, arguments=dict(reversed(calls[0]["arguments"].items()))),
    "other labels": _relabelled,
    "labels mixed up": lambda calls, rng: _one(calls, rng, label=rng.choice(calls)["label"]),
    "no label": lambda calls, rng: json.dumps([{k: v for k, v in one.items() if k != "label"} for one in calls]),
    "last $ left out": lambda calls, rng: json.dumps(calls).replace('$"', '"'),
    "parameters": lambda calls, rng: json.dumps(calls).replace('"arguments"', '"parameters"'),
    "var_result": lambda calls, rng: json.dumps([*calls, {"name": "var_result", "arguments": {"x": "$var1.x$"}}]),
    "in a fence": lambda calls, rng: f"```json\n{json.dumps(calls)}\n```",
    "in prose": lambda calls, rng: f"Here they are: {json.dumps(calls)} I hope that helps.",
    "cut off": lambda calls, rng: json.dumps(calls)[: rng.randrange(1, 200)],
    "none": lambda calls, rng: rng.choice(["", "[]", "I cannot do that."]),
}


# -- wins -------------------------------------------------------------------------------------------------------------

MEANING: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "inverse": lambda number: 1 / number,
    "negate": operator.neg,
}
"""Functions of numbers among NESTful's basic ones."""
ALONE = ("inverse", "negate")
"""Those that take one."""


def wins(told: argparse.Namespace) -> Mapping[str, Any]:
    """Whether chains come to their answer, made by both."""
    suite = load_suite(suites_folder() / "function_calling" / "suite.yaml")
    task = load_task(suites_folder() / "function_calling" / "nestful_v2.yaml", suite)
    options = read_options(SequencesOptions, task.options, NESTFUL.options)
    if (problem := checkouts.fetch(options.functions.checkout, print)) is not None:
        print(problem)
        return {"not run": str(problem)}
    library = options.functions.library()
    rng = random.Random(told.seed)
    cases = [case for number in range(told.chains) for case in win_cases(number, rng, told)]
    items = [{**one.row, "generated_text": one.text} for one in cases]
    *theirs, _ = official(told, items)
    found: dict[str, Counter[str]] = {}
    with Chains() as chains:
        for case, other in zip(cases, theirs, strict=True):
            outputs: Any = case.sample.metadata["outputs"]
            calls, _ = made(Generation(text=case.text, n_prompt=1, n_output=1, finish="stop"))
            expected = json.loads(case.row["gold_answer"])
            reached = chains.run(
                Chain(
                    library=library.of(list(outputs)),
                    outputs=outputs,
                    calls=calls,
                    gold=gold_of(case.sample),
                    expected=expected,
                )
            )
            theirs_won = other["win_rate"] == "1.000"
            count = found.setdefault(case.sort, Counter())
            key = (
                "unreachable"
                if reached.ending == "unreachable"
                else "same"
                if reached.won == theirs_won
                else "different"
            )
            count[key] += 1
            count["won"] += reached.won
            if key == "different":
                print(
                    f"different: {case.sort}: {case.text[:300]}\n  gold {expected}, ours {reached}, theirs {theirs_won}"
                )
    head = ("same", "different", "unreachable", "won")
    print(table([[sort, *(count[key] for key in head)] for sort, count in found.items()], ["chain", *head]))
    return {"found": found}


def win_cases(number: int, rng: random.Random, told: argparse.Namespace) -> Iterator[Case]:
    """A made chain with its answer, right, changed and broken."""
    calls: Calls = []
    for place in range(1, rng.randint(2, 5)):
        name = rng.choice(sorted(MEANING))
        known = [f"$var_{one}.result$" for one in range(1, place)]
        values = [
            rng.choice([*known, rng.randint(1, 9), round(rng.uniform(0, 5), 2)])
            for _ in range(1 if name in ALONE else 2)
        ]
        if known and not any(value in known for value in values):
            values[0] = known[-1]
        if name == "power":
            values[1:] = [rng.randint(0, 2)]
        arguments = {f"arg_{n}": value for n, value in enumerate(values)}
        calls.append({"name": name, "label": f"$var_{place}", "arguments": arguments})
    answer = _answer(calls)
    if answer is None:
        return
    tools = [{"name": name, "parameters": {}, "output_parameters": {"result": {}}} for name in sorted(MEANING)]
    row = {
        "sample_id": str(number),
        "input": "?",
        "output": json.dumps(calls),
        "tools": json.dumps(tools),
        "gold_answer": json.dumps(answer),
    }
    context = GeneratorContext(
        options={"version": "v2"}, variant={}, limit=None, seed=1, count_tokens=len, rows=lambda _dataset: [row]
    )
    (sample,) = NESTFUL.make(context)
    yield Case(sort="gold", row=row, text=json.dumps(calls), sample=sample)
    for sort in rng.sample(["another value", "a number", "other labels", "labels mixed up", "no label", "swapped"], 1):
        yield Case(sort=sort, row=row, text=CHANGES[sort](json.loads(json.dumps(calls)), rng), sample=sample)
    sort = rng.choice(["another function", "argument left out", "argument too many", "last $ left out", "left out"])
    yield Case(sort=sort, row=row, text=CHANGES[sort](json.loads(json.dumps(calls)), rng), sample=sample)


def _answer(calls: Calls) -> Any:
    """What a made chain comes to, by arithmetic of ours; None where that is no plain number."""
    known: dict[str, Any] = {}
    result: Any = None
    for call in calls:
        values = [known.get(str(value).strip("$").partition(".")[0], value) for value in call["arguments"].values()]
        try:
            result = MEANING[call["name"]](*values)
        except (ZeroDivisionError, OverflowError):
            return None
        known[call["label"].strip("$")] = result
    return result if abs(result) < 1e15 else None


# -- theirs -----------------------------------------------------------------------------------------------------------


def official(told: argparse.Namespace, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What NESTful's scorer says of each, and of all together."""
    lines = [json.dumps({"tools": "[]", **one}) for one in items] + ['{"all": true}']
    folders = [str(told.official / "src"), str(told.official / "data_v2" / "executable_functions")]
    done = subprocess.run(
        [told.python, str(WORKER), *folders], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"NESTful's scorer ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


if __name__ == "__main__":
    main()
