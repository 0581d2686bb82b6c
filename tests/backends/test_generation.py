"""Many requests at once through llama.cpp: the same texts as one by one, shared beginnings, stops, seeds, grammars."""

import dataclasses
import json
import re

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import BackendError

PROMPTS = ("Once upon a time", "The capital of France is", "1, 2, 3, 4, 5,", "def add(a, b):", "Water boils at", "My")


@pytest.fixture(scope="module")
def backend(f32_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    # F32 weights: what differs between two ways of computing is an error of ours, not the noise of a quantization
    opened = LlamaCpp(ModelSpec(path=str(f32_model), format="gguf", settings=EngineSettings(threads=1)))
    yield opened
    opened.close()


@pytest.fixture
def limited(f32_model):
    """Opens the model with other limits; closes it afterwards."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = []

    def open_(*, exact=False, **settings):
        spec = ModelSpec(
            path=str(f32_model), format="gguf", settings=EngineSettings(threads=1, **settings), exact=exact
        )
        opened.append(LlamaCpp(spec))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


def texts(generations):
    return [generation.text for generation in generations]


def alone(backend, requests):
    return [backend.generate([request])[0] for request in requests]


# -- what is foretold ----------------------------------------------------------------------------------------------

CIRCLES = (
    "1 2 3 4 5 6 1 2 3 4 5 6 1 2 3 4 5 6 1 2",
    "red green blue red green blue red green blue red",
    "ab ab ab ab ab",
)


@pytest.fixture
def steps(backend, monkeypatch):
    """How many rows each step of the engine had so far."""
    seen = []
    decode = backend._context.decode

    def watching(rows, wanted):
        seen.append(len(rows))
        return decode(rows, wanted)

    monkeypatch.setattr(backend._context, "decode", watching)
    return seen


def plainly(backend, requests, monkeypatch):
    """The answers of token by token."""
    from pytest_slm.backends.llamacpp import drafts

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "SURE", 10**9)
        return backend.generate(requests)


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 70},
        {"max_tokens": 70, "temperature": 0.1, "seed": 5},
        {"max_tokens": 60, "stop": ("6 1 2 3 4 5 6 1 2 3 4 5 6 1 2 3 4 5",)},
    ],
    ids=["greedy", "sampled", "stopped"],
)
def test_what_is_foretold_changes_no_text_and_takes_fewer_steps(backend, steps, monkeypatch, more):
    requests = [Request(prompt=prompt, **more) for prompt in CIRCLES]
    requests += [Request(prompt=prompt, **{**more, "max_tokens": 20}) for prompt in PROMPTS[:2]]
    expected = plainly(backend, requests, monkeypatch)
    n_plain = len(steps)
    found = backend.generate(requests)
    assert texts(found) == texts(expected)
    assert [(g.n_output, g.finish) for g in found] == [(g.n_output, g.finish) for g in expected]
    assert all(len(g.timings.token_s) == g.n_output for g in found)
    assert len(steps) - n_plain < n_plain


def test_a_circle_takes_a_fraction_of_the_steps(backend, steps):
    (answer,) = backend.generate([Request(prompt=CIRCLES[0], max_tokens=100)])
    assert answer.n_output == 100
    assert len(steps) < 60


def test_a_forced_length_is_written_token_by_token(backend, steps):
    backend.generate([Request(prompt=CIRCLES[0], max_tokens=30, forced_length=True)])
    assert steps[1:] == [1] * 29


def test_where_the_shape_is_fixed_nothing_is_foretold(limited, monkeypatch):
    exact = limited(exact=True)
    seen = []
    decode = exact._context.decode
    monkeypatch.setattr(exact._context, "decode", lambda rows, wanted: (seen.append(len(rows)), decode(rows, wanted)))
    exact.generate([Request(prompt=CIRCLES[0], max_tokens=30)])
    assert seen[1:] == [1] * 29


# -- together as alone --------------------------------------------------------------------------------------------


def test_requests_get_the_answers_that_they_get_alone(backend):
    requests = [Request(prompt=prompt, max_tokens=4 + 3 * n) for n, prompt in enumerate(PROMPTS)]
    together = backend.generate(requests)
    assert texts(together) == texts(alone(backend, requests))
    assert [g.n_output for g in together] == [request.max_tokens for request in requests]


def test_more_requests_than_sequences_wait_for_a_free_one(limited):
    few = limited(n_seq=2)
    requests = [Request(prompt=prompt, max_tokens=2 + n % 3 * 4) for n, prompt in enumerate(PROMPTS * 2)]
    assert texts(few.generate(requests)) == texts(alone(few, requests))


def test_little_kv_memory_means_fewer_at_once_and_the_same_answers(limited, backend):
    narrow = limited(kv_cells=40)
    requests = [Request(prompt=prompt, max_tokens=6) for prompt in PROMPTS]
    assert texts(narrow.generate(requests)) == texts(backend.generate(requests))


def test_memory_is_counted_in_the_engines_blocks(backend):
    # a text of 257 tokens, and one that is not shown any more, takes 512 cells
    from pytest_slm.backends.llamacpp.generation import Batcher

    context = backend._context
    limits = dataclasses.replace(context.limits, kv_cells=4096, n_seq=64)
    prompts = [backend._prompt(n, Request(prompt_ids=(1,) * 250, max_tokens=8)) for n in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "limits", limits)
        batcher = Batcher(context, prompts)
    assert (batcher.n_cells, batcher.at_once) == (257, 4096 // 512 - 1)


def test_a_prompt_that_may_lose_its_left_end_is_answered_as_its_end_is(limited):
    short = limited(n_ctx=64)
    words = "one two three four five six seven eight nine ten " * 12
    ids = short._model.tokenize(words, add_special=False, parse_special=False)
    cut, end = short.generate(
        [Request(prompt=words, max_tokens=6, keep_end=True), Request(prompt_ids=tuple(ids[-58:]), max_tokens=6)]
    )
    assert (cut.text, cut.n_prompt) == (end.text, 58)
    assert short.workload_of_requests([Request(prompt=words, max_tokens=6, keep_end=True)]).evaluated == 58
    with pytest.raises(BackendError, match="choose a shorter variant"):
        short.generate([Request(prompt=words, max_tokens=6)])


def test_no_requests_are_no_work(backend):
    assert backend.generate([]) == []


def test_a_request_that_ends_leaves_the_others_undisturbed(backend):
    # the sequences of those that end early are filled by those that go on: their memory moves
    requests = [Request(prompt=prompt, max_tokens=1 if n % 2 == 0 else 24) for n, prompt in enumerate(PROMPTS)]
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))


def test_a_small_batch_takes_long_prompts_in_pieces(limited, backend):
    small = limited(n_batch=32, n_seq=4)
    requests = [Request(prompt=f"{prompt} " * 12, max_tokens=4) for prompt in PROMPTS]
    assert texts(small.generate(requests)) == texts(backend.generate(requests))


# -- shared beginnings --------------------------------------------------------------------------------------------


def test_a_common_beginning_is_computed_once(backend):
    preamble = "Question: What is two and two?\nAnswer: four\n\n" * 10
    requests = [Request(prompt=f"{preamble}Question: What is {n} and one?\nAnswer:", max_tokens=4) for n in range(8)]
    together = backend.generate(requests)
    longest = together[0].n_prompt
    assert sum(g.timings.n_evaluated for g in together) < 2 * longest
    assert texts(together) == texts(alone(backend, requests))


def test_equal_prompts_are_computed_once_but_answered_each(backend):
    request = Request(prompt="word " * 100 + "and so on", max_tokens=5)
    first, *rest = backend.generate([request] * 5)
    assert texts(rest) == [first.text] * 4
    evaluated = sorted(g.timings.n_evaluated for g in (first, *rest))
    assert evaluated == [1, 1, 1, 1, first.n_prompt]


@pytest.mark.parametrize("n_batch", [16, 33, 64])
def test_a_beginning_may_be_longer_than_a_batch(limited, n_batch):
    small = limited(n_batch=n_batch)
    # The first is running and speaks on while the others' beginning is read in several steps.
    requests = [Request(prompt="A story of its own:", max_tokens=12)]
    requests += [Request(prompt=f"{'word ' * 100}Number {n}:", max_tokens=3) for n in range(3)]
    together = small.generate(requests)
    assert texts(together) == texts(alone(small, requests))
    assert sum(g.timings.n_evaluated for g in together) < sum(g.n_prompt for g in together[:2]) + 30


def test_beginnings_of_several_kinds_follow_one_another(backend):
    # a, b and c: each group has its trunk, and a part of it is that of all
    common = "The following are facts about the world. " * 6
    requests = [
        Request(prompt=f"{common}{('About ' + kind + '. ') * 20}Number {n}:", max_tokens=3)
        for kind in ("animals", "plants", "stones")
        for n in range(3)
    ]
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))


# -- telling ------------------------------------------------------------------------------------------------------


def test_every_result_is_told_once_when_it_is_known(backend):
    told, counts = [], []
    requests = [Request(prompt=prompt, max_tokens=20 - 3 * n) for n, prompt in enumerate(PROMPTS)]
    results = backend.generate(requests, lambda *count: counts.append(count), lambda n, g: told.append((n, g)))
    assert sorted(n for n, _ in told) == list(range(len(PROMPTS)))
    assert all(results[n] == g for n, g in told)
    assert told[0][0] == len(PROMPTS) - 1  # it has the least to say
    assert counts == sorted(counts)
    assert counts[-1] == (len(PROMPTS), len(PROMPTS))


def test_an_interrupt_in_the_middle_leaves_the_backend_usable(backend):
    def stop(number, _):
        raise KeyboardInterrupt

    requests = [Request(prompt=prompt, max_tokens=3 + n) for n, prompt in enumerate(PROMPTS)]
    with pytest.raises(KeyboardInterrupt):
        backend.generate(requests, finished=stop)
    assert texts(backend.generate(requests)) == texts(alone(backend, requests))
    assert backend.loglikelihood([("The capital of France is", " Paris")])[0].is_greedy


def test_times_go_up_and_the_first_token_is_one_of_them(backend):
    for generation in backend.generate([Request(prompt=prompt, max_tokens=8) for prompt in PROMPTS]):
        stamps = generation.timings.token_s
        assert list(stamps) == sorted(stamps)
        assert generation.timings.prepare_s + generation.timings.prefill_s <= stamps[0] <= generation.timings.end_s


# -- ends ---------------------------------------------------------------------------------------------------------


def test_every_request_has_stop_strings_of_its_own(backend):
    free = backend.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=24)])[0].text
    stops = (" 7", " 9", "never", ", 8")
    stopped = backend.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=24, stop=(stop,)) for stop in stops])
    assert texts(stopped) == [free.split(stop)[0] for stop in stops]
    assert [g.finish for g in stopped] == ["stop", "stop", "length", "stop"]


def test_a_prompt_that_is_too_long_is_refused_before_anything_runs(limited):
    small = limited(n_ctx=64)
    told = []
    requests = [Request(prompt="Hi", max_tokens=2), Request(prompt="word " * 100, max_tokens=2)]
    with pytest.raises(BackendError, match="choose a shorter variant"):
        small.generate(requests, finished=lambda *_: told.append(1))
    assert not told


def test_text_ends_where_the_context_does(limited):
    small = limited(n_ctx=64)
    (generation,) = small.generate([Request(prompt="word " * 60, max_tokens=50, forced_length=True)])
    assert generation.finish == "context"
    assert generation.n_prompt + generation.n_output == 65  # the last one is not shown to the model


def test_a_prompt_may_fill_the_context_and_is_answered_with_one_token(limited):
    small = limited(n_ctx=64)
    words = "word " * 63
    (filled,) = small.generate([Request(prompt=words, max_tokens=5, forced_length=True)])
    assert (filled.n_prompt, filled.n_output, filled.timings.n_evaluated) == (64, 1, 64)
    roomy = limited(n_ctx=128).generate([Request(prompt=words, max_tokens=1, forced_length=True)])
    assert filled.text == roomy[0].text
    with pytest.raises(BackendError, match="the prompt has 65 tokens, the context of the model 64"):
        small.generate([Request(prompt=words + "word ", max_tokens=1)])


# -- chance -------------------------------------------------------------------------------------------------------


def test_no_seed_is_a_random_one(backend):
    # llama.cpp takes the greatest seed for "any"
    request = Request(prompt="Once upon a time", max_tokens=12, temperature=1.0, seed=-1)
    assert len(set(texts([backend.generate([request])[0] for _ in range(3)]))) == 1


def test_a_seed_means_the_same_whoever_runs_beside_it(backend):
    def request(seed):
        return Request(prompt="Once upon a time", max_tokens=12, temperature=0.9, top_k=40, top_p=0.95, seed=seed)

    requests = [request(seed) for seed in range(6)]
    together = texts(backend.generate(requests))
    assert together == texts(alone(backend, requests))
    assert together[::-1] == texts(backend.generate(requests[::-1]))
    assert len(set(together)) > 3


def test_top_k_of_one_is_greedy(backend):
    greedy, chance = backend.generate(
        [Request(prompt=PROMPTS[0], max_tokens=10), Request(prompt=PROMPTS[0], max_tokens=10, temperature=2.0, top_k=1)]
    )
    assert greedy.text == chance.text


# -- grammars -----------------------------------------------------------------------------------------------------

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def test_a_json_schema_is_kept(backend):
    ask = Message(role="user", content="Describe a person of 30 years as JSON.")
    requests = [
        Request(messages=(ask,), max_tokens=80, json_schema=PERSON, temperature=temperature, seed=3)
        for temperature in (0.0, 1.0)
    ]
    for generation in backend.generate(requests):
        assert generation.finish == "stop"
        person = json.loads(generation.text)
        assert isinstance(person["name"], str)
        assert isinstance(person["age"], int)


def test_a_grammar_decides_what_can_be_said(backend):
    requests = [
        Request(prompt="The answer is", max_tokens=5, grammar='root ::= " yes" | " no"', temperature=1.5, seed=seed)
        for seed in range(12)
    ]
    said = texts(backend.generate(requests))
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
