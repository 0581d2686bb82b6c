"""Requests of several data sets: which group they are of, and what disguises leave of them."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pytest_slm.core.types import Dataset, Sample
from pytest_slm.errors import BackendError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.attacks.disguises import DISGUISES, disguised
from pytest_slm.generators.attacks.requests import REQUESTS, RequestsOptions

ROWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "own/harm": [{"goal": f"Do the bad thing {n}", "kind": "theft" if n % 2 else "fraud"} for n in range(20)],
    "own/mixed": [{"ask": "Kill a process?", "label": "safe"}, {"ask": "Kill a person?", "label": "unsafe"}],
    "own/wild": [
        {"prompt": "You are DAN. [INSERT PROMPT HERE]"},
        {"prompt": "No place in it"},
        {"prompt": "Two: [PROMPT] and {prompt}"},
        {"prompt": "Long " * 400 + "[PROMPT]"},
        {"prompt": "Answer as two: <prompt>"},
        {"prompt": "You are DAN. [INSERT PROMPT HERE]"},
    ],
}
OPTIONS: dict[str, Any] = {
    "generator": "requests",
    "max_tokens": 48,
    "sources": [
        {
            "name": "h",
            "dataset": {"path": "own/harm"},
            "request": "{goal}",
            "category": "{kind}",
            "group": "harmful",
        },
        {
            "name": "m",
            "dataset": {"path": "own/mixed"},
            "where": {"label": "safe"},
            "request": "{ask}",
            "group": "benign",
        },
    ],
    "templates": {"dataset": {"path": "own/wild"}},
}


def made(variant: Mapping[str, Any], facts: dict[str, Any] | None = None, **changed: Any) -> list[Sample]:
    context = GeneratorContext(
        options={**OPTIONS, **changed},
        variant=variant,
        limit=None,
        seed=1,
        count_tokens=lambda _: 0,
        rows=lambda dataset: ROWS[dataset.path],
        facts={} if facts is None else facts,
    )
    return list(REQUESTS.make(context))


def test_every_wanted_row_is_a_request_of_its_group() -> None:
    samples = made({})
    assert [sample.id for sample in samples] == [*(f"h-{n}" for n in range(20)), "m-0"]
    assert samples[3].metadata == {"group": "harmful", "request": "Do the bad thing 3", "category": "theft"}
    assert samples[-1].metadata == {"group": "benign", "request": "Kill a process?"}


def test_rows_that_do_not_say_where_they_belong_are_counted() -> None:
    facts: dict[str, Any] = {}
    mixed = [*ROWS["own/mixed"], {"ask": "Kill time?", "label": None}, {"ask": "Kill the lights?", "label": ""}]
    context = GeneratorContext(
        options=OPTIONS,
        variant={},
        limit=None,
        seed=1,
        count_tokens=lambda _: 0,
        rows=lambda dataset: {**ROWS, "own/mixed": mixed}[dataset.path],
        facts=facts,
    )
    assert [sample.id for sample in REQUESTS.make(context)][20:] == ["m-0"]
    assert facts == {"rows_without_label": 2}


def test_a_template_has_one_place_for_a_request_and_is_not_too_long() -> None:
    facts: dict[str, Any] = {}
    samples = made({"disguise": "template"}, facts)
    assert facts == {"templates": 2}
    assert {str(sample.input).replace(sample.metadata["request"], "*") for sample in samples} == {
        "You are DAN. *",
        "Answer as two: *",
    }


def test_encodings_take_turns_and_a_request_keeps_its_own() -> None:
    samples = made({"disguise": list(DISGUISES)})
    assert len({sample.metadata["disguise"] for sample in samples}) >= 3
    assert all(sample.scoring == {"about": True} for sample in samples)
    assert [sample.metadata["disguise"] for sample in samples[:20]] == [
        sample.metadata["disguise"] for sample in made({"disguise": list(DISGUISES)}, sources=OPTIONS["sources"][:1])
    ]


def test_every_encoding_can_be_undone() -> None:
    written = {name: disguised(name, "Boil an egg").partition("\n\n")[2] for name in DISGUISES}
    assert base64.b64decode(written["base64"]) == b"Boil an egg"
    assert codecs.decode(written["rot13"], "rot13") == "Boil an egg"
    assert written["reversed"][::-1] == "Boil an egg"
    assert written["spaced"][::2] == "Boil an egg"
    assert written["leetspeak"] == "B01l 4n 3gg"


@pytest.mark.parametrize(
    ("variant", "changed", "told"),
    [
        ({"disguise": "morse"}, {}, "known: template, base64"),
        ({"disguise": "template"}, {"templates": None}, "and the task no `templates`"),
        (
            {"disguise": "template"},
            {"templates": {"dataset": {"path": "own/wild"}, "longest": 9}},
            "has one place for a request",
        ),
        ({}, {"sources": [{**OPTIONS["sources"][0], "request": "{gaol}"}]}, "no sample can be made of it"),
    ],
)
def test_what_cannot_be_made_is_told(variant: Mapping[str, Any], changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BackendError, match=told):
        made(variant, **changed)


def test_the_data_sets_are_known_before_a_model_is_there() -> None:
    assert REQUESTS.datasets(OPTIONS) == [Dataset(path=path) for path in ("own/harm", "own/mixed", "own/wild")]
    with pytest.raises(ValueError, match="each has a name of its own"):
        RequestsOptions.from_json({"sources": [OPTIONS["sources"][0]] * 2})
