"""JSON schemas as grammars: what each engine then lets a model say, and what a grammar cannot say."""

import json
import math
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.backends.llamacpp.binding import installed
from pytest_slm.backends.llamacpp.grammars import grammar_of
from pytest_slm.backends.llamacpp.grammars.integers import DIGITS, integers
from pytest_slm.backends.llamacpp.sampling import _Grammar
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError

OBJECT = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"enum": ["x", None, 2.5]}},
    "required": ["b"],
}
TREE = {
    "$defs": {"node": {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}},
    "$ref": "#/$defs/node",
}

TEXTS = [
    ({}, ['{"a": [1, "b", null]}', "-0.5e3", '"\\u00e9"'], ["{'a': 1}", "01", "[1,]", '"\\ud800"', "nan", '"a']),
    (OBJECT, ['{"b": ""}', '{"a":1,"b":"x","c":2.5}', '{ "b": "ä\\n", "c": null }'], ["{}", '{"b": "", "a": 1}']),
    (OBJECT, ['{"a": -7, "b": "\\""}'], ['{"a": 1.5, "b": ""}', '{"b": "", "d": 1}', '{"a": 1, }', '{"c": "y"}']),
    ({**OBJECT, "required": []}, ["{}", '{"c": "x"}', '{"a": 1, "c": "x"}'], ['{"a": 1 "c": "x"}', "{,}"]),
    ({"type": "object", "required": ["a"]}, ['{"a": [1]}'], ["{}"]),
    ({"type": "object", "additionalProperties": {"type": "null"}}, ["{}", '{"x": null, "y": null}'], ['{"x": 1}']),
    ({"type": "object", "additionalProperties": False}, ["{}", "{ }"], ['{"x": 1}']),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}, ["[true]"], ["[]", "[1]"]),
    ({"type": "array", "items": {"type": "null"}, "maxItems": 1}, ["[]", "[null]"], ["[null, null]"]),
    ({"type": "array", "maxItems": 0}, ["[]"], ["[1]"]),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, ["[1, 2]", "[1,2,3]"], ["[1]", "[]"]),
    ({"prefixItems": [{"type": "null"}, {"type": "boolean"}], "items": False}, ["[]", "[null,true]"], ["[null,1]"]),
    ({"prefixItems": [{"type": "null"}], "minItems": 2}, ["[null, 3]", "[null,3,{}]"], ["[null]", "[]", "[3, 3]"]),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"äöü"', '"\\n\\""'], ['"a"', '"abcd"']),
    ({"type": ["integer", "null"], "minimum": 3}, ["3", "12", "null"], ["2", "-3", "true"]),
    ({"type": "integer", "exclusiveMinimum": -3, "maximum": 10}, ["-2", "0", "10"], ["-3", "11", "00", "-0"]),
    ({"type": "number"}, ["0", "-1.25", "1e9", "-0.0"], [".5", "1.", "1e", "1e999", "+1"]),
    ({"const": {"a": "\\ \"q\" ü"}}, [json.dumps({"a": "\\ \"q\" ü"}, ensure_ascii=False)], ['{"a": ""}']),
    ({"enum": [1, "1", True], "type": "integer"}, ["1"], ['"1"', "true"]),
    ({"anyOf": [{"type": "null"}, {"const": "x"}]}, ["null", '"x"'], ['"y"']),
    ({"allOf": [{"type": "null", "description": "nothing"}]}, ["null"], ["1"]),
    (TREE, ["{}", '{"of": []}', '{"of": [{"of": [{}]}, {}]}'], ["[]", '{"of": [1]}']),
    ({"properties": {"a/b~": {"type": "null"}, "x": {"$ref": "#/properties/a~1b~0"}}}, ['{"x": null}'], ['{"x": 1}']),
]  # fmt: skip

REFUSED = [
    ("text", r"\$: not a schema"),
    (None, r"\$: not a schema"),
    ({"type": "nonsense"}, r"\$\.type: nonsense is none of object"),
    ({"type": "number", "minimum": 1}, r"\$: a grammar cannot say 'minimum' for number; leave it out"),
    ({"type": "string", "pattern": "a+"}, "'pattern' for string"),
    ({"properties": {"a": {"type": "array", "uniqueItems": True}}}, r"\$\.properties\.a: .* 'uniqueItems'"),
    ({"not": {}}, "'not' without a type"),
    ({"allOf": [{}, {}]}, "allOf of 2"),
    ({"anyOf": [{}], "type": "object"}, "'type' beside anyOf"),
    ({"anyOf": []}, r"\$\.anyOf: not a list with something in it"),
    ({"enum": [1], "type": "string"}, "none of its values is of the type string"),
    ({"const": math.nan}, r"\$\.const"),
    ({"const": "\ud800"}, r"\$\.const"),
    ({"type": "string", "maxLength": 10**9}, r"\$\.maxLength: 1000000000 is no whole number from 0 to 1000"),
    ({"type": "string", "minLength": 3, "maxLength": 2}, "no text has"),
    ({"type": "array", "minItems": 3, "maxItems": 2}, "no list has"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "no whole number"),
    ({"type": "integer", "minimum": 2.5}, "is no whole number"),
    ({"$ref": "http://example.org/schema"}, "is no place in this schema"),
    ({"$ref": "#/$defs/missing"}, "nothing is at"),
    ({"$ref": "#"}, "leads to itself"),
    ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]}, "b": {"$ref": "#/$defs/a"}},
      "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/b"}}, {"$ref": "#/$defs/a"}]}, "leads to itself"),
]  # fmt: skip


@pytest.fixture(scope="module", params=[name for name, package in installed.PACKAGES.items() if package.path])
def engine(request, small_model):
    """A small model, opened by each engine that is installed."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    settings = EngineSettings(threads=1, engine=request.param, n_ctx=512)
    backend = LlamaCpp(ModelSpec(path=str(small_model), format="gguf", settings=settings))
    backend.generate([Request(prompt="x", max_tokens=1)])
    yield backend
    backend.close()


def allows(backend, grammar, text):
    """Whether a text can be said within the grammar, and ended there."""
    model = backend._model
    rules = _Grammar(backend._context, grammar)
    try:
        for token in model.tokenize(text, add_special=False, parse_special=False):
            if not rules.allows(token):
                return False
            rules.accept(token)
        return rules.allows(model.eos)
    finally:
        rules.close()


def test_what_a_schema_lets_through(engine):
    for schema, said, refused in TEXTS:
        grammar = grammar_of(schema)
        for text in said:
            assert allows(engine, grammar, text), (schema, text)
        for text in refused:
            assert not allows(engine, grammar, text), (schema, text)


@pytest.mark.parametrize(("schema", "problem"), REFUSED)
def test_what_a_grammar_cannot_say_is_refused_by_its_name(schema, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        grammar_of(schema)
    assert len(str(caught.value)) < 300


def test_a_schema_without_end_is_refused():
    deep = {}
    for _ in range(3000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ValueError, match="more than 64 levels"):
        grammar_of(deep)


def test_a_refused_schema_is_one_line_and_the_engine_goes_on(engine):
    with pytest.raises(BackendError, match=r"json_schema: \$\.type") as caught:
        engine.generate([Request(prompt="x", max_tokens=2, json_schema={"type": "nonsense"})])
    assert caught.value.slug == "grammar"
    assert engine.generate([Request(prompt="x", max_tokens=2)])[0].n_output == 2


def test_random_weights_say_what_is_valid_without_any_package_of_an_engine(engine, monkeypatch):
    # Both packages are libraries to us: none of their Python is needed, as where only one of them is installed.
    for package in installed.PACKAGES.values():
        monkeypatch.setitem(sys.modules, package.module, None)
    jsonschema = pytest.importorskip("jsonschema")
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 5, "maximum": 1500},
            "of": {"type": "array", "items": {"enum": ["x", "y"]}, "maxItems": 1},
            "name": {"type": "string", "maxLength": 3},
        },
        "required": ["n", "name"],
    }
    requests = [Request(prompt="x", json_schema=schema, max_tokens=60, temperature=1.0, seed=seed) for seed in range(3)]
    ended = [answer for answer in engine.generate(requests) if answer.finish == "stop"]
    assert ended
    for answer in ended:
        jsonschema.validate(json.loads(answer.text), schema)


# -- whole numbers -------------------------------------------------------------------------------------------------


def matches(expression, text):
    """Whether the whole text is one of the expression, read as a regular expression: numbers use what both have."""
    import re

    return re.fullmatch(expression.replace('"', "").replace(" ", ""), text) is not None


BOUNDS = st.none() | st.integers(-(10**5), 10**5) | st.integers(-(10**17), 10**17)


@given(BOUNDS, BOUNDS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_whole_numbers_between_bounds(one, two, drawn):
    low, high = sorted((one, two)) if None not in (one, two) else (one, two)
    bound = 10**DIGITS - 1
    least, most = max(-bound, -bound if low is None else low), min(bound, bound if high is None else high)
    if least > most:
        with pytest.raises(ValueError, match="no whole number"):
            integers(low, high)
        return
    expression = integers(low, high)
    near = {least, most, 0, 9, 10, *(drawn.randint(least, most) for _ in range(20))}
    near |= {number + step for number in near for step in (-1, 1)}
    near |= {sign * 10**power + step for power in range(DIGITS + 1) for step in (-1, 0) for sign in (-1, 1)}
    for number in near:
        assert matches(expression, str(number)) == (least <= number <= most), (number, expression)
    for odd in ("-0", "00", "+1", "", "-", f"0{most}"):
        assert not matches(expression, odd)


def test_a_grammar_stays_short_whatever_the_bounds():
    drawn = random.Random(3)
    for _ in range(300):
        low, high = sorted(drawn.randint(-(10**15), 10**15) for _ in range(2))
        assert len(integers(low, high)) < 2000
