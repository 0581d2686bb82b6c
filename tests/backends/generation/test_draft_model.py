"""A model that drafts: the text is the one that is written without it, and what it drafted is counted."""

import pytest

from pytest_slm.backends.llamacpp import LlamaCpp
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import BackendError


@pytest.fixture(scope="module")
def opened():
    """Opens a GGUF, with a model that drafts if one is named."""
    made = []

    def open_(path, draft=None, exact=False):
        settings = EngineSettings(threads=1, n_ctx=512, draft_model=None if draft is None else str(draft))
        made.append(LlamaCpp(ModelSpec(path=str(path), format="gguf", settings=settings, exact=exact)))
        return made[-1]

    yield open_
    for one in made:
        one.close()


@pytest.fixture
def bold(monkeypatch):
    """A model with random weights is sure of nothing: let it draft all the same."""
    monkeypatch.setattr("pytest_slm.backends.llamacpp.beside.draft_model.SURE", 0.0)


def requests(n=6, **more):
    asked = [f"Tell me about the number {number} and the {word}." for number, word in enumerate("sea hill dog".split())]
    several = [Request(messages=(Message(role="user", content=text),), **{"max_tokens": 24} | more) for text in asked]
    return [*several, *(Request(prompt="Once upon a time " * k, **{"max_tokens": 24} | more) for k in range(1, n - 2))]


def texts(answers):
    return [(answer.text, answer.finish, answer.n_output) for answer in answers]


def test_the_text_is_the_one_that_is_written_without_it(opened, small_model, bold):
    """With the model's own weights nearly all of the drafts are kept."""
    plain = opened(small_model).generate(requests())
    drafted = opened(small_model, small_model).generate(requests())
    assert texts(drafted) == texts(plain)
    n, kept = (sum(getattr(one, name) for one in drafted) for name in ("n_drafted", "n_accepted"))
    assert n > 20
    assert 0.8 < kept / n <= 1
    assert {(one.n_drafted, one.n_accepted) for one in plain} == {(None, None)}


def test_a_model_that_drafts_something_else_costs_time_and_no_letter(
    opened, small_model, small_q4_1_model, real_model, bold
):
    plain = opened(small_model).generate(requests())
    assert texts(opened(small_model, small_q4_1_model).generate(requests())) == texts(plain)
    # SmolLM2 drafts sentences, of which a model with random weights says next to nothing.
    few = requests(n=3, max_tokens=5)
    answers = opened(small_model, real_model).generate(few)
    assert texts(answers) == texts(opened(small_model).generate(few))
    assert sum(one.n_accepted for one in answers) < sum(one.n_drafted for one in answers) / 5


def test_calls_do_not_depend_on_those_before(opened, small_model, bold):
    backend = opened(small_model, small_model)
    first = backend.generate(requests())
    backend.loglikelihood([("a b", " c")])
    assert texts(backend.generate(requests()[::-1])[::-1]) == texts(first)
    assert texts(backend.generate(requests()[:1])) == texts(first[:1])


def test_chance_and_lengths_that_are_forced(opened, small_model, bold):
    plain, drafting = opened(small_model), opened(small_model, small_model)
    by_chance = requests(temperature=0.8, seed=3)
    assert texts(drafting.generate(by_chance)) == texts(plain.generate(by_chance))
    forced = drafting.generate(requests(forced_length=True))
    assert {one.n_drafted for one in forced} == {None}
    assert [one.n_output for one in forced] == [24] * len(forced)


def test_the_end_of_a_context_is_met_by_both(opened, small_model, bold):
    long = [Request(prompt="word " * 500, max_tokens=40)]
    plain, drafted = (opened(small_model, draft).generate(long) for draft in (None, small_model))
    assert texts(drafted) == texts(plain)


def test_a_real_model_drafts_for_its_own_precise_weights(opened, f32_model, real_model):
    asked = requests(n=3, max_tokens=16)[:2]
    plain, drafted = (opened(f32_model, draft).generate(asked) for draft in (None, real_model))
    assert texts(drafted) == texts(plain)
    n, kept = (sum(getattr(one, name) for one in drafted) for name in ("n_drafted", "n_accepted"))
    assert n > 4
    assert kept / n > 0.6  # it drafts only what it is sure of


def test_it_is_told_and_takes_memory(opened, small_model):
    plain, drafting = opened(small_model), opened(small_model, small_model)
    drafting.generate(requests()[:2])
    plain.generate(requests()[:2])
    assert drafting.buffers()["weights"] == 2 * plain.buffers()["weights"]
    assert drafting.describe().draft_model.startswith("small.gguf (")
    assert plain.describe().draft_model is None


def test_another_vocabulary_is_one_line(opened, small_model, tiny_gguf):
    path = tiny_gguf()
    with pytest.raises(BackendError, match=r"its vocabulary has .* tokens, and that of the model") as caught:
        opened(small_model, path)
    assert caught.value.slug == "draft-model"
    assert str(path) in str(caught.value.args[0])


def test_an_exact_run_has_no_drafts(opened, small_model):
    with pytest.raises(
        BackendError, match="--slm-exact computes every request in a way of its own; leave out one of them"
    ):
        opened(small_model, small_model, exact=True)
