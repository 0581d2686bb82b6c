"""Records: what goes to JSON comes back equal, and nothing else comes in."""

import dataclasses
import importlib
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.record import LARGEST, LARGEST_COUNT, Record, RecordError, is_name, jsonable
from pytest_slm.core.rounds import Shape
from pytest_slm.core.types import (
    AnswerCounts,
    CutPrompts,
    Generation,
    GenerationTimes,
    Measurement,
    Message,
    Metric,
    Quantization,
    Request,
    Result,
    RunReport,
    Sample,
    Submission,
    ThinkingCounts,
    Verdict,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
odd_shares = st.floats(-1000, 1000)
shares = st.floats(0, 1)


names = st.text(min_size=1, max_size=200).filter(is_name)


@given(
    st.builds(
        Metric,
        name=st.text(min_size=1).filter(is_name),
        value=odd_shares,
        n=st.integers(1, LARGEST_COUNT),
        interval=st.none() | st.tuples(odd_shares, odd_shares),
    )
)
def test_a_metric_survives_json(metric):
    assert Metric.from_json(json.loads(json.dumps(metric.to_json()))) == metric


@given(st.text(), st.lists(st.text(), min_size=1), st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_a_sample_with_a_conversation_survives_json(id_, turns, metadata):
    sample = Sample(id=id_, input=tuple(Message(role="user", content=t) for t in turns), metadata=metadata)
    assert Sample.from_json(json.loads(json.dumps(sample.to_json()))) == sample


def test_a_sample_may_be_plain_text():
    assert Sample.from_json({"id": "1", "input": "hello"}).messages() == (Message(role="user", content="hello"),)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_no_json(wrong):
    with pytest.raises(RecordError, match="finite"):
        jsonable({"a": [wrong]})
    with pytest.raises(RecordError, match="finite"):
        Metric(name="x", value=wrong, n=1)
    with pytest.raises(RecordError, match="finite"):
        Measurement.from_json({"name": "x", "unit": "s", "values": [wrong]})


@pytest.mark.parametrize("wrong", [LARGEST + 1, -LARGEST - 1, 10**400])
def test_an_integer_that_no_other_program_could_read_is_refused(wrong):
    with pytest.raises(RecordError, match=r"Metric\.n: expected an integer of 64 bits, got -?\d+"):
        Metric.from_json({"name": "x", "value": 1.0, "n": wrong})


def test_an_unknown_key_is_named():
    with pytest.raises(RecordError, match="unknown key 'valeu'"):
        Metric.from_json({"name": "x", "valeu": 1.0, "n": 1})


def test_a_missing_key_is_named():
    with pytest.raises(RecordError, match="missing key 'n'"):
        Metric.from_json({"name": "x", "value": 1.0})


@pytest.mark.parametrize(
    ("cls", "data", "place"),
    [
        (Metric, {"name": 1, "value": 1.0, "n": 1}, "Metric.name"),
        # True is an int in Python, but no count
        (Metric, {"name": "x", "value": 1.0, "n": True}, "Metric.n"),
        (Metric, {"name": "x", "value": True, "n": 1}, "Metric.value"),
        (Metric, {"name": "x", "value": 1.0, "n": 1, "interval": [1.0]}, "interval"),
        (Measurement, {"name": "x", "unit": "s", "values": [1.0, "2"]}, r"values\[1\]"),
        (Generation, {"text": "", "n_prompt": 1, "n_output": 0, "finish": "bored"}, "finish"),
        (Submission, {"slug": "a", "name": "a", "quantizations": [{"name": "Q"}]}, r"quantizations\[0\]"),
        (Metric, [], "Metric"),
    ],
)
def test_a_wrong_type_names_its_place(cls, data, place):
    with pytest.raises(RecordError, match=place):
        cls.from_json(data)


def test_what_json_cannot_say_is_refused():
    with pytest.raises(RecordError, match="set"):
        jsonable({1})


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_score_is_a_share(value):
    with pytest.raises(RecordError):
        Verdict(value=value, answer="", explanation="")


def test_not_scored_is_none_and_not_zero():
    assert Verdict(value=None, answer="", explanation="empty").value is None


@pytest.mark.parametrize("n", [0, -1])
def test_a_metric_of_no_samples_does_not_exist(n):
    with pytest.raises(RecordError, match="does not exist"):
        Metric(name="x", value=0.0, n=n)


METRIC = {"name": "x", "value": 1.0, "n": 1}
RESULT = {"suite": "s", "task": "t", "variant": "", "quantization": "Q", "mode": "quick", "outcome": "passed"}
COUNTS = [
    (Result, RESULT, ("n_scored", "n_unscored", "answers_cut", "clusters")),
    (Shape, {}, ("depth", "prompt", "output", "context")),
    (AnswerCounts, {"asked": 1, "taken": 1}, ("asked", "taken")),
    (ThinkingCounts, {"answers": 1, "tokens": 1, "censored": 1}, ("answers", "tokens", "censored")),
    (CutPrompts, {"samples": 1, "asked": 1, "tokens": 1, "most": 1}, ("samples", "asked", "tokens", "most")),
    (Metric, METRIC, ("n",)),
]


@pytest.mark.parametrize(("cls", "data", "names"), COUNTS, ids=lambda one: getattr(one, "__name__", ""))
@pytest.mark.parametrize("wrong", [-1, LARGEST_COUNT + 1, LARGEST])
def test_a_count_is_one_that_a_run_can_have_and_sums_of_it_stay_numbers(cls, data, names, wrong):
    for name in names:
        with pytest.raises(RecordError):
            cls.from_json({**data, name: wrong})
        with pytest.raises(RecordError):
            cls(**{**data, name: wrong})
    assert {name: cls.from_json(data).to_json()[name] for name in data} == data


@pytest.mark.parametrize("wrong", [1e308, -1e308, 1001.0, -1001.0])
def test_a_share_is_no_number_beyond_all(wrong):
    bounds = {"lower": min(wrong, 0.0), "upper": max(wrong, 2.0)}
    cuts = {"cuts": {"cut": 1.0, "censored": 0.0, **bounds}}
    for odd in ({"value": wrong}, {"interval": [0.0, wrong]}, {"interval": [wrong, 2.0]}, cuts):
        with pytest.raises(RecordError, match="is no share"):
            Metric.from_json({**METRIC, **odd})
        assert Metric.from_json({**METRIC, **odd, "unit": "perplexity"}).unit == "perplexity"
    assert Metric.from_json({**METRIC, "value": 50.0}).value == 50.0  # in percent


def test_a_file_of_samples_is_called_one():
    with pytest.raises(RecordError, match=r"samples: a file of samples ends with \.jsonl"):
        Result.from_json({**RESULT, "samples": "samples/s.t.json"})


def test_an_item_takes_time():
    with pytest.raises(RecordError, match="no item takes"):
        Result.from_json({**RESULT, "seconds": -1.0})


@pytest.mark.parametrize("outcome", ["skipped", "error", "not_run"])
def test_what_was_not_measured_has_no_metrics(outcome):
    with pytest.raises(RecordError, match="no metrics"):
        Result(
            suite="s", task="t", variant="", quantization="Q", mode="quick", outcome=outcome,
            metrics=(Metric(name="x", value=0.0, n=1),),
        )  # fmt: skip


def test_a_request_has_exactly_one_input():
    with pytest.raises(RecordError, match="exactly one"):
        Request(prompt="a", prompt_ids=(1,))
    with pytest.raises(RecordError, match="exactly one"):
        Request()


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_k": -1}])
def test_a_request_checks_its_limits(wrong):
    with pytest.raises(RecordError):
        Request(prompt="a", **wrong)


def _report(**changes):
    result = Result(suite="s", task="t", variant="", quantization="Q8_0", mode="full", outcome="passed")
    values = {
        "schema": "1.0", "run_id": "r", "created": "2026-01-01T00:00:00Z", "finished": "2026-01-01T00:01:00Z",
        "mode": "full", "seed": 1, "quantization": "Q8_0", "detected": None, "backend": None, "machine": {},
        "versions": {},
        "submission": Submission(slug="m", name="m", quantizations=(Quantization(name="Q8_0", format="gguf"),)),
        "planned": (result.id,), "results": (result,),
    }  # fmt: skip
    return RunReport(**values | changes)


def test_a_run_report_survives_json():
    report = _report()
    assert RunReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert report.complete


def test_a_report_holds_one_result_per_item():
    twice = _report().results * 2
    with pytest.raises(RecordError, match="two results"):
        _report(results=twice)


def test_a_report_is_of_one_quantization():
    # the mistake it prevents: the last quantization's numbers under the first one's name
    with pytest.raises(RecordError, match="Q4_0"):
        _report(quantization="Q4_0")


def test_a_report_with_an_unmeasured_item_is_not_complete():
    assert not _report(results=()).complete
    assert not _report(interrupted=True).complete


def test_timings_keep_every_token():
    parts = {"prepare_s": 0.0, "prefill_s": 0.1, "sample_s": 0.0, "detokenize_s": 0.0}
    timings = GenerationTimes(**parts, token_s=(0.1, 0.2), end_s=0.2, n_evaluated=3)
    assert GenerationTimes.from_json(timings.to_json()).token_s == (0.1, 0.2)


def test_no_record_changes_once_it_is_made_and_none_takes_fields_by_place():
    for module in ("ci.artifacts", "registry.folder.pieces"):  # all that reports and registries are made of
        importlib.import_module(f"pytest_slm.{module}")

    def every(record: type[Record]) -> Iterator[type[Record]]:
        for one in record.__subclasses__():
            yield one
            yield from every(one)

    records = [one for one in every(Record) if one.__module__.startswith("pytest_slm.")]
    assert len(records) > 100
    assert [one for one in records if not vars(one)["__dataclass_params__"].frozen] == []
    assert [one for one in records if not all(field.kw_only for field in dataclasses.fields(one))] == []
