"""The user's settings in tasks of lm-eval: examples, temperature, lengths, templates, and questions asked again."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.request import GenerationSettings


class Watched(Fake):
    """Keeps the requests that it was asked, and answers with the number that the seed says."""

    def __init__(self, spec):
        super().__init__(spec)
        self.requests = []

    def generate(self, requests, *progress):
        self.requests += requests
        return super().generate(requests, *progress)


@pytest.fixture
def watched(fake):
    return fake(Watched, text=["#### 18", "#### 3", "It is 18."])


@pytest.fixture
def gsm8k(built_in):
    return built_in("math/gsm8k")


@pytest.mark.parametrize("n", [0, 2])
def test_so_many_examples_whatever_suite_and_lm_eval_say(ask, gsm8k, watched, n):
    result = ask(gsm8k, watched, limit=3, generation=GenerationSettings(fewshot=n))
    assert result.provenance["num_fewshot"] == n
    assert result.provenance["settings"] == {"fewshot": n}
    shown = [request.prompt or "".join(one.content for one in request.messages) for request in watched.requests]
    assert [text.count("Question:") for text in shown] == [n + 1] * 3


def test_tasks_that_lm_eval_never_shows_with_examples_stay_without(ask, built_in):
    result = ask(built_in("reasoning/truthfulqa_mc2"), limit=3, generation=GenerationSettings(fewshot=5))
    assert result.provenance["num_fewshot"] == 0
    assert result.provenance["num_fewshot_fixed"] == ["truthfulqa_mc2"]
    assert result.without_effect == {"fewshot": "the task has no examples"}


def test_of_likelihoods_examples_are_all_that_can_be_chosen(ask, arc):
    said = GenerationSettings(fewshot=1, temperature=0.5, repeats=3, system="Be brief.", max_tokens=4)
    result = ask(arc, limit=4, generation=said)
    assert (result.provenance["num_fewshot"], result.n_scored) == (1, 4)
    assert set(result.without_effect) == {"temperature", "repeats", "system", "max_tokens"}


def test_a_question_that_is_asked_again_has_answers_of_its_own(ask, gsm8k, watched, records):
    said = GenerationSettings(temperature=0.5, top_p=0.5, max_tokens=2, repeats=6, fewshot=0)
    result = ask(gsm8k, watched, limit=4, generation=said)
    assert {(one.temperature, one.top_p, one.max_tokens) for one in watched.requests} == {(0.5, 0.5, 2)}
    assert len({one.seed for one in watched.requests}) == 24
    assert (result.n_scored, result.clusters) == (24, 4)
    assert [(line.doc_id, line.repeat) for line in records] == [
        (name, time) for name in dict.fromkeys(line.doc_id for line in records) for time in range(6)
    ]
    # Each verdict is about its own answer: with the first answer for all, all six would be alike.
    for line in records:
        assert line.answer == {"#### 18": "18", "#### 3": "3", "It is": "[invalid]"}[line.response]
    assert len({line.response for line in records if line.doc_id == records[0].doc_id}) > 1
    metrics = {metric.name: metric for metric in result.metrics}
    scores = [line.score for line in records]
    assert result.metric().value == pytest.approx(sum(scores) / 24)
    assert metrics["pass@6"].n == 4
    assert {"pass@2", "pass@4", "pass@6", "majority"} < set(metrics)


def test_without_a_chat_template_its_prompts_are_plain(ask, gsm8k, fake, with_options):
    watched = fake(Watched, text="#### 18", capabilities=["generate", "loglikelihood", "tokens"])
    chat = with_options(gsm8k, chat_template=True)
    result = ask(chat, watched, limit=2, generation=GenerationSettings(chat_template="none"))
    assert {request.messages for request in watched.requests} == {None}
    assert result.provenance["chat_template"] == "none"
    assert result.provenance["settings"] == {"chat_template": "none"}
