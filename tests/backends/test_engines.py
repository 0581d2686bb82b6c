"""ik_llama.cpp beside llama.cpp on the same weights: what is the same, and what happens where it is wrong."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from pytest_slm.backends.llamacpp import soundness
from pytest_slm.backends.llamacpp.beside import reference
from pytest_slm.backends.llamacpp.binding import installed
from pytest_slm.backends.protocol import EngineTest
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError

pytestmark = pytest.mark.skipif(
    any(package.path is None for package in installed.PACKAGES.values()),
    reason="needs both engines: pip install 'pytest-slm[gguf,ik]'",
)

WORDS = "the a cat dog runs over house tree and then of in blue red big small river mountain city lazy".split()


def texts(n, seed=1):
    drawn = random.Random(seed)
    return [" ".join(drawn.choices(WORDS, k=drawn.randint(5, 60))) for _ in range(n)]


PAIRS = [(context, " " + ending) for context in texts(12) for ending in ("the river", "a", "dog runs over the house")]


def sums(backend):
    return [result.logprob for result in backend.loglikelihood(PAIRS)]


def test_likelihoods_of_f32_weights_are_those_of_llama_cpp_with_the_same_memory(opened, small_model):
    # ik_llama.cpp has no KV memory in F32 without flash attention, which moves sums by hundredths
    theirs = sums(opened(small_model, "llama.cpp", kv_type="F16", flash_attention=False))
    assert sums(opened(small_model)) == pytest.approx(theirs, abs=0.05)
    assert opened(small_model).describe().kv_type == "F16"


def test_sums_do_not_depend_on_the_order_of_requests(opened, small_model):
    exact = opened(small_model, exact=True)
    forward = [result.logprob for result in exact.loglikelihood(PAIRS)]
    backward = [result.logprob for result in exact.loglikelihood(PAIRS[::-1])]
    assert backward[::-1] == forward
    assert sums(opened(small_model)) == pytest.approx(forward, abs=0.02)


def test_tokens_are_the_same(opened, small_model):
    both = [opened(small_model, engine)._model for engine in ("llama.cpp", "ik")]
    for text in (*texts(5), "ÄÖ ½ ¼ 1234 <|im_end|>\n\t\x00 🦙", "<|im_start|>user\nhi<|im_end|>"):
        for parse in (False, True):
            first, second = (model.tokenize(text, add_special=True, parse_special=parse) for model in both)
            assert first == second
    for name in ("n_vocab", "bos", "eos", "adds_bos", "context_length", "chat_template"):
        assert getattr(both[0], name) == getattr(both[1], name), name
    assert both[0].heads() == both[1].heads()
    ends = [[token for token in range(model.n_vocab) if model.ends(token)] for model in both]
    assert ends[0] == ends[1]


def test_what_is_written_together_is_what_is_written_alone(opened, small_model):
    requests = [Request(prompt=text, max_tokens=12) for text in texts(9)]
    requests += [
        Request(prompt=texts(1)[0] + " " + word, max_tokens=12) for word in WORDS[:5]
    ]  # they share a beginning
    together = [one.text for one in opened(small_model).generate(requests)]
    alone = [one.text for one in opened(small_model, exact=True).generate(requests)]
    assert sum(map(str.__eq__, together, alone)) >= len(requests) - 2  # a tie may fall to either side


def test_one_seed_says_the_same_with_every_engine(opened, small_model):
    request = Request(prompt="the cat", max_tokens=12, temperature=0.9, top_p=0.9, top_k=20, seed=7)
    one, two = (opened(small_model, engine, exact=True).generate([request])[0].text for engine in ("llama.cpp", "ik"))
    assert one == two


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_grammar_decides_what_can_be_said(opened, small_model, temperature):
    grammar = 'root ::= ("yes" | "no") " " [0-9] [0-9]'
    requests = [Request(prompt=text, grammar=grammar, temperature=temperature, max_tokens=20) for text in texts(3)]
    for said in opened(small_model).generate(requests):
        word, number = said.text.split()
        assert word in ("yes", "no")
        assert len(number) == 2
        assert number.isdigit()


def test_a_grammar_that_cannot_be_read_is_refused(opened, small_model):
    with pytest.raises(BackendError, match=r"ik_llama\.cpp cannot read it"):
        opened(small_model).generate([Request(prompt="x", grammar="root ::= (", max_tokens=2)])


def test_a_model_that_drafts_changes_no_letter(opened, small_model, monkeypatch):
    # random weights are sure of nothing: let them draft all the same
    monkeypatch.setattr("pytest_slm.backends.llamacpp.beside.draft_model.SURE", 0.0)
    requests = [Request(prompt=text, max_tokens=12) for text in texts(3)]
    plain = opened(small_model).generate(requests)
    drafting = opened(small_model, draft_model=str(small_model))
    drafted = drafting.generate(requests)
    assert sum(one.text == two.text for one, two in zip(plain, drafted, strict=True)) >= 2  # a tie falls to either side
    n, kept = (sum(getattr(one, name) for one in drafted) for name in ("n_drafted", "n_accepted"))
    assert n > 8
    assert kept > n / 2  # of its own weights
    assert drafting.describe().draft_model.startswith("small.gguf (")


@pytest.mark.parametrize("settings", [{"kv_type": "F32"}, {"kv_type": "Q8_0"}])
def test_what_ik_cannot_do_is_refused_in_one_line(opened, small_model, settings):
    with pytest.raises(BackendError) as caught:
        opened(small_model, **settings).loglikelihood(PAIRS[:1])
    assert "\n" not in str(caught.value)
    assert next(iter(settings)) in str(caught.value)
    assert "ik_llama.cpp" in str(caught.value)


@pytest.mark.parametrize(
    "test",
    [EngineTest(n_prompt=40), EngineTest(n_gen=5), EngineTest(n_gen=5, n_depth=30), EngineTest(n_gen=4, n_sequences=3)],
)
def test_rounds_compute_just_their_tokens(opened, small_model, test):
    assert opened(small_model).time(test).n_evaluated == test.n_tokens * test.n_sequences


def test_buffers_are_told(opened, small_model):
    backend = opened(small_model)
    backend.loglikelihood(PAIRS[:2])
    assert set(backend.buffers()) >= {"weights", "kv_cache", "compute_buffers"}
    assert backend.buffers()["kv_cache"] == pytest.approx(backend.kv_bytes, rel=0.05)


def test_who_computed_is_in_the_description(opened, small_model):
    said = opened(small_model).describe()
    assert (said.engine, said.engine_version.split()[0]) == ("ik_llama.cpp", "ik-llama-cpp-python")
    assert opened(small_model, "llama.cpp").describe().engine == "llama.cpp"


def test_a_file_that_is_no_model_is_refused_with_the_engines_reason(opened, tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(BackendError, match=r"x\.gguf: ik_llama\.cpp cannot open it"):
        opened(path)


# -- kernels that are wrong ----------------------------------------------------------------------------------------


def wrong_in_steps_above(monkeypatch, most):
    """Lets the engine's logits be noise in steps of more than so many tokens."""
    whole = soundness._logits

    def logits(model, limits, ids, step):
        found = whole(model, limits, ids, step)
        noise = np.random.default_rng(0).normal(scale=found.std(), size=found.shape)
        return found + noise.astype(np.float32) * (min(step, limits.n_ubatch) > most)

    monkeypatch.setattr(soundness, "_logits", logits)


@pytest.mark.parametrize("engine", ["llama.cpp", "ik"])
def test_sound_kernels_are_left_alone(opened, small_model, engine):
    said = opened(small_model, engine).describe()
    assert said.kernels_nmse < 0.01
    assert said.n_ubatch == said.n_batch


def test_an_engine_whose_kernels_for_many_tokens_are_wrong_is_held_to_small_steps(opened, small_model, monkeypatch):
    right = sums(opened(small_model))
    wrong_in_steps_above(monkeypatch, 31)
    held = opened(small_model)
    said = held.describe()
    assert (said.n_ubatch, said.n_batch) == (31, 512)
    assert 0.5 < said.kernels_nmse < 2
    assert sums(held) == pytest.approx(right, abs=0.02)
    assert held.time(EngineTest(n_prompt=64)).n_evaluated == 64


def test_kernels_that_give_no_numbers_are_told_as_a_number(opened, small_model, monkeypatch):
    whole = soundness._logits

    def logits(model, limits, ids, step):
        return whole(model, limits, ids, step) * (np.nan if min(step, limits.n_ubatch) > 31 else 1)

    monkeypatch.setattr(soundness, "_logits", logits)
    said = opened(small_model).describe()
    assert (said.n_ubatch, said.kernels_nmse) == (31, 1e9)  # infinity would travel nowhere


def test_an_engine_that_is_wrong_in_small_steps_too_is_refused(opened, small_model, monkeypatch):
    wrong_in_steps_above(monkeypatch, 8)
    with pytest.raises(BackendError, match="its kernels are wrong on this processor") as caught:
        opened(small_model).describe()
    assert caught.value.slug == "kernels-wrong"


def test_numbers_that_are_none_are_infinitely_different():
    sound = np.arange(6, dtype=np.float32)
    assert soundness.difference(sound, sound) == 0
    assert soundness.difference(sound, sound + np.float32("nan")) == float("inf")
    assert soundness.difference(sound, -sound) > soundness.MOST_NMSE


@pytest.mark.parametrize("weights", ["small_model", "small_q4_1_model"])
def test_whatever_an_engine_computes_many_tokens_are_as_few(opened, request, weights):
    # the weights of each quantization, as this processor computes them: held to small steps, or right in large ones
    backend = opened(request.getfixturevalue(weights))
    said = backend.describe()
    ids = backend._model.tokenize(soundness.TEXT, add_special=True, parse_special=False)[:48]
    few, many = (soundness._logits(backend._model, backend._limits, ids, step) for step in (8, 48))
    assert soundness.difference(few, many) <= soundness.MOST_NMSE, said


# -- beside a CPU --------------------------------------------------------------------------------------------------


def test_a_library_of_ones_own_is_compared_with_the_installed_engine(opened, small_model):
    own = str(installed.PACKAGES["ik"].path)
    (beside,) = opened(small_model, None, engine_lib=own).describe().kernels_beside
    assert beside.reference.startswith("llama.cpp on the CPU (llama-cpp-python")
    assert beside.nmse < 0.03
    assert beside.same >= 0.8 * beside.places > 8
    assert 0 < beside.greatest < 1


def test_engines_of_the_cpu_alone_have_no_reference(opened, small_model):
    assert opened(small_model, "llama.cpp").describe().kernels_beside == ()


def scripted(monkeypatch, change):
    """Logits of which those of the reference are known, and the engine's are a change of them."""
    exact = np.random.default_rng(1).normal(size=(20, 50)).astype(np.float32)
    asked = []

    def reference_of(model, held, engine, lib):
        asked.append((engine, lib))
        return exact, "the CPU"

    monkeypatch.setattr(reference, "_reference", reference_of)
    monkeypatch.setattr(reference, "logits", lambda model, held, step: change(exact))
    return asked


GPU = SimpleNamespace(
    path="m.gguf", library=SimpleNamespace(engine="e", version="1", log=SimpleNamespace(places={"CUDA0"}))
)


def test_what_a_gpu_computes_is_compared_with_the_same_library_on_the_cpu(monkeypatch):
    asked = scripted(monkeypatch, lambda exact: exact * np.float32(1.01))
    (beside,) = reference.check(GPU, None, EngineSettings(engine="llama.cpp"))
    assert asked == [("llama.cpp", None)]
    assert beside.nmse == pytest.approx(0.0001, rel=0.05)
    assert (beside.same, beside.places) == (20, 20)


@pytest.mark.parametrize("change", [lambda exact: -exact, lambda exact: exact[::-1], lambda exact: exact * np.nan])
def test_a_gpu_that_is_fast_and_wrong_is_refused(monkeypatch, change):
    scripted(monkeypatch, change)
    with pytest.raises(BackendError, match="computes other logits than the CPU") as caught:
        reference.check(GPU, None, EngineSettings())
    assert caught.value.slug == "kernels-wrong"


def test_a_reference_that_cannot_be_opened_is_told(opened, small_model, monkeypatch):
    model = opened(small_model)._model
    monkeypatch.setattr(model, "path", "nowhere.gguf")
    with pytest.raises(BackendError, match=r"nowhere\.gguf: the reference .* cannot open it") as caught:
        reference._reference(model, opened(small_model)._limits, "llama.cpp", None)
    assert caught.value.slug == "kernels-reference"


@pytest.mark.parametrize(("length", "shared"), [(100, 3584 // 256 - 1), (300, 3584 // 512 - 1)])
def test_fewer_long_prompts_run_together_where_each_looks_at_the_memory_of_all(opened, small_model, length, shared):
    from pytest_slm.backends.llamacpp.generation import Batcher

    def at_once(engine):
        backend = opened(small_model, engine)
        requests = [Request(prompt_ids=(1,) * length, max_tokens=2) for _ in range(40)]
        return Batcher(backend._context, [backend._prompt(n, one) for n, one in enumerate(requests)]).at_once

    assert (at_once("llama.cpp"), at_once("ik")) == (32, shared)
