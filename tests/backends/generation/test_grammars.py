"""A grammar or a JSON schema decides what can be said."""

import json
import re

import pytest

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def test_a_json_schema_is_kept(language):
    ask = Message(role="user", content="Describe a person of 30 years as JSON.")
    requests = [
        Request(messages=(ask,), max_tokens=80, json_schema=PERSON, temperature=temperature, seed=3)
        for temperature in (0.0, 1.0)
    ]
    for generation in language.generate(requests):
        assert generation.finish == "stop"
        person = json.loads(generation.text)
        assert isinstance(person["name"], str)
        assert isinstance(person["age"], int)


def test_a_grammar_decides_what_can_be_said(language, texts):
    requests = [
        Request(prompt="The answer is", max_tokens=5, grammar='root ::= " yes" | " no"', temperature=1.5, seed=seed)
        for seed in range(12)
    ]
    said = texts(language.generate(requests))
    assert set(said) == {" yes", " no"}


def test_a_grammar_against_the_models_will_is_kept(backend):
    # greedy decoding would never say this: every token has to be picked within the grammar
    (generation,) = backend.generate(
        [Request(prompt="The capital of France is", max_tokens=30, grammar='root ::= " " [0-9]{6} "#"')]
    )
    assert re.fullmatch(r" [0-9]{6}#", generation.text)


@pytest.mark.parametrize(
    ("broken", "match"),
    [
        ({"grammar": 'foo ::= "x"'}, "no rule is called root"),
        ({"grammar": 'root ::= "x'}, "cannot read it"),
        ({"grammar": "root ::= missing"}, "cannot read it"),
        ({"grammar": 'root ::= "x"' + " " * 70_000}, "the limit is"),
        ({"json_schema": {"type": "nonsense"}}, "json_schema"),
    ],
)
def test_a_broken_grammar_is_an_error_that_leaves_the_backend_usable(backend, broken, match):
    with pytest.raises(BackendError, match=match):
        backend.generate([Request(prompt="x", max_tokens=2, **broken), Request(prompt="y", max_tokens=2)])
    assert backend.generate([Request(prompt="x", max_tokens=2)])[0].n_output == 2


def test_a_request_has_a_grammar_or_a_schema():
    with pytest.raises(RecordError, match="not both"):
        Request(prompt="x", grammar='root ::= "x"', json_schema={})
    with pytest.raises(RecordError, match="forced_length"):
        Request(prompt="x", grammar='root ::= "x"', forced_length=True)
