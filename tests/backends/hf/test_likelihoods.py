"""Sums of log-probabilities are those of lm-eval's HFLM, whatever is packed with what."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_slm.core.types import Request
from pytest_slm.errors import BackendError

PACKED = {"llama": True, "gpt2": True, "bloom": False, "dynamic": False, "sliding": False, "recurrent": False}


def asked(*args):
    from lm_eval.api.instance import Instance

    return [Instance("loglikelihood", {}, given, number) for number, given in enumerate(args)]


@pytest.mark.parametrize(("n_batch", "exact"), [(8, False), (512, False), (512, True)])
def test_scores_are_those_of_hflm(opened, hflm, pairs, architecture, n_batch, exact):
    backend = opened(architecture, exact, n_batch=n_batch)
    told = {}
    found = backend.loglikelihood(pairs, finished=told.__setitem__)
    theirs = hflm(backend).loglikelihood(asked(*pairs), disable_tqdm=True)
    assert [score.logprob for score in found] == pytest.approx([logprob for logprob, _ in theirs], abs=1e-3)
    assert [score.is_greedy for score in found] == [greedy for _, greedy in theirs]
    assert [told[number] for number in range(len(pairs))] == found
    assert backend.describe().packs is PACKED[architecture]


def test_a_likely_continuation_is_greedy(opened):
    backend = opened()
    text = backend.generate([Request(prompt="Once upon", max_tokens=1)])[0].text
    (score,) = backend.loglikelihood([("Once upon", text)])
    assert (score.is_greedy, score.n_tokens) == (True, 1)


def test_pairs_are_split_as_lm_eval_splits_them(opened, hflm, pairs):
    from pytest_slm.prompts.pairs import split_pair

    backend = opened()
    theirs = hflm(backend)
    split = [split_pair(backend._model.tokenizer, *pair) for pair in pairs if pair[0]]
    assert split == [theirs._encode_pair(*pair) for pair in pairs if pair[0]]


def test_exact_results_do_not_depend_on_company(opened, pairs):
    backend = opened(exact=True)
    together = backend.loglikelihood(pairs)
    assert together == [backend.loglikelihood([pair])[0] for pair in pairs]
    assert together == backend.loglikelihood(pairs[::-1])[::-1]


branches = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(st.tuples(branches, branches), min_size=1, max_size=8), n_batch=st.integers(1, 40))
def test_any_tree_of_texts_has_the_sums_of_each_text_alone(opened, torch, requests, n_batch):
    # four different tokens only, so that the texts share many beginnings
    from pytest_slm.backends.hf import scoring

    model = opened()._model
    found = {}
    scoring.loglikelihoods(model, requests, found.__setitem__, lambda: None, n_batch=n_batch, packs=True, exact=False)
    for number, (head, tail) in enumerate(requests):
        ids = model.tensor([head + tail])
        with torch.inference_mode():
            logprobs = model.network(input_ids=ids[:, :-1]).logits[0].log_softmax(-1)
        expected = sum(logprobs[len(head) - 1 + place, token].item() for place, token in enumerate(tail))
        assert found[number].logprob == pytest.approx(expected, abs=1e-3)


def test_a_model_that_sees_strangers_is_not_packed(opened, monkeypatch):
    from pytest_slm.backends.hf import packed

    model = opened()._model
    assert packed.can_pack(model)
    monkeypatch.setattr(packed.GroupMemory, "_mask", lambda *_: None)
    assert not packed.can_pack(model)


def test_logits_are_asked_for_only_where_something_is_predicted(opened, monkeypatch):
    backend = opened()
    widths = []
    head = backend._model.network.get_output_embeddings()
    hook = head.register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    try:
        backend.loglikelihood([("Water is wet. Fire is hot.\n\nSnow is", f" {choice}") for choice in "ABCD"])
    finally:
        hook.remove()
    assert widths == [1]


def test_half_precision_is_what_was_asked_for(opened, pairs):
    backend = opened(dtype="bfloat16")
    assert backend.describe().dtype == "bfloat16"
    assert backend.describe().packs is True
    whole = opened().loglikelihood(pairs)
    for score, reference in zip(backend.loglikelihood(pairs), whole, strict=True):
        assert score.logprob == pytest.approx(reference.logprob, rel=0.1)


def test_a_checkpoint_keeps_its_own_precision(folder, open_folder, torch, transformers, tmp_path):
    network = transformers.AutoModelForCausalLM.from_pretrained(folder("llama"), dtype=torch.bfloat16)
    shutil.copytree(folder("llama"), tmp_path / "half")
    network.save_pretrained(tmp_path / "half")
    assert open_folder(tmp_path / "half").describe().dtype == "bfloat16"


@pytest.mark.parametrize("name", ["llama", "recurrent"])
def test_long_texts_are_rolled_as_lm_eval_rolls_them(opened, hflm, name):
    backend = opened(name, n_ctx=24)
    texts = ["The quick brown fox jumps over the lazy dog. " * repeats for repeats in (1, 2, 7)]
    theirs = hflm(backend, max_length=24).loglikelihood_rolling(asked(*((text,) for text in texts)), disable_tqdm=True)
    found = backend.loglikelihood_rolling(texts)
    assert [score.logprob for score in found] == pytest.approx(theirs, abs=1e-3)
    assert [score.n_tokens for score in found] == [len(backend._model.tokenizer._source.encode(t)) for t in texts]


def test_a_too_long_context_loses_its_left_end_as_in_lm_eval(opened, hflm):
    backend = opened(n_ctx=24)
    pairs = [("word " * 60 + "The capital of France is", f" {city}") for city in ("Paris", "Rome or so")]
    theirs = hflm(backend, max_length=24).loglikelihood(asked(*pairs), disable_tqdm=True)
    found = [score.logprob for score in backend.loglikelihood(pairs)]
    assert found == pytest.approx([logprob for logprob, _ in theirs], abs=1e-3)
    with pytest.raises(BackendError, match="does not fit") as caught:
        backend.loglikelihood([("x", " word" * 30)])
    assert caught.value.slug == "context-too-long"


def test_an_empty_continuation_is_refused(opened):
    with pytest.raises(BackendError, match="empty continuation") as caught:
        opened().loglikelihood([("context", "")])
    assert caught.value.slug == "empty-continuation"
