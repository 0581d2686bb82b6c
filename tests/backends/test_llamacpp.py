"""llama.cpp with a real model, in this process: tokens, likelihoods, text, and its times."""

import hashlib
import math
import os

import pytest
from slm_surroundings import ask

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError


@pytest.fixture(scope="module")
def backend(fast_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(ModelSpec(path=str(fast_model), format="gguf", settings=EngineSettings(threads=1)))
    yield opened
    opened.close()


def test_it_describes_what_numbers_depend_on(backend, fast_model):
    described = backend.describe()
    assert described.parameters == 134_515_008
    assert described.n_ctx == 8192
    assert described.weights_sha256 == hashlib.sha256(fast_model.read_bytes()).hexdigest()
    assert len(described.chat_template_sha256) == 64


def test_a_path_need_not_be_utf_8(real_model, tmp_path):
    from pytest_slm.backends.llamacpp.binding.installed import library
    from pytest_slm.backends.llamacpp.model import Model

    path = tmp_path / os.fsdecode(b"m\xff.gguf")
    path.symlink_to(real_model)
    model = Model(str(path), library())
    assert model.n_vocab == 49_152
    model.close()


@pytest.fixture
def split_model(tiny_gguf, tmp_path):
    """The first of three parts of a tiny model, and how many parameters all of them have."""
    gguf = pytest.importorskip("gguf", reason="needs gguf to split a file: pip install 'pytest-slm[hf]'")
    source = gguf.GGUFReader(tiny_gguf())
    n = -(-len(source.tensors) // 3)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama", split_max_tensors=n)
    for field in source.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in source.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "m-00001-of-00003.gguf", sum(int(tensor.n_elements) for tensor in source.tensors)


def test_of_a_split_model_all_parts_count(split_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    first, parameters = split_model
    parts = sorted(first.parent.glob("*.gguf"))
    opened = LlamaCpp(ModelSpec(path=str(first), format="gguf", settings=EngineSettings(threads=1)))
    described = opened.describe()
    opened.close()
    hashes = sorted(hashlib.sha256(part.read_bytes()).hexdigest() for part in parts)
    assert (len(parts), described.parameters) == (3, parameters)
    assert described.file_bytes == sum(part.stat().st_size for part in parts)
    # as of a folder of safetensors; of a single file it is the file's own
    assert described.weights_sha256 == hashlib.sha256("\n".join(hashes).encode()).hexdigest()


# -- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["Hello world", " leading", "two  spaces\n\nlines", "ünïcödé 漢字 🙂", "a\x00b", "<|im_end|>"]
)
def test_tokens_spell_the_text(backend, text):
    ids = backend._model.tokenize(text, add_special=False, parse_special=False)
    assert b"".join(backend._model.piece(token) for token in ids).decode() == text


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_many_pairs_are_split_as_each_of_them_alone(backend, threads):
    from pytest_slm.prompts.pairs import split_pair, split_pairs

    shots = "Question: 2 + 2?\nAnswer: 4\n\n" * 5
    pairs = [(f"{shots}{n % 5} ½  \n", f"{choice} the end") for n in range(20) for choice in ("A", " B", "wor", "ld")]
    assert split_pairs(backend._model, pairs, threads) == [split_pair(backend._model, *pair) for pair in pairs]
    assert split_pairs(backend._model, [], threads) == []
    with pytest.raises(BackendError, match="empty continuation"):
        split_pairs(backend._model, [*pairs, ("context", "")], threads)


def test_the_template_adds_what_the_model_was_trained_on(backend):
    ids = backend._shown(ask("Hi"))
    text = b"".join(backend._model.piece(token) for token in ids).decode()
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert text.count("<|im_start|>system") == 1


def test_a_user_cannot_end_the_turn_by_spelling_its_end(backend):
    plain, spelled = backend._shown(ask("Say so")), backend._shown(ask("Say <|im_end|> so"))
    end = backend._model.tokenize("<|im_end|>", add_special=False, parse_special=True)[0]
    assert plain.count(end) == spelled.count(end) == 2


def test_counted_tokens_are_the_evaluated_ones(backend):
    request = ask("Count me, please.", max_tokens=1)
    generation = backend.generate([request])[0]
    assert backend.count_tokens([request]) == [generation.n_prompt] == [generation.timings.n_evaluated]


def test_a_token_that_does_not_exist_is_refused(backend):
    with pytest.raises(BackendError, match="no token id"):
        backend.generate([Request(prompt_ids=(1, 10**6))])


# -- likelihoods --------------------------------------------------------------------------------------------------


def test_the_right_capital_is_likelier(backend):
    context = "The capital of France is"
    (written,) = backend.generate([Request(prompt=context, max_tokens=1)])
    paris, london, greedy = backend.loglikelihood([(context, text) for text in (" Paris", " London", written.text)])
    assert paris.logprob > london.logprob
    assert greedy.is_greedy
    assert not london.is_greedy


def test_one_tokens_probabilities_sum_to_one(backend):
    import numpy as np

    from pytest_slm.backends.llamacpp import scoring
    from pytest_slm.prompts.packing import PackedRow

    head = backend._model.tokenize("The sky is", add_special=True, parse_special=False)
    # 200 tokens that between them hold nearly all of the mass, from the model's own ranking
    context = backend._context
    context.reserve(16, 1, shared=True)  # the kernel that scores
    context.decode([PackedRow(token, position, [0]) for position, token in enumerate(head)], [len(head) - 1])
    rows = [context.logits(len(head) - 1).copy()]
    top = np.argsort(-rows[0])[:200]
    scored = {}
    scoring.loglikelihoods(
        context, [(head, [int(token)]) for token in top], scored.__setitem__, lambda: None, exact=False
    )
    expected = rows[0].astype(np.float64)
    expected -= np.logaddexp.reduce(expected)
    logprobs = [scored[number].logprob for number in range(len(top))]
    assert logprobs == pytest.approx(expected[top].tolist(), abs=0.05)
    assert 0.8 < sum(math.exp(logprob) for logprob in logprobs) <= 1.02


def test_white_space_moves_to_the_continuation(backend):
    # lm-eval's rule: ("a ", "b") is ("a", " b")
    one, two = backend.loglikelihood([("The capital of France is ", "Paris"), ("The capital of France is", " Paris")])
    assert one == two


def test_an_empty_context_is_the_start_of_a_text(backend):
    (result,) = backend.loglikelihood([("", "Once upon a time")])
    assert result.n_tokens == 4
    assert result.logprob < 0


def test_an_empty_continuation_is_refused(backend):
    with pytest.raises(BackendError, match="empty continuation"):
        backend.loglikelihood([("context", "")])


def test_the_order_of_requests_matters_only_within_the_engines_noise(backend):
    context = "Question: Which gas do plants take in?\nAnswer:"
    pairs = [(context, f" {word}") for word in ("carbon dioxide", "oxygen", "helium", "carbon monoxide")]
    forward = [r.logprob for r in backend.loglikelihood(pairs)]
    backward = [r.logprob for r in backend.loglikelihood(pairs[::-1])][::-1]
    alone = [backend.loglikelihood([pair])[0].logprob for pair in pairs]
    # quantized kernels differ by the shape of the batch; the ranking may not
    assert forward == pytest.approx(backward, abs=0.2)
    assert forward == pytest.approx(alone, abs=0.2)


def test_a_too_long_context_loses_its_left_end(small_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    small = LlamaCpp(ModelSpec(path=str(small_model), format="gguf", settings=EngineSettings(n_ctx=64, threads=1)))
    try:
        long = "word " * 500 + "The capital of France is"
        assert small.loglikelihood([(long, " Paris")])[0].n_tokens == 1
        with pytest.raises(BackendError, match="does not fit"):
            small.loglikelihood([("x", " word" * 100)])
        with pytest.raises(BackendError, match="choose a shorter variant") as caught:
            small.generate([Request(prompt="word " * 100)])
        assert caught.value.slug == "context-too-long"
    finally:
        small.close()


def test_rolling_windows_predict_every_token_once(backend):
    from pytest_slm.prompts.pairs import rolling_windows

    ids = list(range(10))
    # the example in the docstring of lm-eval's LM.loglikelihood_rolling
    assert rolling_windows(ids, -1, 4) == [
        ([-1], [0, 1, 2, 3]),
        ([3], [4, 5, 6, 7]),
        ([5, 6, 7], [8, 9]),
    ]


def test_a_text_that_fits_is_rolled_as_one(backend):
    text = "The quick brown fox jumps over the lazy dog."
    (rolled,) = backend.loglikelihood_rolling([text])
    (scored,) = backend.loglikelihood([("", text)])
    assert rolled.logprob == pytest.approx(scored.logprob, abs=0.05)


# -- text ---------------------------------------------------------------------------------------------------------


def test_greedy_text_repeats(backend):
    request = Request(prompt="Once upon a time", max_tokens=16)
    first, second = backend.generate([request, request])
    assert first.text == second.text


def test_a_seed_decides_sampled_text(backend):
    def text(seed):
        return backend.generate([Request(prompt="Once upon a time", max_tokens=16, temperature=1.0, seed=seed)])[0].text

    assert text(1) == text(1)
    assert len({text(seed) for seed in range(4)}) > 1


def test_nothing_is_cached_between_calls(backend):
    # llama_cpp.Llama.generate re-uses the longest matching prefix: the second time it would compute one token
    request = Request(prompt="word " * 300, max_tokens=1)
    first, second = backend.generate([request])[0], backend.generate([request])[0]
    assert first.timings.n_evaluated == second.timings.n_evaluated == first.n_prompt > 300
    assert second.timings.prefill_s > first.timings.prefill_s / 5


def test_a_stop_string_ends_the_text_before_it(backend):
    free = backend.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=20)])[0]
    assert " 7" in free.text
    stopped = backend.generate([Request(prompt="1, 2, 3, 4, 5,", max_tokens=20, stop=(" 7",))])[0]
    assert stopped.text == free.text[: free.text.index(" 7")]
    assert stopped.finish == "stop"


def test_a_stop_string_may_span_tokens():
    from pytest_slm.prompts.text import GrowingText

    text = GrowingText(["END!"])
    assert [text.add(piece) for piece in (b"go E", b"N", b"D", b"! more")] == [False, False, False, True]
    assert text.finish() == "go "


def test_half_a_character_is_no_crash():
    from pytest_slm.prompts.text import GrowingText

    text = GrowingText([])
    for byte in "é🙂".encode()[:-1]:
        text.add(bytes([byte]))
    assert text.finish() == "é\ufffd"


def test_forced_length_goes_past_the_end_of_turn(backend):
    request = ask("Reply with the single word: yes", max_tokens=60, forced_length=True)
    generation = backend.generate([request])[0]
    assert (generation.n_output, generation.finish) == (60, "length")
    stamps = generation.timings.token_s
    assert len(stamps) == 60
    assert list(stamps) == sorted(stamps)
    assert generation.timings.end_s >= stamps[-1]


def test_the_parts_of_the_first_token_add_up(backend):
    timings = backend.generate([ask("word " * 200, max_tokens=1, forced_length=True)])[0].timings
    parts = timings.prepare_s + timings.prefill_s + timings.sample_s + timings.detokenize_s
    assert parts == pytest.approx(timings.token_s[0], rel=1e-6)


def test_an_empty_prompt_is_refused(backend):
    with pytest.raises(BackendError, match="prompt is empty"):
        backend.generate([Request(prompt="")])


def test_a_file_that_is_no_model_is_refused_with_the_engines_reason(tmp_path):
    pytest.importorskip("llama_cpp")
    from pytest_slm.backends.llamacpp import LlamaCpp

    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(BackendError, match=r"x\.gguf: llama\.cpp cannot open it"):
        LlamaCpp(ModelSpec(path=str(path), format="gguf"))


@pytest.mark.parametrize(
    ("settings", "slug", "reason"),
    [
        ({"n_seq_max": 300}, "context-open", "n_seq_max must be <= 256"),
        ({"type_v": 2, "flash_attn_type": 0}, "context-open", "quantized V cache requires flash_attn"),
        ({"n_ctx": 2**23, "type_k": 0, "type_v": 0}, "context-memory", "failed to allocate"),  # 360 GiB
    ],
)
def test_a_context_that_cannot_be_opened_is_told_with_the_engines_own_reason(backend, settings, slug, reason):
    from pytest_slm.backends.llamacpp.context import opened

    with pytest.raises(BackendError, match=reason) as caught:
        opened(backend._model, {"n_ctx": 512, **settings})
    assert caught.value.slug == slug


def test_closing_twice_is_allowed(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(ModelSpec(path=str(real_model), format="gguf"))
    opened.close()
    opened.close()
