"""What the tools read out of a real model's file is what llama.cpp makes of it, token for token and byte for byte."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from pytest_slm.core.footprint import ModelShape, compute_bytes, kv_cache_bytes
from pytest_slm.site.tools.pages import WAYS

SCRIPTS = (
    *("abcdefghij XYZ", "0123456789", "äöüßéñ", "абвгд", "你好世界漢字", "한국어", "日本語かな", "עברית", "العربية"),
    *(
        "🙂👩‍👩‍👧🇩🇪",
        " \t\n\r\u00a0\u3000\u2009\u200b\ufeff\x85",
        "'s't're'LL'd",
        '!?.,;:-_()[]{}<>/\\|@#$%^&*+=~`"',
        "①½²Ⅷ٣",
    ),
)


def texts(n):
    """Texts of every script, mixed: words, numbers, spaces in rows, quotes, letters of several code points."""
    rng = random.Random(23)
    for _ in range(n):
        parts = [
            "".join(rng.choice(script) for _ in range(rng.randint(1, 9)))
            for script in rng.choices(SCRIPTS, k=rng.randint(1, 8))
        ]
        yield rng.choice(("", " ", "  ", "\n")).join(parts)
    yield from ("", " ", "\n\n\n", "a" * 3000, "<|im_start|>user\nHi<|im_end|>", "\0\x01\x7f")


def vocabulary(source, pre, path):
    """The same file with its words cut in another way: the name of the way is replaced in its header."""
    data = source.read_bytes()
    key = b"tokenizer.ggml.pre\x08\0\0\0"
    at = data.index(key) + len(key)
    old = 8 + int.from_bytes(data[at : at + 8], "little")
    name = pre.encode()
    head = data[:at] + len(name).to_bytes(8, "little") + name + data[at + old :]
    with path.open("wb") as file:  # the tensors behind are never read, and take no room
        file.write(head + data[at + old : 4 << 20])
        file.truncate(len(data) + 64)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_tokens_are_those_of_llama_cpp(tool, real_model, tmp_path, way):
    llama_cpp = pytest.importorskip("llama_cpp")
    path = vocabulary(real_model, way, tmp_path / "vocabulary.gguf")
    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    given = list(texts(2000))
    wanted = [
        [model.tokenize(text.encode(), add_bos=False, special=special) for special in (False, True)] for text in given
    ]
    page = tool("tokenizer")
    page.set_input_files("#gguf", str(path))
    page.wait_for_function("() => document.getElementById('said').textContent.includes('tokens, words cut')")
    script = """async all => {
      const t = new slmBpe.Tokenizer((await slmGguf.read(document.getElementById('gguf').files[0])).values);
      return all.map(text => [t.encode(text, false), t.encode(text, true)]);
    }"""
    found = page.evaluate(script, given)
    wrong = [(text, ours, theirs) for text, ours, theirs in zip(given, found, wanted, strict=True) if ours != theirs]
    assert wrong == []


def test_a_text_is_shown_in_its_tokens(tool, real_model):
    page = tool("tokenizer")
    page.set_input_files("#gguf", str(real_model))
    page.wait_for_selector("#out .tokens")
    page.fill("#text", "Hello <b>world</b>")
    assert page.inner_text("#out .tokens") == "Hello <b>world</b>"
    assert page.locator("#out b").count() == 0
    page.fill("#text", "\U0001fae0")  # a letter that no token has whole
    shown = page.locator("#out .tokens span").all_inner_texts()
    assert len(shown) > 1
    assert "F0" in shown[0]
    assert "\ufffd" not in "".join(shown)


def test_the_header_of_a_file_gives_its_memory(tool, real_model):
    """In Q4_1, of which no copy is made; what a process took beside it stands in docs/decisions/0087."""
    page = tool("memory")
    page.set_input_files("#gguf", str(real_model))
    page.wait_for_selector("#out table")
    assert page.input_value("#layers") == "30"
    rows = page.locator("#out table").first.locator("tbody tr")
    parts = dict(text.split("\t") for text in rows.all_inner_texts())
    assert parts == {
        "Weights": "97\u00a0MB",
        "KV cache": "47\u00a0MB",  # 22.5 KiB for each of 2,048 tokens
        "Compute buffers": "1\u00a0MB",
        "Vocabulary": "17\u00a0MB",
        "Rest of the program": "56\u00a0MB",
    }
    page.select_option("#processor", "gpu")
    assert "102\u00a0MB" in rows.nth(2).inner_text()
    page.fill("#outputs", "256")
    assert "52\u00a0MB" in rows.nth(2).inner_text()
    page.fill("#process", "10")
    assert "10\u00a0MB" in rows.nth(4).inner_text()


def test_copies_in_another_order_are_those_that_llama_cpp_makes(tool, real_model, tmp_path):
    """The engine says how large its buffer of copies is."""
    llama_cpp = pytest.importorskip("llama_cpp")
    if "AVX2 = 1" not in llama_cpp.llama_print_system_info().decode():
        pytest.skip("needs a processor with AVX2: on others the engine copies other types")
    path = tmp_path / "Q4_0.gguf"
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = 2  # Q4_0
    settings.allow_requantize = True
    assert llama_cpp.llama_model_quantize(str(real_model).encode(), str(path).encode(), settings) == 0
    done = subprocess.run([sys.executable, "-c", COPIES, str(path)], capture_output=True, text=True, check=True)
    copied = json.loads(done.stdout)
    assert copied > 50e6
    page = tool("memory")
    page.set_input_files("#gguf", str(path))
    page.wait_for_selector("#out table")
    ours = page.evaluate("async () => (await slmGguf.read(document.getElementById('gguf').files[0])).copies.x86")
    assert ours == pytest.approx(copied, rel=0.01)


COPIES = """
import ctypes, json, re, sys
import llama_cpp
log = []
keep = llama_cpp.llama_log_callback(lambda level, text, data: log.append(text.decode(errors="replace")))
llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
llama_cpp.llama_model_free(llama_cpp.llama_model_load_from_file(
    sys.argv[1].encode(), llama_cpp.llama_model_default_params()))
print(json.dumps(sum(map(float, re.findall(r"REPACK model buffer size = *([0-9.]+) MiB", "".join(log)))) * 2**20))
"""

# In a process of its own: what hears llama.cpp's log is one for the whole process.
CONTEXTS = """
import ctypes, json, re, sys
import llama_cpp
log = []
keep = llama_cpp.llama_log_callback(lambda level, text, data: log.append(text.decode(errors="replace")))
llama_cpp.llama_log_set(keep, ctypes.c_void_p(0))
model = llama_cpp.llama_model_load_from_file(sys.argv[1].encode(), llama_cpp.llama_model_default_params())
found = []
for n_ctx, batch, flash, kv_type in json.loads(sys.argv[2]):
    given = llama_cpp.llama_context_default_params()
    given.n_ctx, given.n_ubatch, given.n_batch, given.flash_attn_type = n_ctx, batch, 512, int(flash)
    given.type_k = given.type_v = {"F16": 1, "Q8_0": 8}[kv_type]
    log.clear()
    llama_cpp.llama_free(llama_cpp.llama_init_from_model(model, given))
    said = "".join(log)
    found.append([sum(map(float, re.findall(kind + r" buffer size = *([0-9.]+) MiB", said))) * 2**20
                  for kind in ("KV", "compute")])
print(json.dumps(found))
"""
FORMS = [(512, 512, True, "F16"), (2048, 512, True, "Q8_0"), (8192, 512, False, "F16"), (2048, 128, True, "F16")]


def test_the_formula_is_what_llama_cpp_takes(real_model):
    pytest.importorskip("llama_cpp")
    command = [sys.executable, "-c", CONTEXTS, str(real_model), json.dumps(FORMS)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    shape = ModelShape(layers=30, heads=9, kv_heads=3, key_length=64, value_length=64, embedding=576, vocabulary=49152)
    for (n_ctx, batch, flash, kv_type), (kv, compute) in zip(FORMS, found, strict=True):
        assert kv_cache_bytes(shape, n_ctx, kv_type, batch=batch) == pytest.approx(kv, rel=0.001)
        assert compute_bytes(shape, n_ctx, batch=batch, flash_attention=flash) == pytest.approx(compute, rel=0.06)
