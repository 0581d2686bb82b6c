"""Text is what transformers writes, with our stop strings, seeds, times and ends."""

import dataclasses
import json
import shutil

import pytest

from pytest_slm.backends.protocol import EngineTest
from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError, NotAvailableError

CAPITAL = "Question: What is the capital of France?\nAnswer:"


def test_greedy_text_is_what_transformers_generates(opened, torch, architecture):
    backend = opened(architecture)
    model = backend._model
    generation = backend.generate([Request(prompt=CAPITAL, max_tokens=12, forced_length=True)])[0]
    ids = model.tensor([model.tokenizer.tokenize(CAPITAL, add_special=True, parse_special=False)])
    options = {"max_new_tokens": 12, "min_new_tokens": 12, "do_sample": False, "eos_token_id": 10**6}
    with torch.inference_mode():
        theirs = model.network.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=2, **options)
    assert CAPITAL + generation.text == model.tokenizer.decode(theirs[0])
    assert (generation.n_output, generation.finish) == (12, "length")


def test_a_seed_decides_sampled_text(opened):
    def text(seed, **options):
        request = Request(prompt="Once upon a time", max_tokens=8, temperature=1.0, seed=seed, **options)
        return opened().generate([request])[0].text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) > 1
    greedy = opened().generate([Request(prompt="Once upon a time", max_tokens=8)])[0].text
    assert text(1, top_k=1) == greedy == text(1, top_p=1e-9)


def test_sampled_tokens_come_as_often_as_they_are_likely(torch):
    from pytest_slm.backends.hf.sampling import Sampler

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()

    def drawn(**options):
        sampler = Sampler(Request(prompt="x", seed=7, **options))
        return [sampler.pick(logits, 0) for _ in range(4000)]

    shares = [drawn(temperature=1.0).count(token) / 4000 for token in range(4)]
    assert shares == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert set(drawn(temperature=1.0, top_k=2)) == {0, 1}
    assert set(drawn(temperature=1.0, top_p=0.9)) == {0, 1, 2}
    # top_p first, then the temperature: all four would be in it the other way round
    assert set(drawn(temperature=50.0, top_p=0.7)) == {0, 1}
    assert set(drawn(temperature=50.0, min_p=0.2)) == {0, 1, 2}  # a fifth of 0.5, and before the temperature too
    flat = drawn(temperature=50.0)
    assert [flat.count(token) / 4000 for token in range(4)] == pytest.approx([0.25] * 4, abs=0.04)


def test_a_stop_string_ends_the_text_before_it(opened):
    free = opened().generate([Request(prompt=CAPITAL, max_tokens=12)])[0]
    stop = free.text[len(free.text) // 2 :][:3]
    stopped = opened().generate([Request(prompt=CAPITAL, max_tokens=12, stop=(stop,))])[0]
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish == "stop"
    forced = opened().generate([Request(prompt=CAPITAL, max_tokens=12, stop=(stop,), forced_length=True)])[0]
    assert (forced.n_output, forced.finish) == (12, "length")


def test_the_models_own_end_stops_it(folder, open_folder, opened, torch, tmp_path):
    request = Request(prompt=CAPITAL, max_tokens=12)
    ids = opened()._model.tokenizer.tokenize(CAPITAL, add_special=True, parse_special=False)
    with torch.inference_mode():
        written = opened()._model.network.generate(opened()._model.tensor([ids]), max_new_tokens=3, do_sample=False)
    path = shutil.copytree(folder("llama"), tmp_path / "ends")
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, int(written[0, -1])]}))
    generation = open_folder(path).generate([request])[0]
    assert generation.finish == "stop"
    assert generation.n_output <= 2


def test_the_context_ends_what_never_stops(opened):
    backend = opened(n_ctx=24)
    prompt = "word " * 10
    generation = backend.generate([Request(prompt=prompt, max_tokens=100, forced_length=True)])[0]
    # the last one is not shown to the model
    assert (generation.finish, generation.n_prompt + generation.n_output) == ("context", 25)
    with pytest.raises(BackendError, match="choose a shorter variant") as caught:
        backend.generate([Request(prompt="word " * 40)])
    assert caught.value.slug == "context-too-long"


def test_a_prompt_that_may_lose_its_left_end_is_cut_as_in_lm_eval(opened, hflm):
    from lm_eval.api.instance import Instance

    backend = opened(n_ctx=24)
    prompts = ["word " * 60 + "and then?", "a few words", "word " * 17]  # the last one fits, but not with its answer
    how = {"until": [], "max_gen_toks": 8, "do_sample": False}
    instances = [Instance("generate_until", {}, (prompt, how), number) for number, prompt in enumerate(prompts)]
    theirs = hflm(backend, max_length=24).generate_until(instances, disable_tqdm=True)
    requests = [Request(prompt=prompt, max_tokens=8, keep_end=True) for prompt in prompts]
    ours = backend.generate(requests)
    assert [generation.text for generation in ours] == theirs
    assert [generation.n_prompt for generation in ours] == backend.count_tokens(requests) == [16, 3, 16]
    with pytest.raises(BackendError, match="leaves no room for a prompt") as caught:
        backend.generate([Request(prompt="Hi", max_tokens=24, keep_end=True)])
    assert caught.value.slug == "context-too-long"


def test_every_token_has_its_time(opened):
    timings = opened().generate([Request(prompt=CAPITAL, max_tokens=6, forced_length=True)])[0].timings
    stamps = list(timings.token_s)
    assert len(stamps) == 6
    assert stamps == sorted(stamps)
    assert 0 <= timings.prepare_s + timings.prefill_s + timings.sample_s <= stamps[0]
    assert timings.end_s >= stamps[-1]


def test_results_are_told_as_they_come(opened):
    told, beats = [], []
    requests = [Request(prompt=prompt, max_tokens=3, forced_length=True) for prompt in ("a", "b")]
    results = opened().generate(requests, lambda *done: beats.append(done), lambda *result: told.append(result))
    assert told == list(enumerate(results))
    assert beats[-1] == (2, 2)
    assert len(beats) > 6


def test_impossible_requests_are_refused(opened):
    for request, slug in ((Request(prompt=""), "empty-prompt"), (Request(prompt_ids=(1, 10**6)), "backend")):
        with pytest.raises(BackendError) as caught:
            opened().generate([request])
        assert caught.value.slug == slug
    with pytest.raises(NotAvailableError, match="--slm-backend=llamacpp") as unavailable:
        opened().generate([Request(prompt="x", grammar='root ::= "a"')])
    assert unavailable.value.slug == "no-grammar"


def test_a_new_token_is_all_that_is_computed_of_a_growing_text(opened, monkeypatch, architecture):
    # transformers has renamed the memory before: then every step would read the whole text again, and be right.
    backend = opened(architecture)
    lengths = []
    run = backend._model._run

    def watching(rows, wanted, **inputs):
        lengths.append(len(rows[0]))
        return run(rows, wanted, **inputs)

    monkeypatch.setattr(backend._model, "_run", watching)
    (answer,) = backend.generate([Request(prompt="Once upon a time", max_tokens=4, forced_length=True)])
    assert lengths == [answer.n_prompt, 1, 1, 1]


@pytest.mark.parametrize("budget", [0, 6])
def test_a_thinking_is_ended_when_its_tokens_are_spent(opened, budget):
    model = opened(thinking=budget)
    closing = len(model._tokenizer.tokenize("\n</think>\n\n", add_special=False, parse_special=True))
    (found,) = model.generate([Request(prompt=f"{CAPITAL}\n<think>\n", max_tokens=5)])
    assert (found.n_output - found.n_reasoning, found.finish) == (5, "length")
    assert budget + closing <= found.n_reasoning <= budget + closing + 1
    assert bool(found.reasoning) == bool(budget)
    assert found.text
    (plain,) = model.generate([Request(prompt=CAPITAL, max_tokens=5)])
    assert (plain.n_reasoning, plain.n_output) == (0, 5)
    (censored,) = opened().generate([Request(prompt=f"{CAPITAL}\n<think>\n", max_tokens=5)])
    assert (censored.text, censored.n_reasoning, censored.ending) == ("", 5, "censored")


def test_no_text_likelihood_or_time_is_made_of_what_is_no_number(folder, open_folder, torch, tokenizer):
    backend = open_folder(folder("llama"), device="cpu")
    before = backend.loglikelihood([("a b", " c")])
    (zebra,) = tokenizer.encode(" zebra")
    with torch.no_grad():
        network = backend._model.network
        assert network.lm_head.weight.data_ptr() != network.get_input_embeddings().weight.data_ptr()
        network.get_input_embeddings().weight[zebra, 0] = float("nan")
    asked = Request(prompt="the zebra", max_tokens=4)
    calls = [
        lambda: backend.generate([asked]),
        lambda: backend.generate([dataclasses.replace(asked, temperature=1.0)]),
        lambda: backend.loglikelihood([("the zebra", " is"), ("a b", " c")]),
        lambda: backend.time(EngineTest(n_gen=4)),
    ]
    for number, call in enumerate(calls):
        if number == 3:
            with torch.no_grad():
                network.get_input_embeddings().weight[:, 0] = float("inf")
        with pytest.raises(BackendError, match="computes no numbers") as caught:
            call()
        assert caught.value.slug == "not-finite"
        if number < 3:
            assert backend.loglikelihood([("a b", " c")]) == before
