"""Real servers: what they answer is what the same file answers when it is opened here."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.backends.server.letters import Letters
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import NotAvailableError

pytestmark = pytest.mark.subprocess

ONE_THREAD = "1"  # several at once on the same cores wait for each other
LLAMA_SERVER = """
import sys, time
import xllamacpp as x
params = x.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.n_parallel, params.n_ctx, params.warmup, params.cache_ram_mib = 2, 2048, False, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.cache_type_k = params.cache_type_v = x.ggml_type.GGML_TYPE_F32
params.flash_attn_type = x.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = x.Server(params)
time.sleep(600)
"""
PROMPTS = ("Name three colours.", "Zähle bis drei: eins,")
PAIRS = [
    ("The capital of France is", " Paris"),
    ("The capital of France is", " the town of Rome, and it was so for a long time."),
    ("Question: What is 2 + 2?\nAnswer:", " 4"),
    ("Die Äpfel sind ", "grün 🍏 und süß"),  # tokens that are parts of a character
]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """``start(command)``: a server on a port of its own, and its address."""
    pytest.importorskip("httpx", reason="needs httpx: pip install 'pytest-slm[server]'")
    processes = []

    def run(*command):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        log = tmp_path_factory.mktemp("server") / "log.txt"
        with log.open("wb") as out:
            arguments = [sys.executable, *(part.replace("PORT", port) for part in command)]
            processes.append(
                subprocess.Popen(arguments, stdout=out, stderr=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
            )
        url, until = f"http://127.0.0.1:{port}/v1", time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{url}/models") as answer:
                    assert answer.status == 200
                return url
            except OSError:
                assert processes[-1].poll() is None, log.read_text(errors="replace")[-2000:]
                assert time.monotonic() < until, "the server did not start"
                time.sleep(0.1)

    yield run
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def here(f32_model):
    """The same file, opened in this process."""
    from pytest_slm.backends.llamacpp import LlamaCpp

    settings = EngineSettings(threads=1, n_ctx=1024)
    backend = LlamaCpp(ModelSpec(path=str(f32_model), format="gguf", settings=settings, exact=True))
    yield backend
    backend.close()


def opened(url):
    from pytest_slm.backends.server import Server

    return Server(ModelSpec(path=url, format="server", silence_s=120))


@pytest.fixture(scope="module")
def bos_model(small_model, tmp_path_factory):
    """Random weights, of a model whose prompts begin with BOS."""
    data, key = bytearray(small_model.read_bytes()), b"tokenizer.ggml.add_bos_token"
    data[data.index(key) + len(key) + 4] = 1  # behind the type of the value, four bytes
    path = tmp_path_factory.mktemp("bos") / "small-bos.gguf"
    path.write_bytes(data)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def llama_server(start, f32_model):
    pytest.importorskip("xllamacpp", reason="needs a llama-server: pip install xllamacpp")
    backend = opened(start("-c", LLAMA_SERVER, str(f32_model), "PORT"))
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def llama_cpp_python(start, f32_model):
    for name in ("fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings"):
        pytest.importorskip(name, reason="needs the server of llama-cpp-python: pip install 'llama-cpp-python[server]'")
    options = ("--n_ctx", "1024", "--n_threads", "1", "--n_threads_batch", "1", "--type_k", "0", "--type_v", "0")
    more = ("--port", "PORT", "--logits_all", "true", "--verbose", "false")
    backend = opened(start("-m", "llama_cpp.server", "--model", str(f32_model), *options, *more))
    yield backend
    backend.close()


@pytest.fixture(params=["llama_server", "llama_cpp_python"])
def server(request):
    return request.getfixturevalue(request.param)


ASKED = [
    *(Request(messages=(Message(role="user", content=text),), max_tokens=10) for text in PROMPTS),
    Request(prompt="One, two, three, four,", max_tokens=10),
    Request(prompt="Apples, pears,", max_tokens=12, stop=(" and",)),
]


@pytest.fixture(scope="module")
def written(here):
    """What the file writes."""
    return here.generate(ASKED)


def test_it_writes_what_the_file_writes(server, here, written):
    expected, found, requests = written, server.generate(ASKED), ASKED
    assert [answer.text for answer in found] == [answer.text for answer in expected]
    assert [answer.finish for answer in found] == [answer.finish for answer in expected]
    assert server.count_tokens(requests[:2]) == here.count_tokens(requests[:2])
    for one, other in zip(found, expected, strict=True):
        assert one.n_prompt in (other.n_prompt, None)
        # llama-server counts the token that ends a turn, too.
        assert one.n_output in (other.n_output, other.n_output + (one.finish == "stop"), None)


BEGUN = (
    Message(role="user", content="Name three colours."),
    Message(role="assistant", content="Three colours are red,"),
)


def test_llama_server_goes_on_behind_the_beginning_of_an_answer(llama_server, here):
    request = Request(messages=BEGUN, max_tokens=16)
    (found,), (expected,) = llama_server.generate([request]), here.generate([request])
    assert found.text == expected.text
    assert not found.text.startswith(BEGUN[1].content)
    assert llama_server.count_tokens([request]) == here.count_tokens([request]) == [expected.n_prompt]


def test_a_server_that_is_not_known_to_go_on_is_told_so(llama_cpp_python):
    with pytest.raises(NotAvailableError, match="beginning of an answer") as caught:
        llama_cpp_python.generate([Request(messages=BEGUN, max_tokens=4)])
    assert caught.value.slug == "server-setting"


def test_llama_server_finds_texts_as_likely_as_the_file_does(llama_server, here):
    found, expected = llama_server.loglikelihood(PAIRS), here.loglikelihood(PAIRS)
    for one, other in zip(found, expected, strict=True):
        # Another build of llama.cpp, which adds in another order: 1e-4 nats a token were seen.
        assert one.logprob == pytest.approx(other.logprob, abs=max(1e-3, 3e-4 * other.n_tokens))
        assert (one.n_tokens, one.is_greedy) == (other.n_tokens, other.is_greedy)
    (whole,), (same,) = (backend.loglikelihood_rolling(["Once upon a time"]) for backend in (llama_server, here))
    assert whole.logprob == pytest.approx(same.logprob, abs=1e-3)


def test_likelihoods_that_are_told_for_the_wrong_place_are_not_taken(llama_cpp_python):
    # Of a model without BOS this server tells each number a place too late.
    assert "another place of the text" in llama_cpp_python.lacks["loglikelihood"]
    with pytest.raises(NotAvailableError, match="server-likelihoods"):
        llama_cpp_python.loglikelihood(PAIRS[:1])


def test_letters_are_as_likely_as_the_file_finds_them(llama_cpp_python, here):
    assert "letters" in llama_cpp_python.capabilities
    # Behind an example: where a model would end its answer at once, this server tells nothing of that place.
    before = "Question: What is 1 + 1?\nA. 4\nB. 2\nAnswer: B\n\n"
    options = "\nA. Paris\nB. Rome\nC. Oslo\nD. Bern\nAnswer:"
    pairs = [
        (f"{before}Question: {question}{options}", f" {letter}")
        for question in ("What is the capital of France?", "Where is the Forum?")
        for letter in "ABCD"
    ]
    found, expected = llama_cpp_python.loglikelihood(pairs), here.loglikelihood(pairs)
    assert any(one.logprob is not None for one in found)
    least = [min(one.logprob for one in found[n : n + 4] if one.logprob is not None) for n in (0, 4)]
    for n, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert (one.n_tokens, one.is_greedy) == (1, other.is_greedy)
        if one.logprob is None:
            assert other.logprob < least[n // 4]
        else:
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
    # The answer of a conversation begins with the letter, without a space.
    tops = Letters(llama_cpp_python._client, llama_cpp_python._identity, "off", chat=True)
    assert not tops.problem()


def test_a_server_with_bos_finds_texts_as_likely_as_the_file_does(start, bos_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    pytest.importorskip(
        "fastapi", reason="needs the server of llama-cpp-python: pip install 'llama-cpp-python[server]'"
    )
    settings = EngineSettings(threads=1, n_ctx=512)
    here = LlamaCpp(ModelSpec(path=str(bos_model), format="gguf", settings=settings, exact=True))
    options = ("--n_ctx", "512", "--n_threads", "1", "--n_threads_batch", "1", "--type_k", "0", "--type_v", "0")
    more = ("--port", "PORT", "--logits_all", "true", "--verbose", "false")
    server = opened(start("-m", "llama_cpp.server", "--model", str(bos_model), *options, *more))
    found, expected = server.loglikelihood(PAIRS[:3]), here.loglikelihood(PAIRS[:3])
    for one, other in zip(found, expected, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
        assert (one.n_tokens, one.is_greedy) == (other.n_tokens, other.is_greedy)
    here.close()
    server.close()


def test_what_a_schema_allows_is_written(server):
    import json

    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9, "minimum": 0}}, "required": ["n"]}
    request = Request(messages=(Message(role="user", content="A number as JSON."),), max_tokens=24, json_schema=schema)
    (answer,) = server.generate([request])
    assert isinstance(json.loads(answer.text)["n"], int)
