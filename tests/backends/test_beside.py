"""What stands beside the weights of a GGUF: adapters, GPUs, and models that draft."""

from types import SimpleNamespace

import pytest

from pytest_slm.backends.llamacpp import LlamaCpp
from pytest_slm.backends.llamacpp.beside.gpu import gpu_name, place
from pytest_slm.backends.llamacpp.binding import installed
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Request
from pytest_slm.errors import BackendError

ENGINES = [name for name, package in installed.PACKAGES.items() if package.path is not None]
each_engine = pytest.mark.parametrize("engine", ENGINES)
PAIRS = [("a b c", " d e"), ("the cat", " sat on it"), ("", "a")]
TENSOR, RANK, ALPHA = "blk.0.attn_q.weight", 8, 8.0


@pytest.fixture
def opened():
    """Opens a GGUF with settings of the engine."""
    made = []

    def open_(path, exact=False, **settings):
        chosen = EngineSettings(**{"threads": 1} | settings)
        made.append(LlamaCpp(ModelSpec(path=str(path), format="gguf", settings=chosen, exact=exact)))
        return made[-1]

    yield open_
    for one in made:
        one.close()


def matrices(np, rank=RANK):
    chance = np.random.default_rng(5)
    return chance.normal(0, 0.5, (rank, 32)).astype("f4"), chance.normal(0, 0.5, (32, rank)).astype("f4")


@pytest.fixture(scope="session")
def adapter(tmp_path_factory):
    """``adapter(tensor, architecture)``: a LoRA of the tiny model's attention, or of something else."""
    gguf = pytest.importorskip("gguf", reason="needs the package gguf: pip install 'pytest-slm[hf]'")
    import numpy as np

    def make(tensor=TENSOR, architecture="llama", width=32, rank=RANK):
        path = tmp_path_factory.mktemp("lora") / "law.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", ALPHA)
        a, b = matrices(np, rank)
        writer.add_tensor(f"{tensor}.lora_a", np.resize(a, (rank, width)))
        writer.add_tensor(f"{tensor}.lora_b", b)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return make


def likelihoods(backend):
    return [one.logprob for one in backend.loglikelihood(PAIRS)]


@each_engine
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_an_adapter_computes_what_the_changed_weights_do(opened, tiny_gguf, adapter, scale, engine):
    import numpy as np

    def change(name, tensor):
        if name == TENSOR.removesuffix(".weight"):
            a, b = matrices(np)
            tensor += scale * ALPHA / RANK * (b @ a)

    # ik_llama.cpp has no KV memory in F32 here, and rounds what it remembers
    how, near = {"llama.cpp": ({"kv_type": "F32"}, 1e-4), "ik": ({}, 5e-3)}[engine]
    merged = opened(tiny_gguf(change), engine=engine, **how)
    lora = f"{adapter()}:{scale}" if scale != 1 else str(adapter())
    added = opened(tiny_gguf(), engine=engine, lora=lora, **how)
    assert likelihoods(added) == pytest.approx(likelihoods(merged), abs=near)
    assert likelihoods(added) != pytest.approx(likelihoods(opened(tiny_gguf(), engine=engine, **how)), abs=3 * near)
    told = added.describe()
    assert told.lora is not None
    assert told.lora.startswith("law.gguf (")
    assert told.lora.endswith(f") x {scale:g}")
    request = Request(prompt="a b c", max_tokens=8)
    assert added.generate([request])[0].text == merged.generate([request])[0].text


@each_engine
def test_an_adapter_of_a_rank_that_kernels_compute_wrongly_is_never_measured(opened, tiny_gguf, adapter, engine):
    """ik_llama.cpp 0.1.5 computes a rank of 4 wrongly in steps of many tokens; what matters is that nobody is told so
    many wrong numbers."""
    import numpy as np

    def change(name, tensor):
        if name == TENSOR.removesuffix(".weight"):
            a, b = matrices(np, 4)
            tensor += ALPHA / 4 * (b @ a)

    added = opened(tiny_gguf(), engine=engine, lora=str(adapter(rank=4)))
    expected = pytest.approx(likelihoods(opened(tiny_gguf(change), engine=engine)), abs=5e-3)
    try:
        told = likelihoods(added) == expected
    except BackendError as error:
        told = (engine, error.slug) == ("ik", "kernels-wrong")
    assert told


@each_engine
def test_an_adapter_of_nothing_changes_nothing(opened, tiny_gguf, adapter, engine):
    plain = opened(tiny_gguf(), engine=engine)
    assert likelihoods(opened(tiny_gguf(), engine=engine, lora=f"{adapter()}:0")) == likelihoods(plain)


@each_engine
@pytest.mark.parametrize("other", [{"tensor": "blk.7.attn_q.weight"}, {"width": 64}, {"architecture": "qwen2"}])
def test_an_adapter_of_another_model_is_one_line(opened, tiny_gguf, adapter, other, engine):
    path = adapter(**other)
    with pytest.raises(BackendError, match=r"not an adapter of Tiny-F32\.gguf") as caught:
        opened(tiny_gguf(), engine=engine, lora=str(path))
    assert caught.value.slug == "lora"
    assert str(path) in str(caught.value.args[0])
    assert "\n" not in str(caught.value)


def test_a_whole_model_is_no_adapter(opened, tiny_gguf):
    with pytest.raises(BackendError, match="not an adapter of"):
        opened(tiny_gguf(), lora=str(tiny_gguf()))


@each_engine
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"gpu_layers": 20}, "gpu_layers=20: this "),
        ({"main_gpu": 0}, "main_gpu=0: this "),
        ({"tensor_split": (3.0, 1.0)}, "tensor_split=(3.0, 1.0): this "),
    ],
)
def test_a_gpu_that_the_engine_is_not_built_for_is_one_line(opened, tiny_gguf, settings, line, engine):
    with pytest.raises(BackendError) as caught:
        opened(tiny_gguf(), engine=engine, **settings)
    assert caught.value.slug == "no-gpu"
    assert str(caught.value).startswith(line + {"llama.cpp": "llama.cpp", "ik": "ik_llama.cpp"}[engine])
    assert "is built for the CPU alone; give a library that is built for the GPU with --slm-engine-lib=PATH" in str(
        caught.value
    )


def test_no_layers_on_a_gpu_need_none(opened, tiny_gguf):
    assert opened(tiny_gguf(), gpu_layers=0).describe().device is None


def build_with_gpus(n=2):
    """What a library that is built for GPUs says; none of ours is, and nothing is computed with this one."""
    kinds = [0, *[1] * n]
    c = SimpleNamespace(
        llama_supports_gpu_offload=lambda: True,
        llama_max_devices=lambda: n,
        ggml_backend_dev_count=lambda: len(kinds),
        ggml_backend_dev_get=lambda number: number,
        ggml_backend_dev_type=lambda number: kinds[number],
        ggml_backend_dev_description=lambda number: f"GPU {number}".encode(),
    )
    return SimpleNamespace(c=c, engine="llama.cpp", version="1")


def test_what_a_build_with_gpus_is_told():
    import ctypes

    parameters = SimpleNamespace()
    settings = EngineSettings(gpu_layers=7, main_gpu=1, tensor_split=(3.0,))
    kept = place(build_with_gpus(), parameters, settings)
    assert (parameters.n_gpu_layers, parameters.main_gpu) == (7, 1)
    # All of what the engine reads, with 0 for what was not said
    assert list((ctypes.c_float * 2).from_address(parameters.tensor_split)) == [3.0, 0.0]
    assert kept is not None
    assert gpu_name(build_with_gpus()) == "GPU 1"
    with pytest.raises(BackendError, match=r"3 numbers, and this llama\.cpp knows 2 devices at most"):
        place(build_with_gpus(), parameters, EngineSettings(tensor_split=(1.0, 1.0, 1.0)))
