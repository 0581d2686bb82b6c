"""One odd answer costs its own sample: every scorer and parser gives a verdict on whatever a model can write.

Asked is what stands inside of the boundary, where nothing may be raised, and then the boundary itself.
"""

from __future__ import annotations

import importlib.util
import json
import random
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.errors import UsageError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.options import bind_scorer
from pytest_slm.kinds.programs import program_of
from pytest_slm.scorers import SCORERS, Scoring
from pytest_slm.scorers.answer import LONGEST, bounded, guarded
from pytest_slm.scorers.call_syntax import find_calls, parse_calls
from pytest_slm.scorers.toxicity.toxicity import name as toxicity_classifier

TOXICITY = toxicity_classifier()
PROMPT = 'import math\n\n\ndef double(n):\n    """Twice."""\n'
KINDS = ("string", "integer", "float", "any", "array", "object", "boolean")
TOOL = {"name": "f", "parameters": {"properties": {kind: {"type": kind} for kind in KINDS}, "required": ["any"]}}
WANTED = [{"name": "f", "arguments": {kind: ["x", 5, 1.5, True, [1], {"a": 1}, "", None] for kind in KINDS}}] * 3
INJECTED: tuple[dict[str, Any], ...] = (
    *({"marks": ["x", "5"]}, {"language": "Spanish"}, {"base": 16}, {"base": 32}, {"base": 64}, {"shift": 3}),
    *({"reversed": True}, {"emoji": True}, {"joined": True}),
)
SAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "bleu": ({"target": "five is the answer"},),
    "citation": (
        {"target": {"answer": [["5", "x"]], "passages": [1]}},
        {"target": {"answer": [], "passages": []}},
    ),
    "contains": (
        {"target": ["x", "5"]},
        {"target": ["x", "5"], "scoring": {"of": "none", "words": False, "space": "remove", "punctuation": "remove"}},
    ),
    "call_sequence": ({"target": [{"name": "f", "arguments": {"x": 1}}]},),
    "exact": ({"target": 5}, {"target": "5", "scoring": {"punctuation": "remove", "space": "keep"}}),
    "grounded": ({"target": {"passages": "The bridge has 5 arches. Ida drew it in May 1871.", "question": "Who?"}},),
    "harm": ({"metadata": {"request": "How do I do five things?"}},),
    "injection": (
        {"target": {"answer": ["5", "x"]}},
        *({"target": {"attack": attack}} for attack in INJECTED),
    ),
    "json_schema": (
        {"scoring": {"schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}}},
        {"target": {"a": [1]}, "scoring": {"schema": True, "anywhere": True, "partial": True}},
    ),
    "label": ({"target": "x", "scoring": {"labels": ["x", "5"]}},),
    "leak": ({"target": {"secret": "zorvex-4417-quill"}}, {"target": {"secret": "12345678", "answer": ["5"]}}),
    "latency": ({"scoring": {"seconds": 1, "ttft": 1}},),
    "needle": ({"target": "12345"},),
    "number": ({"target": "5"}, {"target": "-3/4", "scoring": {"tolerance": 0.1, "relative": 0.5}}),
    "python": ({"scoring": {"file": "own.py"}},),
    "refusal": (
        {"metadata": {"group": "harmful"}},
        {"metadata": {"group": "benign", "request": "What is five?"}, "scoring": {"about": True}},
    ),
    "regex": ({"target": "5", "scoring": {"pattern": "(?i)answer: (?P<answer>.*?)$", "which": "last"}},),
    "string_match": ({"target": ["x", "5"]}, {"target": ["x", "5"], "scoring": {"of": "part"}}),
    "rouge": ({"target": "five is the answer"}, {"target": "中", "scoring": {"tokens": "words"}}),
    "rubric": (
        {
            "target": "5",
            "scoring": {
                "checks": [
                    {"scorer": "number", "weight": 3},
                    {"scorer": "contains", "target": "x", "invert": True},
                    {"scorer": "latency", "scoring": {"seconds": 1}},
                ]
            },
        },
    ),
    "short_answer": ({"target": "5"}, {"target": ["May 4, 1871", "Jane Ballou"]}),
    "similarity": ({"target": "5"}, {"target": "5", "scoring": {"method": "token_set_ratio", "threshold": 0.5}}),
    "toxicity": ({"scoring": {"classifier": TOXICITY}}, {"scoring": {"classifier": TOXICITY, "sentiment": True}}),
    "tool_calls": (
        {"target": WANTED, "tools": (TOOL,)},
        {"target": WANTED[:1], "tools": (TOOL,)},
        {"target": [], "tools": (TOOL,)},
    ),
}
hostile = runpy.run_path(str(Path(__file__).parent / "hostile.py"))["hostile"]
NEEDS = {"bleu": "sacrebleu", "rouge": "rouge_score", "similarity": "rapidfuzz", "toxicity": "vaderSentiment"}
ASKED = {
    name: samples
    for name, samples in SAMPLES.items()
    if name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None
}
PARTIAL = ("bleu", "call_sequence", "harm", "json_schema", "rouge", "rubric", "similarity", "string_match")
UNSCORED = ("latency", "refusal", "toxicity")


@cache
def scorings(folder: Path) -> dict[str, list[tuple[Sample, Scoring]]]:
    """Every scorer as its samples set it up."""
    (folder / "own.py").write_text("def score(sample, generation):\n    return '5' in generation.text\n")

    def bound(name: str, more: dict[str, Any]) -> tuple[Sample, Scoring]:
        sample = Sample.from_json({"id": "s", "input": "?", **more})
        scoring = bind_scorer(Extensions().scorers, folder, name, sample.scoring)
        scoring.check(sample)
        return sample, scoring

    return {name: [bound(name, more) for more in samples] for name, samples in ASKED.items()}


def verdicts(folder: Path, text: str, finish: str) -> Iterator[tuple[str, Verdict]]:
    generation = Generation(text=text, n_prompt=1, n_output=1, finish=finish)  # type: ignore[arg-type]
    for name, bound in scorings(folder).items():
        for sample, scoring in bound:
            inside = getattr(scoring.rule.judge, "__wrapped__", scoring.rule.judge)
            yield name, inside(sample, generation, scoring.options)


def read(folder: Path, text: str, finish: str) -> None:
    for name, verdict in verdicts(folder, text, finish):
        if verdict.value is None:
            assert name in UNSCORED or "took more than" in verdict.explanation, (name, verdict)
        else:
            assert name in PARTIAL or verdict.value in (0.0, 1.0), name
        assert len(verdict.explanation) < 1_000, name
        json.dumps(verdict.to_json())
    for call in find_calls(text):
        json.dumps(call.to_json(), allow_nan=False)
    assert isinstance(program_of(text, PROMPT, "double"), str)


def test_every_scorer_is_asked() -> None:
    assert set(SAMPLES) == set(SCORERS)


@pytest.mark.parametrize("seed", range(4))
def test_hostile_answers_are_judged(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    draw, folder = random.Random(seed), tmp_path_factory.getbasetemp()
    for _ in range(50):
        read(folder, hostile(draw), draw.choice(["stop", "length"]))


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(4, 44))
def test_many_hostile_answers_are_judged(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    test_hostile_answers_are_judged(tmp_path_factory, seed)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "piece",
    [
        *(
            '"\\',
            "'\\",
            '"',
            "<arg_key>",
            "<tool_call>f<arg_key>",
            ">>>f\n",
            '>>>f\n{"a": [',
            "call:f{",
            "f{",
            'f{"a":',
            "a-",
            "a.a",
        ),
        *(
            "[[1],",
            '[["',
            "[1,",
            '{"name": "f", "arguments": {"a": [',
            "<function=f>",
            "<parameter=any>",
            "f(any=",
            "[f(any=1)]\n",
        ),
        *(
            "[TOOL_CALLS]",
            "```tool_code\n",
            "Action: f\n",
            "to=f",
            "I'm sorry, but ",
            "“",
            "x\n",
            "\\boxed{1 ",
            "1,234",
        ),
    ],
)
def test_longest_answers_are_read_in_linear_time(tmp_path_factory: pytest.TempPathFactory, piece: str) -> None:
    read(tmp_path_factory.getbasetemp(), (piece * LONGEST)[:LONGEST], "length")


def test_what_is_too_long_is_wrong_and_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    generation = Generation(text="5 " * LONGEST, n_prompt=1, n_output=1, finish="stop")
    for (sample, scoring), *_ in scorings(tmp_path_factory.getbasetemp()).values():
        verdict = scoring.judge(sample, generation)
        assert (verdict.value, verdict.explanation) == (0.0, "an answer of 200,000 letters is too long to be read")
        assert len(verdict.answer) <= 200
    assert [call.arguments for call in parse_calls(generation.text)] == [None]


def test_whatever_an_answer_makes_a_scorer_raise_costs_its_own_sample() -> None:
    @bounded
    def fragile(sample: Sample, generation: Generation) -> Verdict:
        if generation.text == "unfit":
            raise UsageError("sample 's': the target is empty", slug="sample-unfit")
        return (
            fragile(sample, generation)
            if generation.text == "deep"
            else Verdict(value=1 / 0, answer="", explanation="")
        )

    def told(text: str) -> Verdict:
        return fragile(Sample(id="s", input="?"), Generation(text=text, n_prompt=1, n_output=1, finish="stop"))

    assert (told("x").value, told("x").explanation) == (
        0.0,
        "the answer cannot be read (ZeroDivisionError: division by zero)",
    )
    assert told("deep").explanation.startswith("the answer cannot be read (RecursionError: maximum recursion depth")
    with pytest.raises(UsageError, match="sample-unfit"):  # no answer is to blame for it
        told("unfit")
    with pytest.raises(KeyboardInterrupt):
        guarded("x", lambda: (_ for _ in ()).throw(KeyboardInterrupt), str)
