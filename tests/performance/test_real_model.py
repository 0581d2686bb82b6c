"""A real engine: a tokenizer and a clock of its own."""

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings
from pytest_slm.errors import NotAvailableError
from pytest_slm.performance import Decode, Depth, FirstToken, Generate
from pytest_slm.performance.prompts import Prompts


def opened(path):
    from pytest_slm.backends.llamacpp import LlamaCpp

    backend = LlamaCpp(ModelSpec(path=str(path), format="gguf", settings=EngineSettings(threads=1)))
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def llama(small_model):
    """Small weights with the real model's tokenizer, opened with one thread."""
    yield from opened(small_model)


@pytest.fixture(scope="module")
def base(small_model, tmp_path_factory):
    """The small weights as a base model has them: under the template's key there is none."""
    key, path = b"tokenizer.chat_template", tmp_path_factory.mktemp("base") / "base.gguf"
    content = small_model.read_bytes()
    assert content.count(key) == 1
    path.write_bytes(content.replace(key, b"tokenizer.chat_tEMPLATE"))
    yield from opened(path)


@pytest.fixture(scope="module")
def smollm(real_model):
    """The real model, of which a token takes as long as one does."""
    yield from opened(real_model)


def test_next_to_no_time_of_a_token_is_ours(smollm, one):
    rounds = Generate(smollm, 16)
    one(rounds, 2)
    assert 0 < rounds.provenance()["loop_share"] < 0.02


def test_a_real_tokenizer_is_fitted_exactly_and_nothing_is_cached(llama, one):
    rounds = Decode(llama, 4)
    assert all(one(rounds).values["decode_tps"] > 0 for _ in range(2))


def test_a_base_model_is_timed_with_prompts_of_the_same_length(base, one):
    from pytest_slm.core.types import Message, Request

    with pytest.raises(NotAvailableError, match="no chat template"):
        base.count_tokens([Request(messages=(Message(role="user", content="stone"),), max_tokens=1)])
    assert one(Decode(base, 4)).values["decode_tps"] > 0
    assert one(FirstToken(base, 128)).values["ttft"] > 0


@pytest.mark.parametrize("n", [512, 2048])
def test_the_lengths_of_the_suite_are_hit_with_a_real_tokenizer(llama, n):
    from pytest_slm.core.types import Request

    assert llama.count_tokens([Request(messages=Prompts(llama, n, n).next(), max_tokens=1)]) == [n]


def test_the_time_to_the_first_token_is_the_sum_of_its_parts(llama, one):
    rounds = FirstToken(llama, 128)
    for _ in range(3):
        values = dict(one(rounds).values)
        total = values.pop("ttft")
        assert len(values) == 4
        assert sum(values.values()) == pytest.approx(total, rel=0.01)
        assert all(value >= 0 for value in values.values())


def test_depth_makes_a_real_engine_slower(llama, one):
    rounds = {depth: Depth(llama, depth) for depth in (0, 512)}
    # the best of five in turn: what else the machine does slows one round more than the depth does
    turns = [{depth: one(one_depth).values["prefill_tps"] for depth, one_depth in rounds.items()} for _ in range(5)]
    assert max(turn[512] for turn in turns) < max(turn[0] for turn in turns)
