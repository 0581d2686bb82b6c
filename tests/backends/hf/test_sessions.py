"""The whole way: a folder in a process of its own, and quantized weights as the reference in fp32."""

import json
import shutil

import pytest

from pytest_slm.run import canary


@pytest.fixture
def schooled(folder, tokenizer, torch, transformers, tmp_path):
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


@pytest.mark.subprocess("model")
def test_a_folder_is_measured(pytester, schooled, session):
    done = session(f"--slm-model={schooled}", "--slm-suite=core/arithmetic", "--slm-limit=2", "--slm-threads=1")
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/tiny-schooled/*/*/report.json")
    backend = json.loads(path.read_text("utf-8"))["slm"]["backend"]
    assert (backend["name"], backend["n_ctx"], backend["exact"]) == ("hf", 128, False)


def test_a_gguf_is_measured_as_the_reference(pytester, tiny_gguf, transformers, tmp_path, session):
    pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")
    from pytest_slm.models import derive

    source = tiny_gguf(keys={"tokenizer.chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"})
    done = session(
        f"--slm-model={derive(source, 'Q4_1', cache=tmp_path / 'cache')}",
        "--slm-backend=hf",
        "--slm-suite=core/arithmetic",
        "--slm-limit=1",
        "--slm-threads=1",
        "--slm-canary=off",  # of random weights
    )
    done.assert_outcomes(passed=1)
    (path,) = pytester.path.glob("reports/*/*/*/report.json")
    slm = json.loads(path.read_text("utf-8"))["slm"]
    # two tables of 297 tokens; a block of two norms, attention of 4 heads and 2 for keys and values, three matrices
    block = 2 * 32 + 2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48
    assert (slm["backend"]["name"], slm["backend"]["dtype"], slm["quantization"]) == ("hf", "float32", "Q4_1")
    assert slm["backend"]["parameters"] == 2 * 297 * 32 + block + 32
