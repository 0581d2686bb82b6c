"""Prompts that lose their beginning are told, by sample and by item, and what was measured is not the task."""

import json
from dataclasses import replace

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.record import RecordError
from pytest_slm.core.request import Likelihoods, LogLikelihood
from pytest_slm.core.types import CutPrompts, Request, Result, Sample, Verdict
from pytest_slm.run.drive import drive
from pytest_slm.run.records import restored
from pytest_slm.run.unshown import without_rank
from pytest_slm.terminal.summary import result_line


@pytest.fixture
def backend(tmp_path):
    """A model with a context of ten words."""
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"context_length": 10, "text": "yes"}), "utf-8")
    return Fake(ModelSpec(path=str(script), format="fake"))


def samples(*lengths):
    return [Sample(id=str(length), input="word " * length) for length in lengths]


def asking(sample):
    answer = yield Request(prompt=str(sample.input), max_tokens=2, keep_end=True)
    return Verdict(value=1.0, answer=answer.text, explanation="")


def test_a_cut_prompt_is_counted_and_the_number_is_no_score_of_the_task(written, backend, lines):
    result = drive(written(backend, samples(4, 8, 9, 30), asking))
    assert result.prompts_cut == CutPrompts(samples=2, asked=4, tokens=23, most=22)
    assert [line.n_unshown for line in lines] == [0, 0, 1, 22]
    assert [line.n_prompt for line in lines] == [4, 8, 8, 8]
    assert (result.primary, result.outcome) == (None, "passed")
    assert [metric.name for metric in result.metrics] == ["right[prompts cut]"]
    assert "2 of 4 prompts lost their beginning (23 tokens, at most 22)" in result.reason
    assert "right[prompts cut] 100 %" in result_line(result)
    assert ", 2 prompts cut," in result_line(result)
    assert Result.from_json(result.to_json()) == result


def test_whole_prompts_are_not_mentioned(written, backend):
    result = drive(written(backend, samples(4, 8), asking))
    assert (result.prompts_cut, result.primary, result.reason) == (None, "right", "")


def test_a_context_that_was_cut_before_a_continuation_counts_too(written, backend, lines, monkeypatch):
    def scored(pairs, progress=None, finished=None):
        lost = [max(0, len(context.split()) - 10) for context, _ in pairs]
        return [LogLikelihood(logprob=-1.0, is_greedy=False, n_tokens=1, n_prompt=10, n_unshown=n) for n in lost]

    def talk(sample):
        scores = yield Likelihoods(pairs=((str(sample.input), " a"), ("short", " b")))
        return Verdict(value=1.0, answer=str(len(scores)), explanation="")

    monkeypatch.setattr(backend, "loglikelihood", scored)
    result = drive(written(backend, samples(3, 14), talk))
    assert result.prompts_cut == CutPrompts(samples=1, asked=2, tokens=4, most=4)
    assert [(line.n_prompt, line.n_unshown) for line in lines] == [(10, 0), (10, 4)]


def test_scoring_again_finds_what_was_cut(written, backend, lines):
    drive(written(backend, samples(30), asking))
    ask = Request(prompt="word " * 30, max_tokens=2, keep_end=True)
    assert restored(json.loads(json.dumps(lines[0].to_json())), 0, ask).n_unshown == 22


def test_it_is_not_called_by_its_number_of_examples():
    cut = CutPrompts(samples=1, asked=1, tokens=3, most=3)
    result = Result(
        suite="s", task="t", variant="", quantization="Q", mode="full", outcome="passed", provenance={"num_fewshot": 5}
    )
    told = without_rank(replace(result, reason="partial"), cut, 5)
    assert told.provenance == {"num_fewshot": None, "num_fewshot_declared": 5}
    assert told.reason.startswith("partial; partial: 1 of 1 prompts lost their beginning (3 tokens), so")
    plain = without_rank(replace(result, provenance={"num_fewshot": 0}), cut, 0)
    assert plain.provenance == {"num_fewshot": 0}  # a question without examples has none of them, cut or not


@pytest.mark.parametrize("numbers", [(0, 1, 1, 1), (2, 1, 4, 2), (2, 2, 1, 1), (1, 1, 1, 2)])
def test_cut_prompts_are_checked_when_they_are_born(numbers):
    with pytest.raises(RecordError, match="cannot lose"):
        CutPrompts(**dict(zip(("samples", "asked", "tokens", "most"), numbers, strict=True)))
