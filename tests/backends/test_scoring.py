"""Likelihoods do not depend on how requests are ordered and packed: nearly with F32, to the last bit with ``exact``."""

import dataclasses
import functools
import random
import sys

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError

SUBJECTS = ("cat", "house", "teacher", "river", "song")
ENDINGS = (" is old.", " has never been seen by anyone in this town.", " fell", " makes a noise and then it stops.")
PAIRS = [
    (f"{shots}The {subject}", ending)
    for shots in ("", "The dog is young. " * 12)
    for subject in SUBJECTS
    for ending in ENDINGS
]

FIXTURES = {"F32": "small_model", "Q4_1": "small_q4_1_model", "real F32": "f32_model", "real Q4_1": "real_model"}


@pytest.fixture
def opened(request):
    """Opens small weights (F32 or Q4_1) or real ones (``real F32``, ``real Q4_1``); closes them afterwards."""
    yield from _opened(request)


@pytest.fixture(scope="module")
def shared(request):
    """The same for all tests, opened once: what an earlier call left in a backend must not matter."""
    opened = functools.cache(next(opening := _opened(request)))
    yield opened
    next(opening, None)


def _opened(request):
    from pytest_slm.backends.llamacpp import LlamaCpp

    backends = []

    def open_(weights="F32", *, exact=False, **settings):
        path = request.getfixturevalue(FIXTURES[weights])
        spec = ModelSpec(
            path=str(path), format="gguf", settings=EngineSettings(**{"threads": 1} | settings), exact=exact
        )
        backends.append(LlamaCpp(spec))
        return backends[-1]

    yield open_
    for backend in backends:
        backend.close()


@pytest.fixture
def processor(monkeypatch):
    """Lets the engine say that the processor has these features."""
    from pytest_slm.backends.llamacpp.binding.installed import library

    def has(features):
        monkeypatch.setattr(library().c, "llama_print_system_info", lambda: f"CPU : {features} | ".encode())

    return has


def sums(backend, pairs):
    return [result.logprob for result in backend.loglikelihood(pairs)]


def reordered(backend, pairs, seed=0):
    order = random.Random(seed).sample(range(len(pairs)), len(pairs))
    shuffled = sums(backend, [pairs[place] for place in order])
    return [shuffled[order.index(place)] for place in range(len(pairs))]


@pytest.mark.parametrize(("weights", "pairs"), [("F32", PAIRS), ("real F32", PAIRS[::7])], ids=["F32", "real F32"])
def test_f32_sums_depend_neither_on_order_nor_on_packing(shared, weights, pairs):
    backend = shared(weights)
    packed = sums(backend, pairs)
    assert reordered(backend, pairs) == pytest.approx(packed, abs=1e-3)
    assert [sums(backend, [pair])[0] for pair in pairs[::7]] == pytest.approx(packed[::7], abs=1e-3)
    assert reordered(backend, pairs[: len(pairs) // 2]) == pytest.approx(packed[: len(pairs) // 2], abs=1e-3)


@pytest.mark.parametrize("n_batch", [1, 3, 64, 100])
def test_a_batch_of_any_size_gives_the_same_sums(opened, shared, n_batch):
    # as many sequences as rows of logits, or more: the engine aborts where it has room for fewer rows than sequences
    pairs = PAIRS[-len(ENDINGS) :]
    assert sums(opened(n_batch=n_batch), pairs) == pytest.approx(sums(shared(), pairs), abs=1e-3)


@pytest.mark.parametrize("threads", [2, 3])
def test_sums_do_not_depend_on_how_many_threads_add_them_up(opened, shared, threads):
    pairs = PAIRS[:9]
    assert sums(opened(threads=threads), pairs) == pytest.approx(sums(shared(), pairs), abs=1e-3)


@pytest.mark.parametrize("weights", ["F32", "Q4_1", "real Q4_1"])
def test_exact_sums_are_the_same_to_the_last_bit(shared, weights):
    backend = shared(weights, exact=True)
    pairs = [PAIRS[0], PAIRS[1], PAIRS[-2]] if weights.startswith("real") else PAIRS[:8] + PAIRS[-8:]
    together = sums(backend, pairs)
    assert reordered(backend, pairs) == together
    assert [sums(backend, [pair])[0] for pair in pairs] == together


def test_small_batches_and_few_sequences_change_nothing(opened, shared):
    wide = sums(shared(), PAIRS)
    assert sums(opened(n_batch=48, n_seq=3), PAIRS) == pytest.approx(wide, abs=1e-3)
    assert sums(opened(n_batch=512, n_seq=1), PAIRS) == pytest.approx(wide, abs=1e-3)


def test_models_with_a_running_state_are_scored_one_by_one(opened, shared, monkeypatch):
    # a recurrent layer has no cells that could be shared; none of these models is small enough to ship
    from pytest_slm.backends.llamacpp.binding.installed import library

    wide = sums(shared(), PAIRS)
    monkeypatch.setattr(library().c, "llama_model_is_recurrent", lambda _: True)
    alone = opened()
    assert alone.describe().n_seq == 1
    assert sums(alone, PAIRS) == pytest.approx(wide, abs=1e-3)


def test_equal_requests_get_equal_answers(shared):
    results = shared().loglikelihood([PAIRS[0]] * 5)
    assert results == [results[0]] * 5


def test_no_requests_are_no_work(shared):
    assert shared().loglikelihood([]) == []
    assert shared().loglikelihood_rolling([]) == []


@pytest.mark.parametrize("n", [10_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_many_requests_are_planned_and_answered(shared, n):
    # 40 distinct ones: what is tested is planning and bookkeeping
    pairs = [PAIRS[n % 40] for n in range(n)]
    told = []
    results = shared("Q4_1").loglikelihood(pairs, finished=lambda n, _: told.append(n))
    assert len(results) == len(set(told)) == n
    assert results[40:80] == results[:40]


def test_planning_and_bookkeeping_stay_far_from_quadratic(shared):
    backend = shared("Q4_1")

    def calls(n):
        """How many functions are called for so many requests, of 40 different ones."""
        pairs, count = [PAIRS[number % 40] for number in range(n)], 0

        def counting(_frame, event, _argument):
            nonlocal count
            count += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(counting)
        try:
            backend.loglikelihood(pairs)
        finally:
            sys.setprofile(before)
        return count

    assert calls(2_000) < 2.5 * calls(1_000)


def test_an_interrupt_in_the_middle_leaves_the_backend_usable(shared):
    backend = shared()
    before = sums(backend, PAIRS)

    def stop(number, _):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.loglikelihood(PAIRS, finished=stop)
    assert sums(backend, PAIRS) == pytest.approx(before, abs=1e-3)


def test_is_greedy_is_what_greedy_decoding_writes(shared):
    from pytest_slm.core.types import Request

    backend = shared("real Q4_1")
    contexts = [f"The {subject}" for subject in SUBJECTS]
    written = backend.generate([Request(prompt=context, max_tokens=4, forced_length=True) for context in contexts])
    own = backend.loglikelihood([(c, g.text) for c, g in zip(contexts, written, strict=True)])
    other = backend.loglikelihood([(c, g.text[:-1] + "zq") for c, g in zip(contexts, written, strict=True)])
    assert [result.is_greedy for result in own] == [True] * len(contexts)
    assert [result.is_greedy for result in other] == [False] * len(contexts)


def test_a_rolled_text_in_windows_is_the_sum_of_its_windows(opened):
    small, text = opened(n_ctx=32), "The quick brown fox jumps over the lazy dog. " * 9
    (rolled,) = small.loglikelihood_rolling([text])
    both = small.loglikelihood_rolling([text, "Another text."])
    assert both[0].logprob == pytest.approx(rolled.logprob, abs=1e-3)
    assert rolled.n_tokens == len(small._model.tokenize(text, add_special=False, parse_special=False))


def test_exact_sums_need_no_large_batch(opened, shared):
    small = opened(exact=True, n_batch=24)
    assert sums(small, PAIRS[20:24]) == pytest.approx(sums(shared(exact=True), PAIRS[20:24]), abs=1e-3)
    assert sums(small, PAIRS[20:24]) == reordered(small, PAIRS[20:24])


def test_a_block_of_an_exact_sum_is_never_cut_for_its_logits(opened, monkeypatch):
    # Where it were cut depends on which of its tokens are predicted, and so on who shares it.
    from pytest_slm.backends.llamacpp import limits

    monkeypatch.setattr(limits, "LOGITS_BYTES", 4 * 49152 * 10)  # as with a vocabulary that is many times as large
    assert opened(exact=True, n_seq=1).describe().n_outputs == 64


def test_a_long_text_shows_that_work_goes_on(opened):
    backend = opened(n_batch=64)
    told = []
    backend.loglikelihood([("The dog is young. " * 60, " It barks.")], lambda *counts: told.append(counts))
    assert told.count((0, 1)) >= 4
    assert told[-1] == (1, 1)


# -- limits -------------------------------------------------------------------------------------------------------


def test_reference_weights_are_computed_precisely_and_others_as_users_do(shared):
    precise, usual = shared().describe(), shared("Q4_1").describe()
    assert (precise.kv_type, precise.flash_attention) == ("F32", False)
    assert (usual.kv_type, usual.flash_attention) == ("F16", True)


@pytest.mark.parametrize(
    ("features", "slow"), [("AVX2 = 1 | FMA = 1", True), ("AVX2 = 1 | AVX512 = 1", False), ("NEON = 1", False)]
)
def test_where_flash_attention_is_slow_for_single_tokens_short_texts_do_without(opened, processor, features, slow):
    processor(features)
    assert (opened("Q4_1").describe().plain_attention_cells > 0) is slow
    assert opened("Q4_1", flash_attention=True).describe().plain_attention_cells == 0
    assert opened().describe().plain_attention_cells == 0  # F32 has no flash attention at all


def test_how_long_a_short_text_is(opened, processor):
    processor("AVX2 = 1 | FMA = 1")
    assert opened("real Q4_1").describe().plain_attention_cells == 3640
    assert opened("real Q4_1", kv_type="Q8_0").describe().plain_attention_cells == 0


@pytest.mark.parametrize("asked", [(700, 100, 300), (100, 300, 700, 100)], ids=str)
def test_the_kernel_of_a_text_does_not_depend_on_the_texts_before_it(opened, monkeypatch, asked):
    # memory that an earlier call left open is larger than needed, and may have been opened with the other kernel
    from pytest_slm.backends.llamacpp import context as module

    backend = opened("Q4_1")
    limits = dataclasses.replace(backend._limits, flash_attention=True, plain_attention_cells=600)
    used = []
    open_context = module.opened
    monkeypatch.setattr(module, "opened", lambda *how: (used.append(how[1]["flash_attn_type"]), open_context(*how))[1])
    context = module.Context(backend._model, limits)
    found = []
    for n_cells in asked:
        context.reserve(n_cells, 1)
        found.append(used[-1])
    context.close()
    assert found == [int(n_cells > 512) for n_cells in asked]


def test_text_is_the_same_with_both_kernels(opened, processor):
    found = []
    for features in ("AVX2 = 1", "AVX2 = 1 | AVX512 = 1"):
        processor(features)
        backend = opened("real Q4_1")
        assert backend.generate([Request(prompt="The capital of France is", max_tokens=1)])[0].text == " Paris"
        found.append(sums(backend, PAIRS[:4]))
    assert found[0] == found[1]  # likelihoods have one kernel anyway, whatever was written before


def test_what_is_asked_for_is_used_and_told(opened):
    asked = {"n_ctx": 256, "n_batch": 64, "n_seq": 5, "kv_cells": 700, "kv_type": "Q8_0", "flash_attention": True}
    backend = opened("real Q4_1", **asked)
    assert asked.items() <= backend.describe().known.items()
    assert backend.loglikelihood([("The capital of France is", " Paris")])[0].is_greedy


def test_a_quantized_memory_brings_the_attention_that_it_needs(opened):
    backend = opened("real F32", kv_type="Q8_0")
    described = backend.describe()
    assert (described.kv_type, described.flash_attention) == ("Q8_0", True)
    assert backend.loglikelihood([("The capital of France is", " Paris")])[0].is_greedy


def test_settings_that_contradict_each_other_are_refused(opened):
    with pytest.raises(BackendError, match="needs flash attention"):
        opened("Q4_1", kv_type="Q8_0", flash_attention=False)


def test_settings_that_this_machine_cannot_have_are_refused(opened):
    # the engine would abort the process, and the system would end it
    with pytest.raises(BackendError, match=r"threads=1000000: this machine has"):
        opened("Q4_1", threads=1_000_000)
    with pytest.raises(BackendError, match=r"kv_cells=2000000000: .* GiB of KV memory, and this machine has"):
        opened("Q4_1", kv_cells=2_000_000_000)


def test_a_batch_asks_for_no_more_logits_than_memory_allows(shared):
    from pytest_slm.backends.llamacpp.limits import LOGITS_BYTES

    limits = shared()._limits
    assert limits.n_outputs * 4 * 49_152 <= LOGITS_BYTES
    assert limits.n_outputs > limits.n_seq
