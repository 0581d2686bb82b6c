"""What scorers with options say of answers whose worth was worked out by hand."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from pytest_slm.core.types import Generation, Sample
from pytest_slm.errors import UsageError
from pytest_slm.kinds.options import OptionsError
from pytest_slm.scorers import Scoring

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "age": {"type": "integer"}}, "required": ["city"]}
LETTER = {"pattern": r"[Aa]nswer: (?P<answer>[A-D])"}

CASES: list[tuple[str, dict[str, Any], Any, str, float]] = [
    # exact: edges (quotes, full stop) never count, as a rule
    ("exact", {}, "Paris", " paris. ", 1),
    ("exact", {}, ["colour", "color"], "Color", 1),
    ("exact", {"ignore_case": False}, "Paris", "paris", 0),
    ("exact", {"punctuation": "keep"}, "Paris", "Paris.", 0),
    ("exact", {"punctuation": "remove"}, "U.S. Army", "US army!", 1),
    ("exact", {"punctuation": "remove"}, "well-known", "well known", 1),
    ("exact", {"punctuation": "remove"}, "1.5", "15", 0),  # a point in a number is no punctuation
    ("exact", {"punctuation": "remove"}, "-5", "5", 0),  # nor is a sign
    ("exact", {"space": "keep"}, "a b", "a  b", 0),
    ("exact", {"space": "remove"}, "new york", "NewYork", 1),
    ("exact", {}, "?", "!", 0),  # a text of edges alone is compared as it is
    # contains
    ("contains", {}, ["red", "blue"], "It is blue.", 1),
    ("contains", {"of": "all"}, ["red", "blue"], "It is blue.", 0),
    ("contains", {"of": "all"}, ["red", "blue"], "Blue and red", 1),
    ("contains", {"of": "none"}, ["red", "blue"], "It is green.", 1),
    ("contains", {"of": "none"}, ["red", "blue"], "It is reddish.", 1),  # a word, not its letters
    ("contains", {"of": "none", "words": False}, ["red"], "It is reddish.", 0),
    ("contains", {"of": "none"}, ["red"], "", 0),  # silence is no answer without the word
    ("contains", {"words": False}, "start", "Restarted", 1),
    ("contains", {"ignore_case": False}, "US", "let us go", 0),
    ("contains", {"punctuation": "remove"}, "dont", "I don't know", 1),
    ("contains", {"space": "remove", "words": False}, "new york", "in NewYork", 1),
    # number
    ("number", {"tolerance": 0.5}, 10, "about 10.5 km", 1),
    ("number", {"tolerance": 0.5}, 10, "10.51", 0),
    ("number", {"tolerance": 0.1}, "0.3", "0.4", 1),  # as decimals, not as floats: 0.4 - 0.3 > 0.1 there
    ("number", {"relative": 0.1}, -20, "-18", 1),
    ("number", {"relative": 0.1}, -20, "-17.9", 0),
    ("number", {"relative": 0.5}, 0, "0.1", 0),  # half of nothing is nothing
    ("number", {"relative": 0.01, "tolerance": 1}, 10, "11", 1),  # whichever allows more
    ("number", {"tolerance": 1}, 5, "5000 m", 0),  # a unit is never converted
    # regex
    ("regex", {"pattern": r"\b\d{4}-\d\d-\d\d\b"}, None, "on 2026-11-29", 1),
    ("regex", {"pattern": r"\d+", "full": True}, None, "12 boxes", 0),
    ("regex", {"pattern": "PARIS"}, None, "paris", 0),
    ("regex", {"pattern": "PARIS", "ignore_case": True}, None, "paris", 1),
    ("regex", {}, ["^yes", "^no"], "no, never", 1),  # targets as patterns
    ("regex", LETTER, "B", "Answer: B", 1),
    ("regex", LETTER, "B", "Answer: C", 0),
    ("regex", LETTER, "B", "B", 0),
    ("regex", LETTER, "B", "Answer: A. No: answer: B", 0),  # the first one counts
    ("regex", {**LETTER, "which": "last"}, "B", "Answer: A. No: answer: B", 1),
    ("regex", {"pattern": r"(?P<x>\d+), (?P<y>\d+)"}, {"x": "3", "y": "4"}, "at 3, 4", 1),
    ("regex", {"pattern": r"(?P<x>\d+), (?P<y>\d+)"}, {"x": "3", "y": "5"}, "at 3, 4", 0),
    ("regex", {"pattern": r"(?P<x>\d+)|none"}, "3", "none", 0),  # a group that took no part
    # json_schema
    ("json_schema", {"schema": CITY}, None, '{"city": "Oslo"}', 1),
    ("json_schema", {"schema": CITY}, None, 'Here:\n```json\n{"city": "Oslo"}\n```\nDone.', 1),
    ("json_schema", {"schema": CITY}, None, '{"town": "Oslo"}', 0),
    ("json_schema", {"schema": CITY}, None, '{"city": 5}', 0),
    ("json_schema", {"schema": CITY}, None, 'It is {"city": "Oslo"}.', 0),
    ("json_schema", {"schema": CITY, "anywhere": True}, None, 'See [1]: {"city": "a}b"}.', 1),
    ("json_schema", {"schema": CITY}, None, '{"city": "Oslo", "city": "Rome"}', 0),  # which of them?
    ("json_schema", {"schema": CITY}, None, '{"city": NaN}', 0),
    ("json_schema", {"schema": CITY}, {"city": "Oslo"}, '{"city": "Rome"}', 0),
    ("json_schema", {"schema": {"type": "integer"}}, None, "true", 0),
    ("json_schema", {}, {"on": True}, '{"on": 1}', 0),
    ("json_schema", {}, [1, 2], "[1, 2, 3]", 0),
    # city, age, and all else: two of three parts are right
    ("json_schema", {"schema": CITY, "partial": True}, None, '{"city": 5, "age": 3}', 2 / 3),
    # city is missing and all else is right
    ("json_schema", {"schema": CITY, "partial": True}, None, "{}", 1 / 2),
    ("json_schema", {"schema": CITY, "partial": True}, None, "[]", 0),
    (
        "json_schema",
        {"schema": {**CITY, "additionalProperties": False}, "partial": True},
        None,
        '{"city": "Oslo", "x": 1}',
        1 / 2,
    ),
    # rubric: 3 of 4
    (
        "rubric",
        {"checks": [{"scorer": "contains", "weight": 3}, {"scorer": "regex", "scoring": {"pattern": "^I"}}]},
        "red",
        "It is red",
        1,
    ),
    (
        "rubric",
        {"checks": [{"scorer": "contains", "weight": 3}, {"scorer": "regex", "scoring": {"pattern": "^No"}}]},
        "red",
        "It is red",
        3 / 4,
    ),
    (
        "rubric",
        {"checks": [{"scorer": "contains"}, {"scorer": "contains", "name": "b", "target": "sorry", "invert": True}]},
        "red",
        "Sorry, it is red",
        1 / 2,
    ),
    ("rubric", {"checks": [{"scorer": "exact"}, {"scorer": "contains"}], "threshold": 0.5}, "red", "It is red", 1),
    ("rubric", {"checks": [{"scorer": "exact"}, {"scorer": "contains"}], "threshold": 0.6}, "red", "It is red", 0),
    ("rubric", {"checks": [{"scorer": "contains", "invert": True}]}, "red", "", 0),
    # ab and ac share 1 of 2 letters; indel: 2 edits of 4 letters
    ("similarity", {}, "ab", "ac", 0.5),
    ("similarity", {"method": "levenshtein"}, "abcd", "abcx", 0.75),
    ("similarity", {"method": "token_sort_ratio"}, "red blue", "blue red", 1),
    ("similarity", {"threshold": 0.75, "method": "levenshtein"}, "abcd", "ABCx", 1),
    ("similarity", {"threshold": 0.76, "method": "levenshtein"}, "abcd", "ABCx", 0),
    # 3 of 4 words are expected, 3 of 3 expected ones are there: F = 2 * 0.75 / 1.75
    ("rouge", {"variant": "rouge1"}, "the cat sat", "the cat sat down", 6 / 7),
    ("rouge", {"variant": "rouge1", "measure": "recall"}, "the cat sat", "the cat sat down", 1),
    ("rouge", {"variant": "rouge2", "measure": "precision"}, "the cat sat", "the cat sat down", 2 / 3),
    ("rouge", {"tokens": "words"}, "für dich", "dich für", 0.5),  # in order only one of two
    ("bleu", {}, "the cat sat on the mat", "the cat sat on the mat", 1),
    ("bleu", {}, "the cat sat on the mat", "dogs run", 0),
]
NEEDS = {"bleu": "sacrebleu", "rouge": "rouge_score", "similarity": "rapidfuzz"}


@pytest.mark.parametrize("scorer", sorted({case[0] for case in CASES}))
def test_worked_out_by_hand(set_up: Callable[..., Scoring], answer: Callable[[str], Generation], scorer: str) -> None:
    if scorer in NEEDS and importlib.util.find_spec(NEEDS[scorer]) is None:
        pytest.skip("needs pip install 'pytest-slm[text-metrics]'")
    wrong = []
    for _, options, target, text, expected in (case for case in CASES if case[0] == scorer):
        scoring = set_up(scorer, **options)
        sample = Sample(id="s", input="?", target=target)
        scoring.check(sample)
        verdict = scoring.judge(sample, answer(text))
        if verdict.value != pytest.approx(expected, abs=1e-9):
            wrong.append((options, target, text, expected, verdict))
    assert wrong == []


WRONG_OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("exact", {"ignore_cases": True}, "ignore_cases: unknown option. Did you mean 'ignore_case'?"),
    ("exact", {"case_sensitive": True}, "case_sensitive: unknown option. Did you mean 'ignore_case'?"),
    ("exact", {"punctuation": "drop"}, "punctuation: expected one of ('edges', 'keep', 'remove'), got 'drop'"),
    ("contains", {"space": "remove"}, "space: `remove` leaves no words apart, so it needs `words: false`"),
    ("number", {"tolerance": -1}, "tolerance: expected a number from 0, not -1.0"),
    ("number", {"tolerance": "1"}, "tolerance: expected a number, got '1'"),
    ("regex", {"pattern": "("}, "pattern: '(' is no regular expression"),
    ("regex", {"pattern": "a" * 10_001}, "pattern: 10001 letters"),
    ("json_schema", {"schema": {"type": "text"}}, "schema: $.type: 'text' is not valid"),
    ("json_schema", {"schema": {"pattern": "("}}, "schema: $.pattern: '(' is not a 'regex'"),
    ("json_schema", {"schema": {"$ref": "http://localhost:1/x"}}, "schema: $ref 'http://localhost:1/x' leads nowhere"),
    ("json_schema", {"schema": {"items": {"$ref": "#/$defs/x"}}}, "schema: $ref '#/$defs/x' leads nowhere"),
    ("json_schema", {"schema": "none.json"}, "schema: 'none.json' cannot be read (No such file"),
    ("json_schema", {"schema": "../x.json"}, "schema: '../x.json' cannot be read (outside of its folder)"),
    ("latency", {}, "a latency has a limit: give `seconds`, `ttft` or both"),
    ("latency", {"seconds": 0}, "seconds: expected seconds above 0, not 0"),
    ("similarity", {"threshold": 80}, "threshold: expected a share above 0 and up to 1, not 80"),
    ("rouge", {"tokens": "words", "stem": True}, "stem: stems are English ones"),
    ("rubric", {"checks": []}, "checks: at least one is needed"),
    ("rubric", {"checks": [{"scorer": "regexp"}]}, "checks[0].scorer: unknown scorer 'regexp'. Did you mean 'regex'?"),
    ("rubric", {"checks": [{"scorer": "rubric"}]}, "checks[0].scorer: a rubric in a rubric"),
    ("rubric", {"checks": [{"scorer": "exact", "weight": 0}]}, "checks[0].weight: expected a number above 0"),
    (
        "rubric",
        {"checks": [{"scorer": "number", "scoring": {"tolerence": 1}}]},
        "checks[0].scoring: tolerence: unknown option. Did you mean 'tolerance'?",
    ),
    ("rubric", {"checks": [{"scorer": "exact"}] * 2}, "checks[1]: 'exact' is there twice"),
    ("rubric", {"checks": [{"scorer": "latency", "scoring": {"ttft": 1}}]}, "checks: only times"),
    ("python", {}, "the option `file` is missing"),
    ("python", {"file": "none.py"}, "file: 'none.py' cannot be read"),
    ("refusal", {"threshold": 1}, "threshold: unknown option. Known: about."),
]


def test_wrong_options_are_told_with_their_key(set_up: Callable[..., Scoring]) -> None:
    told = []
    for scorer, options, problem in WRONG_OPTIONS:
        with pytest.raises(OptionsError) as caught:
            set_up(scorer, **options)
        if not str(caught.value).startswith(problem):
            told.append((scorer, problem, str(caught.value)))
    assert told == []


UNFIT: list[tuple[str, dict[str, Any], Any, str]] = [
    ("exact", {"punctuation": "remove"}, "...", "nothing is left of the target '...'"),
    ("regex", {}, "(", "its target is the pattern: '(' is no regular expression"),
    ("regex", {}, None, "the target is empty"),
    ("regex", {"pattern": "a"}, "a", "the pattern has no named group"),
    ("regex", {"pattern": "(?P<x>a)(?P<y>b)"}, "a", "the pattern has 2 named groups"),
    ("regex", {"pattern": "(?P<x>a)"}, {"y": "a"}, "the pattern has no group 'y'. Name it: (?P<y>...)"),
    ("json_schema", {}, None, "there is neither a schema nor a target"),
    ("rouge", {}, "für", "ROUGE loses letters of 'für'"),
    ("rouge", {"tokens": "words"}, "?", "the target '?' has no word"),
    ("rubric", {"checks": [{"scorer": "exact"}, {"scorer": "number"}]}, "red", "check 'number': the target 'red'"),
]


def test_samples_that_cannot_be_judged_are_told(set_up: Callable[..., Scoring]) -> None:
    for scorer, options, target, problem in UNFIT:
        with pytest.raises(UsageError) as caught:
            set_up(scorer, **options).check(Sample(id="s", input="?", target=target))
        assert str(caught.value).startswith(f"sample 's': {problem}"), (scorer, options, str(caught.value))
        assert caught.value.slug == "sample-unfit"
