"""JSON that a library in C reads straight into records: what it takes is what ``from_json`` makes of it, and nothing
else is taken."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm import decoding, files
from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Cuts, Gate, Metric, Result, RunReport
from pytest_slm.decoding import decoded
from pytest_slm.registry.folder.index import Index, ModelFile
from pytest_slm.registry.store import Document, read_report

pytest.importorskip("msgspec", reason="the extra fast is not installed, so all is read by from_json")

GOOD = Result(
    suite="s", task="t", variant="", quantization="Q8_0", mode="full", outcome="passed",
    metrics=(Metric(name="acc", value=0.5, n=4, interval=(0.1, 0.9), cuts=Cuts(cut=0.1, censored=0.0)),),
    gate=Gate(metric="acc", limit=0.25), without_effect={"top_p": "greedy"},
    provenance={"n": 3, "at": 0.5, "more": [1, {"x": None}]},
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["acc", "full"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def slowly(cls, content):
    """As it is written, since 1 equals 1.0; None where it is refused."""
    try:
        return repr(cls.from_json(files.parse_json(content)))
    except (RecordError, ValueError):
        return None


def quickly(cls, content):
    made = decoded(cls, content)
    return None if made is None else repr(made)


def told(data):
    return json.dumps(data).encode()


def replaced(old, new):
    text = told(GOOD.to_json())
    assert text.count(old) >= 1
    return text.replace(old, new, 1)


@pytest.mark.parametrize("cls", [Document, Result, ModelFile, Index])
def test_what_is_read_by_the_thousand_can_be_read_so(cls):
    assert decoding._reader(cls) is not None


def test_a_record_is_that_of_from_json_and_the_order_of_its_keys_does_not_matter():
    data = GOOD.to_json()
    for content in (told(data), told(dict(reversed(data.items()))), json.dumps(data, indent=3).encode()):
        assert quickly(Result, content) == slowly(Result, content) == repr(GOOD)


@given(st.sampled_from(sorted(GOOD.to_json())), anything, st.booleans())
def test_one_odd_value_is_taken_only_where_from_json_takes_it(name, value, inner):
    data = GOOD.to_json()
    if inner:
        (data["metrics"][0] if name not in ("provenance", "without_effect") else data["provenance"])[name] = value
    else:
        data[name] = value
    content = told(data)
    assert quickly(Result, content) in (None, slowly(Result, content))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_the_same_number(number):
    for text in (repr(number), f"{number:.30e}", f"{number:.200f}"):
        content = replaced(b'"limit": 0.25', b'"limit": ' + text.encode())
        expected = slowly(Result, content)
        assert expected is not None
        assert quickly(Result, content) == expected or len(text) > files.MAX_DIGITS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"n": 4', b'"n": 4, "n": 4'),  # a key twice, in a record
        (b'"n": 4', b'"n": 4, "\\u006e": 4'),  # the same, written otherwise
        (b'"n": 4', b'"n" : 4, "n" : 4'),
        (b'"x": null', b'"x": null, "x": null'),  # in a value of any kind
        (b'"top_p": "greedy"', b'"top_p": "greedy", "top_p": "greedy"'),  # in a mapping
        (b'"top_p": "greedy"', b'"a:b": "::", "c": ":\\":", "c": "x"'),  # beside colons in texts
        (b'"n": 4', b'"n": 4, "m": 4'),  # an unknown key
        (b'"n": 4', b'"n": 4.0'),
        (b'"n": 4', b'"n": 1e2'),
        (b'"n": 4', b'"n": true'),
        (b'"n": 4', b'"n": "4"'),
        (b'"seed": 0', b'"seed": 9223372036854775808'),
        (b'"seed": 0', b'"seed": -9223372036854775808'),
        (b'"n": 3', b'"n": ' + b"9" * 309),
        (b'"n": 3', b'"n": -' + b"9" * 400),
        (b'"at": 0.5', b'"at": 1e999'),
        (b'"at": 0.5', b'"at": NaN'),
        (b'"at": 0.5', b'"at": -Infinity'),
        (b'"at": 0.5', b'"at": .5'),
        (b'"at": 0.5', b'"at": 01'),
        (b'"at": 0.5', b'"at": 1.'),
        (b'"at": 0.5', b'"at": ' + b"[" * 101 + b"]" * 101),
        (b'"at": 0.5', b'"at": ' + b"[" * 5_000 + b"]" * 5_000),
        (b'"at": 0.5', b'"at": "a\nb"'),
        (b'"at": 0.5', b'"at": "\xff"'),
        (b'"outcome": "passed"', b'"outcome": "fine"'),
        (b'"outcome": "passed"', b'"outcome": "skipped"'),  # one that has metrics
        (b'"suite": "s"', b'"suite": "a\\u202eb"'),
        (b'"suite": "s", ', b""),
        (b'{"suite"', b'\xef\xbb\xbf{"suite"'),
        (b'{"suite"', b'[{"suite"'),
        (b'"seconds": 0.0', b'"seconds": 0.0}{'),
    ],
)
def test_what_from_json_refuses_is_not_taken(old, new):
    content = replaced(old, new)
    assert slowly(Result, content) is None
    assert decoded(Result, content) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"seconds": 0.0', b'"seconds": 7'),  # an integer where a float is wanted
        (b'"seconds": 0.0', b'"seconds": -0'),
        (b'"seconds": 0.0', b'"seconds": -0.0'),
        (b'"at": 0.5', b'"at": -0'),
        (b'"n": 3', b'"n": ' + b"9" * 308),
        (b'"at": 0.5', b'"at": 1E+2'),
        (b'"at": 0.5', b'"at": "\\ud83d\\ude00\\u0000"'),
        (b'"top_p": "greedy"', b'"a:b": "::[[{{", "c": ":\\":\\\\"'),
        (b'"seed": 0', b'"seed":\t9223372036854775807\r\n'),
        (b'"at": 0.5', b'"at": ' + b"[" * 90 + b"]" * 90),
    ],
)
def test_what_it_takes_is_the_same_value(old, new):
    content = replaced(old, new)
    assert quickly(Result, content) == slowly(Result, content) is not None


@pytest.mark.parametrize("new", [b'"\\ud83d"', b'"' + b"9" * 400 + b'"', b"0." + b"9" * 400])
def test_texts_that_utf_8_cannot_hold_and_hundreds_of_digits_are_left_to_from_json(new):
    content = replaced(b'"at": 0.5', b'"at": ' + new)
    assert decoded(Result, content) is None
    assert slowly(Result, content) is not None


def test_a_type_of_which_order_decides_is_left_to_from_json():
    @dataclass(frozen=True, kw_only=True)
    class Either(Record):
        number: float | int

    assert decoding._reader(Either) is None
    assert decoded(Either, b'{"number": 1}') is None
    assert repr(Either.from_json({"number": 1}).number) == "1.0"


def test_what_is_left_out_has_its_default_as_if_it_had_been_said():
    said = GOOD.to_json()
    bare = {name: said[name] for name in ("suite", "task", "variant", "quantization", "mode", "outcome", "metrics")}
    bare["metrics"] = [{"name": "acc", "value": 0.5, "n": 4, "cuts": {"cut": 0.1, "censored": 0}}]
    made = decoded(Result, told(bare))
    assert repr(made) == slowly(Result, told(bare))
    assert made.__dict__.keys() == made.fields()  # a record is asked for all of them
    assert made.metrics[0].__dict__.keys() == made.metrics[0].fields()
    assert made.metrics[0].cuts.__dict__.keys() == made.metrics[0].cuts.fields()
    assert made.to_json() == Result.from_json(bare).to_json()
    assert made.provenance is not decoded(Result, told(bare)).provenance


def test_a_report_is_the_same_with_and_without_the_library(tmp_path, factory, monkeypatch):
    run = factory.make_run(modern=True, with_trouble=True)
    path = factory.store_run(tmp_path, run)
    more = json.loads(path.read_text("utf-8")) | {"tests": [{"nodeid": "a::b", "keywords": {"x": 1}}]}
    path.write_text(json.dumps(more), "utf-8")
    assert decoded(Document, path.read_bytes()) is not None
    for other in ({"more": 1}, {"root": 7}):
        assert decoded(Document, told(more | other)) is None
    quick = read_report(path)
    monkeypatch.setitem(sys.modules, "msgspec", None)
    decoding._reader.cache_clear()
    try:
        assert decoded(RunReport, told(run.to_json())) is None
        assert repr(read_report(path)) == repr(quick)
        assert quick == run
    finally:
        decoding._reader.cache_clear()


def test_values_of_any_kind_are_kept_as_they_are():
    @dataclass(frozen=True, kw_only=True)
    class Anything(Record):
        one: Any

    @dataclass(frozen=True, kw_only=True)
    class Nothing(Record):
        one: Any = None

    assert decoded(Nothing, b'{"one": 1}') is None  # whether it was said could not be seen
    for value in (1, 1.0, "1", None, True, [1, [2.5]], {"a": {"b": [False]}}):
        content = told({"one": value})
        assert quickly(Anything, content) == slowly(Anything, content)
