"""A backend with memory answers as the backend does, and asks it only for what it does not have."""

import dataclasses

import pytest

from pytest_slm.answers import keeping
from pytest_slm.answers.keeping import Keeper
from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import AnswerCounts, Message, Request
from pytest_slm.errors import BackendError

ABOUT = {"task": "geo/capitals", "version": 1, "variant": "", "seed": 7}


class Counting(Fake):
    """Counts what it is asked; fails at the question called ``fail_at``."""

    def __init__(self, spec=None):
        super().__init__(spec or ModelSpec(path=None, format="fake"))
        self.asked = []
        self.fail_at = None
        self.extra = {}

    def describe(self):
        return dataclasses.replace(super().describe(), **self.extra)

    def generate(self, requests, progress=lambda *_: None, finished=lambda *_: None):
        self.asked += [request.messages[0].content for request in requests]
        if self.fail_at in self.asked:
            raise BackendError("as told")
        return super().generate(requests, progress, finished)

    def loglikelihood(self, pairs, progress=lambda *_: None, finished=lambda *_: None):
        self.asked += list(pairs)
        return super().loglikelihood(pairs, progress, finished)


def questions(n=100):
    # long enough for several batches
    texts = [f"{number:03} " + "Which city is meant? " * 20 for number in range(n)]
    return [Request(messages=(Message(role="user", content=text),), max_tokens=8) for text in texts]


@pytest.fixture
def keeper(tmp_path):
    return lambda resume=True, **about: Keeper(tmp_path / "a.jsonl", {**ABOUT, **about}, resume=resume)


def test_answers_are_those_of_the_backend_in_the_order_of_the_requests(keeper):
    plain, watched = Counting(), keeper().watch(Counting())
    told, steps = {}, []
    answers = watched.generate(questions(), lambda *step: steps.append(step), told.__setitem__)
    expected = plain.generate(questions())
    assert [answer.text for answer in answers] == [answer.text for answer in expected]
    assert [told[place].text for place in range(100)] == [answer.text for answer in expected]
    assert {total for _, total in steps} == {100}
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_a_second_time_nothing_is_asked(keeper):
    first = keeper()
    answers = first.watch(Counting()).generate(questions())
    second, model, told = keeper(), Counting(), {}
    again = second.watch(model).generate(questions(), finished=told.__setitem__)
    assert model.asked == []
    assert [answer.text for answer in again] == [answer.text for answer in answers]
    assert sorted(told) == list(range(100))
    assert (first.told(), second.told()) == (AnswerCounts(asked=100, taken=0), AnswerCounts(asked=100, taken=100))
    # times belong to the run that took them
    assert answers[0].timings is not None
    assert again[0].timings is None


def test_it_tells_how_far_the_answers_that_were_there_reach(tmp_path):
    broken = Counting()
    broken.fail_at = questions()[60].messages[0].content
    with pytest.raises(BackendError):
        Keeper(tmp_path / "a.jsonl", ABOUT, resume=True).watch(broken).generate(questions())
    steps, kept = [], []
    keeper = Keeper(tmp_path / "a.jsonl", ABOUT, resume=True, kept=lambda: kept.append(steps[-1]))
    keeper.watch(Counting()).generate(questions(), lambda *step: steps.append(step))
    assert kept[-1] == (keeper.taken, 100)
    assert 0 < keeper.taken < 100
    # What the model answers, and what is found behind that, is no beginning that was there.
    kept.clear()
    keeper.watch(Counting()).generate(questions(), lambda *step: steps.append(step))
    assert kept == []


def test_only_the_batch_in_which_it_ended_is_lost(keeper):
    broken = Counting()
    broken.fail_at = questions()[60].messages[0].content
    with pytest.raises(BackendError):
        keeper().watch(broken).generate(questions())
    after, model = keeper(), Counting()
    after.watch(model).generate(questions())
    taken = after.told().taken
    assert 0 < taken <= 60
    # every question is asked again or was answered, none of the latter twice
    assert len(model.asked) == 100 - taken


def test_a_batch_that_takes_long_is_kept_as_it_comes(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "PART_S", 0.0)

    asked, broken = questions(30), Counting()
    broken.generate = stopped(broken.generate, 20)
    with pytest.raises(BackendError):
        keeper().watch(broken).generate(asked)
    after, model, told = keeper(), Counting(), {}
    answers = after.watch(model).generate(asked, finished=told.__setitem__)
    # the last one had no sign of life behind it
    assert after.told().taken == 19
    assert [request.messages[0].content for request in asked[19:]] == model.asked
    assert sorted(told) == list(range(30))
    assert [answer.text for answer in answers] == [answer.text for answer in Counting().generate(asked)]
    assert after.told().notes[0].startswith("11 answers were computed without those that an interruption had left")
    last, nobody = keeper(), Counting()
    last.watch(nobody).generate(asked)
    assert (nobody.asked, last.told()) == ([], AnswerCounts(asked=30, taken=30))


def test_what_is_exact_may_be_computed_in_any_company(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "PART_S", 0.0)
    exact = Counting()
    exact.extra = {"exact": True}
    pairs = [("a", f" {number}") for number in range(5)]
    exact.loglikelihood = stopped(exact.loglikelihood, 3)
    with pytest.raises(BackendError):
        keeper().watch(exact).loglikelihood(pairs)
    after, model = keeper(), Counting()
    model.extra = exact.extra
    after.watch(model).loglikelihood(pairs)
    assert after.told() == AnswerCounts(asked=5, taken=2)


class Writing(Counting):
    """Tells what it has begun, and takes no more than six answers before it ends."""

    begun_of = None

    def generate_in_parts(self, requests, progress, finished, begun):
        self.begun_of = [request.begun for request in requests]
        for number in range(3, 6):
            begun(number, [7, number])
        answers = self.generate(requests[:3], progress, finished)
        if len(requests) > 6:
            raise BackendError("as told")
        return [*answers, *self.generate(requests[3:], progress, finished)]


def test_answers_that_were_begun_go_on(keeper, monkeypatch):
    monkeypatch.setattr(keeping, "PART_S", 0.0)
    asked = questions(9)
    with pytest.raises(BackendError):
        keeper().watch(Writing()).generate(asked)
    after, model = keeper(), Writing()
    model.generate_in_parts = lambda requests, progress, finished, begun: (
        Writing.generate_in_parts(model, requests[:6], progress, finished, begun)
        + Counting.generate(model, requests[6:], progress, finished)
    )
    answers = after.watch(model).generate(asked)
    taken = after.told().taken
    assert taken == 2  # the third had no sign of life behind it
    # their tokens are given back to the requests that they belong to
    begun = {number: ids for number, ids in zip(range(taken, 9), model.begun_of, strict=False) if ids}
    assert begun == {3: (7, 3), 4: (7, 4), 5: (7, 5)}
    assert [answer.text for answer in answers] == [answer.text for answer in Counting().generate(asked)]
    assert after.told().notes[0].startswith("7 answers were computed without")
    last, nobody = keeper(), Counting()
    last.watch(nobody).generate(asked)
    assert (nobody.asked, last.told()) == ([], AnswerCounts(asked=9, taken=9))


def test_a_request_that_was_begun_is_the_same_request(keeper):
    asked = questions(3)
    keeper().watch(Counting()).generate(asked)
    model = Counting()
    keeper().watch(model).generate(asked)
    assert model.asked == []


def stopped(call, n):
    """A call that ends in an error after so many results."""

    def half(items, progress, finished):
        call(items[:n], progress, finished)
        raise BackendError("as told")

    return half


def test_likelihoods_are_kept_too(keeper):
    pairs = [("The capital of France is", f" town {number}") for number in range(9)]
    scores = keeper().watch(Counting()).loglikelihood(pairs)
    after, model = keeper(), Counting()
    assert after.watch(model).loglikelihood(pairs) == scores
    assert model.asked == []
    texts = ["one text", "another"]
    rolling = keeper().watch(Counting()).loglikelihood_rolling(texts)
    assert keeper().watch(Counting()).loglikelihood_rolling(texts) == rolling


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "f" * 64},
        {"engine_version": "2"},
        {"engine_build": "AVX512"},
        {"chat_template_sha256": "a" * 64},
        {"n_ctx": 512},
        {"threads": 7},
        {"exact": True},
        {"extra": {"anything that an engine says of itself": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_model_or_engine_is_never_served(keeper, change):
    keeper().watch(Counting()).generate(questions(3))
    model = Counting()
    model.extra = change
    after = keeper()
    after.watch(model).generate(questions(3))
    assert len(model.asked) == 3
    assert after.told().taken == 0
    assert "other weights" in after.told().notes[0]


@pytest.mark.parametrize("change", [{"version": 2}, {"task": "geo/rivers"}, {"variant": "1024"}, {"seed": 8}])
def test_another_task_version_variant_or_seed_is_never_served(keeper, change):
    keeper().watch(Counting()).generate(questions(3))
    model = Counting()
    keeper(**change).watch(model).generate(questions(3))
    assert len(model.asked) == 3


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"stop": ("x",)}, {"seed": 3}, {"temperature": 0.5}])
def test_another_request_is_never_served(keeper, change):
    import dataclasses

    asked = questions(3)
    keeper().watch(Counting()).generate(asked)
    model = Counting()
    keeper().watch(model).generate([dataclasses.replace(asked[0], **change), *asked[1:]])
    assert len(model.asked) == 3


def test_text_and_likelihood_of_the_same_words_are_two_questions(keeper):
    keeper().watch(Counting()).loglikelihood([("", "words")])
    model = Counting()
    (score,) = keeper().watch(model).loglikelihood_rolling(["words"])
    assert score.n_tokens == 1
    assert keeper().watch(model) is not model


def test_a_backend_that_hides_its_weights_is_not_remembered(keeper):
    model = Counting()
    model.extra = {"weights_sha256": None}
    mine = keeper()
    assert mine.watch(model) is model
    assert "does not say which weights" in mine.told().notes[0]
