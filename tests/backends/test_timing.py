"""Rounds of the engine alone: exactly what was asked is computed, by both engines, at any depth."""

import dataclasses

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import TIMING, EngineTest, ModelSpec
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import BackendError, NotAvailableError

SHAPES = [
    {"n_prompt": 40},
    {"n_gen": 5},
    {"n_gen": 3, "n_sequences": 4},
    {"n_prompt": 40, "n_depth": 30},
    {"n_gen": 5, "n_depth": 30},
    {"n_prompt": 700},
    {"n_gen": 2, "n_depth": 700, "n_sequences": 2},
]
GREETING = Request(messages=(Message(role="user", content="Hi"),), max_tokens=4)


@pytest.fixture(scope="module")
def llama(small_q4_1_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    settings = EngineSettings(threads=1, n_ctx=1024)
    opened = LlamaCpp(ModelSpec(path=str(small_q4_1_model), format="gguf", settings=settings))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def torch_model(tmp_path_factory, real_model):
    """A tiny network with SmolLM2's tokenizer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from pytest_slm.backends.hf import Transformers
    from pytest_slm.backends.hf.model import _load_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = _load_tokenizer(real_model)
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    opened = Transformers(
        ModelSpec(path=str(folder), format="safetensors", settings=EngineSettings(threads=1, device="cpu"))
    )
    yield opened
    opened.close()


@pytest.fixture(params=["llama", "torch_model"])
def backend(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exactly_what_was_asked_is_computed(backend, shape):
    for seed in range(2):  # the second finds the depth in memory
        test = EngineTest(**shape, seed=seed)
        times = backend.time(test)
        assert times.n_evaluated == test.n_tokens * test.n_sequences
        assert 0 < times.inside_s <= times.seconds


def test_it_says_that_it_can(backend):
    assert TIMING in backend.capabilities


def test_a_depth_is_computed_once(backend):
    told = []
    for seed in range(3):
        backend.time(EngineTest(n_gen=1, n_depth=600, seed=seed), lambda done, total: told.append((done, total)))
    assert told == [(0, 600), (512, 600)]


def test_a_prompt_and_single_tokens_at_a_depth_take_turns_without_computing_it_again(backend):
    told = []
    for seed in range(3):
        for shape in ({"n_prompt": 300}, {"n_gen": 1}):
            test = EngineTest(**shape, n_depth=580, seed=seed)
            times = backend.time(test, lambda done, _: told.append(done))
            assert times.n_evaluated == test.n_tokens
    assert told == [0, 512]


def test_a_depth_whose_filling_was_interrupted_is_computed_anew(backend):
    def interrupt(*_):
        raise KeyboardInterrupt

    test = EngineTest(n_gen=1, n_depth=570)
    with pytest.raises(KeyboardInterrupt):
        backend.time(test, interrupt)
    told = []
    assert backend.time(test, lambda *counts: told.append(counts)).n_evaluated == 1
    assert told == [(0, 570), (512, 570)]


@pytest.mark.parametrize(
    "call",
    [
        lambda backend: backend.generate([GREETING]),
        lambda backend: backend.loglikelihood([("Once upon", " a time")]),
        lambda backend: backend.loglikelihood_rolling(["Once upon a time"]),
    ],
    ids=["generate", "loglikelihood", "rolling"],
)
def test_every_other_call_takes_the_memory_of_a_depth_back(backend, call):
    told = []
    for _ in range(2):
        backend.time(EngineTest(n_gen=1, n_depth=550), lambda done, _: told.append(done))
        call(backend)
    assert told == [0, 512] * 2


def test_another_depth_is_computed_anew(backend):
    told = []
    for depth in (550, 500, 550):
        backend.time(EngineTest(n_gen=1, n_depth=depth), lambda done, total: told.append((done, total)))
    assert told == [(0, 550), (512, 550), (0, 500), (0, 550), (512, 550)]


def test_rounds_of_other_shapes_and_other_calls_do_not_disturb_each_other(backend):
    before = backend.generate([GREETING])[0].text
    for shape in (SHAPES[3], SHAPES[2], SHAPES[3], SHAPES[0], SHAPES[4]):
        times = backend.time(EngineTest(**shape))
        assert times.n_evaluated == EngineTest(**shape).n_tokens * shape.get("n_sequences", 1)
        assert backend.generate([GREETING])[0].text == before


def test_more_than_the_context_is_refused(backend):
    with pytest.raises(BackendError, match=r"1025 tokens are needed, the context of the model has 1024") as caught:
        backend.time(EngineTest(n_prompt=25, n_depth=1000))
    assert caught.value.slug == "context-too-long"


def test_buffers_have_sizes(backend):
    backend.generate([GREETING])
    buffers = backend.buffers()
    # llama.cpp keeps a second copy of some quantizations, in an order that suits its kernels.
    assert 0.99 <= buffers["weights"] / backend.describe().weights_bytes <= 2
    assert buffers["kv_cache"] > 0


def test_the_kv_memory_of_llama_cpp_is_as_large_as_its_cells(llama):
    llama.generate([GREETING])
    assert llama.buffers()["kv_cache"] == pytest.approx(llama.kv_bytes, rel=0.01)
    assert llama.buffers()["compute_buffers"] > 0


def test_the_kv_memory_of_torch_is_that_of_the_tokens(torch_model):
    generation = torch_model.generate([GREETING])[0]
    n = generation.n_prompt + generation.n_output - 1  # what was said last was not computed any more
    assert torch_model.buffers()["kv_cache"] == n * 2 * 2 * 2 * 8 * 4  # layers, keys and values, heads, width, bytes


def test_attention_is_computed_as_for_text(llama, monkeypatch):
    from pytest_slm.backends.llamacpp import timing

    seen = []
    opened = timing.opened
    monkeypatch.setattr(
        timing, "opened", lambda model, how: (seen.append(how["flash_attn_type"]), opened(model, how))[1]
    )
    for flash, cells in ((True, 0), (True, 256), (True, 255), (False, 0)):
        limits = dataclasses.replace(llama._limits, flash_attention=flash, plain_attention_cells=cells)
        timer = timing.EngineTimer(llama._model, limits)
        assert timer.run(EngineTest(n_gen=1)).n_evaluated == 1
        timer.release()
    assert seen == [1, 0, 1, 0]


@pytest.mark.parametrize(("cells", "opened_times"), [(0, 1), (512, 1), (300, 4)])
def test_rounds_at_no_depth_share_a_context_unless_attention_differs(llama, monkeypatch, cells, opened_times):
    # the first step of a new context pays for its memory, and would be a part of what is timed
    from pytest_slm.backends.llamacpp import timing

    seen = []
    opened = timing.opened
    monkeypatch.setattr(timing, "opened", lambda model, how: (seen.append(how["n_ctx"]), opened(model, how))[1])
    timer = timing.EngineTimer(llama._model, dataclasses.replace(llama._limits, plain_attention_cells=cells))
    for _ in range(2):
        timer.run(EngineTest(n_prompt=300))
        timer.run(EngineTest(n_gen=2))
    timer.release()
    assert len(seen) == opened_times


def test_an_engine_that_lost_a_token_is_an_error(llama, monkeypatch):
    monkeypatch.setattr(type(llama._timer), "_length", lambda self, sequence: 4)
    with pytest.raises(BackendError, match="4 of 5 tokens were computed") as caught:
        llama.time(EngineTest(n_gen=5))
    assert caught.value.slug == "engine-count"


@pytest.mark.parametrize(
    "wrong", [{}, {"n_prompt": 1, "n_gen": 1}, {"n_prompt": -1}, {"n_gen": 1, "n_sequences": 0}, {"n_depth": 5}]
)
def test_a_round_of_nothing_does_not_exist(wrong):
    with pytest.raises(RecordError):
        EngineTest(**wrong)


# -- through the process ----------------------------------------------------------------------------------------


def test_times_and_buffers_come_through_the_host(fake_hosts):
    remote = fake_hosts(A={"pace_s": [0.01], "buffers": {"weights": 1000}}).open("A")
    times = remote.time(EngineTest(n_gen=50, n_sequences=2))
    assert (times.seconds, times.n_evaluated) == (1.0, 100)
    assert remote.buffers() == {"weights": 1000}


def test_a_backend_that_has_no_times_says_so(monkeypatch):
    from pytest_slm.backends.lookup import BackendEntry
    from pytest_slm.hosts.host import Host

    class Plain:
        capabilities = frozenset({"generate"})

        def __init__(self, spec):
            self.describe = Fake(spec).describe

    monkeypatch.setattr(BackendEntry, "load", lambda self: Plain)
    host = Host(BackendEntry(name="plain", target="x:y", formats=()), ModelSpec(path=None, format="fake"))
    for call, args in (("time", EngineTest(n_gen=1).to_json()), ("buffers", None)):
        with pytest.raises(NotAvailableError) as caught:
            host.call(call, args)
        assert caught.value.slug == "no-timing"


def test_a_new_process_is_a_new_process(fake_hosts):
    hosts = fake_hosts(A={}, B={}, alone=False)
    first, other = hosts.open("A").host.pid, hosts.open("B").host.pid
    hosts.end("A")
    assert hosts.open("A").host.pid not in (first, other)
    assert hosts.open("B").host.pid == other
    hosts.end("C")  # there is none
