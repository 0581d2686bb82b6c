"""What is opened, what is refused and why, and what a report is told of it."""

import json
import shutil
import sys

import pytest

from pytest_slm.backends.lookup import Backends
from pytest_slm.errors import BackendError


def test_it_describes_what_numbers_depend_on(opened, folder):
    described = opened().describe()
    network = opened()._model.network
    assert (described.name, described.engine) == ("hf", "transformers")
    assert described.n_ctx == 128
    assert (described.dtype, described.device, described.threads) == ("float32", "cpu", 1)
    assert described.parameters == network.num_parameters()
    assert described.weights_bytes == 4 * described.parameters
    assert len(described.weights_sha256) == len(described.chat_template_sha256) == 64
    json.dumps(described.to_json(), allow_nan=False)


def test_shards_are_hashed_together(folder, opened, open_folder, pairs, tmp_path):
    path = tmp_path / "shards"
    shutil.copytree(folder("llama"), path)
    (path / "model.safetensors").unlink()
    network = opened()._model.network
    network.save_pretrained(path, max_shard_size="200KB")
    assert len(list(path.glob("*.safetensors"))) > 1
    backend = open_folder(path)
    assert backend.describe().weights_sha256 != opened().describe().weights_sha256
    scores = [[score.logprob for score in one.loglikelihood(pairs)] for one in (backend, opened())]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_pickled_weights_are_refused(folder, refused, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "pickled")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    assert refused(path).slug == "pickle-refused"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "../elsewhere/model.safetensors"])
def test_no_detour_leads_to_pickles_or_out_of_the_folder(folder, refused, tmp_path, name):
    elsewhere = shutil.copytree(folder("llama"), tmp_path / "elsewhere")
    indexed = shutil.copytree(folder("llama"), tmp_path / "indexed")
    (indexed / "model.safetensors").rename(indexed / "pytorch_model.bin")
    (indexed / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"x": name}}))
    assert refused(indexed).slug == "pickle-refused"
    named = shutil.copytree(indexed, tmp_path / "named")
    config = json.loads((elsewhere / "config.json").read_text())
    (named / "config.json").write_text(json.dumps({**config, "transformers_weights": name}))
    assert refused(named).slug == "pickle-refused"


def test_a_folder_without_weights_or_configuration_is_refused(folder, refused, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "empty")
    (path / "model.safetensors").unlink()
    assert refused(path).slug == "weights-unreadable"
    (path / "config.json").unlink()
    assert refused(path).slug == "weights-unreadable"


def test_an_adapter_is_refused(folder, refused, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "adapter")
    (path / "adapter_config.json").write_text("{}")
    assert "merge it" in str(refused(path))


def test_a_missing_tokenizer_is_named(folder, refused, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    error = refused(path)
    assert error.slug == "model-load"
    assert "tokenizer" in str(error)


def test_broken_files_are_told_with_the_engines_reason(folder, refused, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "broken")
    (path / "model.safetensors").write_bytes(b"x" * 100)
    assert refused(path).slug == "model-load"
    (path / "config.json").write_text("{")
    assert refused(path).slug == "model-load"


def test_code_from_the_repository_is_never_run(folder, refused, open_folder, pairs, tmp_path):
    path = shutil.copytree(folder("llama"), tmp_path / "remote")
    config = json.loads((path / "config.json").read_text())
    mapping = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (path / "config.json").write_text(json.dumps({**config, "model_type": "unheard_of", "auto_map": mapping}))
    assert refused(path).slug == "remote-code"
    # transformers knows Llama: the folder's own code is not needed, and not run either
    (path / "config.json").write_text(json.dumps({**config, "auto_map": mapping}))
    assert open_folder(path).loglikelihood(pairs[:1])[0].n_tokens == 1
    assert not (tmp_path / "ran").exists()


def test_a_device_that_is_not_there_is_refused(folder, refused, torch):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    error = refused(folder("llama"), device="cuda")
    assert error.slug == "engine-settings"
    assert "finds no CUDA device" in str(error)


def test_cuda_computes_the_same(folder, opened, open_folder, pairs, torch):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    backend = open_folder(folder("llama"), device="cuda")
    expected = [score.logprob for score in opened().loglikelihood(pairs)]
    assert [score.logprob for score in backend.loglikelihood(pairs)] == pytest.approx(expected, abs=1e-2)


def test_memory_that_ends_is_told_with_the_remedy(torch):
    from pytest_slm.backends.hf.model import _telling_where_memory_ends

    with pytest.raises(BackendError, match="smaller n_batch") as caught, _telling_where_memory_ends("cpu"):
        torch.empty(2**60, dtype=torch.uint8)
    assert caught.value.slug == "context-memory"
    with pytest.raises(RuntimeError, match="must match"), _telling_where_memory_ends("cpu"):
        torch.zeros(2) + torch.zeros(3)


def test_closing_twice_is_allowed(folder, open_folder):
    backend = open_folder(folder("llama"))
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="was closed"):
        backend.describe()


def test_a_gguf_needs_two_more_packages(real_model, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    error = refused(real_model)
    assert error.slug == "missing-extra"
    assert "pip install 'pytest-slm[hf]'" in str(error)


def test_it_opens_safetensors_and_what_it_is_told_to():
    assert Backends().find("safetensors").name == "hf"
    assert Backends().find("gguf").name == "llamacpp"
    assert Backends().find("gguf", "hf").extra == "hf"
