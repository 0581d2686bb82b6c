"""The submission checks: what was declared against what the headers say."""

import dataclasses

import pytest

from pytest_slm.core.types import MetricSpec, Task, WeightsHeader
from pytest_slm.errors import UsageError
from pytest_slm.run.drive import measure

COUNTED = WeightsHeader(
    format="gguf", parameters=134_515_008, architecture="llama", context_length=8192, license="apache-2.0"
)
DECLARED = {"parameters": "135M", "architecture": "llama", "context_length": 8192, "license": "Apache-2.0"}


@pytest.fixture
def outcome(context):
    """``outcome(detected, parameters="1.7B")``: the result for these headers and this declaration."""
    task = Task(
        name="validate",
        suite="submission",
        kind="validate",
        description="",
        primary="checks_passed",
        metrics=(MetricSpec(name="checks_passed"),),
    )

    def judge(detected, **declared):
        return measure(task, "", context(detected=detected, declared=declared, mode="validate"))

    return judge


def test_what_matches_passes(outcome):
    result = outcome(COUNTED, **DECLARED)
    assert (result.outcome, result.reason) == ("passed", "")
    assert result.metrics == ()  # agreement is no score


def test_what_was_not_declared_is_no_difference(outcome):
    assert outcome(COUNTED).outcome == "passed"


@pytest.mark.parametrize(
    ("key", "declared", "both"),
    [
        ("parameters", "1.7B", ["1.7B", "134,515,008"]),
        ("architecture", "qwen2", ["qwen2", "llama"]),
        ("context_length", 2048, ["2048", "8192"]),
        ("license", "MIT", ["MIT", "apache-2.0"]),
    ],
)
def test_a_difference_fails_and_names_both_values(outcome, key, declared, both):
    result = outcome(COUNTED, **{**DECLARED, key: declared})
    assert result.outcome == "failed"
    assert all(value in result.reason for value in [key, *both])


def test_a_file_of_another_quantization_is_a_difference(outcome):
    # the fixture's quantization is declared Q8_0
    assert "declared Q8_0, the file says Q4_1" in outcome(dataclasses.replace(COUNTED, quantization="Q4_1")).reason
    assert outcome(dataclasses.replace(COUNTED, quantization="Q8_0")).outcome == "passed"


def test_all_differences_are_told_at_once(outcome):
    result = outcome(COUNTED, parameters="1.7B", context_length=2048)
    assert "parameters" in result.reason
    assert "context_length" in result.reason


def test_more_than_3_billion_parameters_are_too_many(outcome):
    result = outcome(WeightsHeader(format="gguf", parameters=7_241_732_096))
    assert result.outcome == "failed"
    assert "7,241,732,096" in result.reason
    assert "smaller" in result.reason


def test_a_3b_model_counts_up_to_its_tenth(outcome):
    # Llama 3.2 3B counts 3,212,749,888
    assert outcome(WeightsHeader(format="gguf", parameters=3_212_749_888), parameters="3.21B").outcome == "passed"


def test_without_headers_there_is_nothing_to_say(outcome):
    with pytest.raises(UsageError, match="no weights to look at") as caught:
        outcome(None)
    assert caught.value.slug == "validate-nothing"


def test_it_needs_no_model(context):
    surroundings = context(detected=COUNTED)
    opened = []
    object.__setattr__(surroundings, "open", lambda: opened.append(1))
    task = Task(name="v", suite="s", kind="validate", description="", primary="ok", metrics=(MetricSpec(name="ok"),))
    measure(task, "", surroundings)
    assert not opened
