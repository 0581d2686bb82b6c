"""What a server may do wrong, by accident or on purpose: one line each, or the answer all the same."""

import json
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slm_scripted_server import CHAT, HELLO, TEXT, USAGE, delta, events, failing

from pytest_slm.errors import BackendError

# -- in the middle -----------------------------------------------------------------------------------------------------


def test_a_stream_that_is_cut_off_once_is_asked_for_again(scripted_server, served):
    backend = served()
    plain, asked = scripted_server.routes[CHAT], []

    def flaky(handler):
        asked.append(handler)
        if len(asked) == 1:
            handler.stream(events(delta("Half of"), end=b""), whole=False)
        else:
            plain(handler)

    scripted_server.routes[CHAT] = flaky
    (answer,) = backend.generate([HELLO])
    assert (answer.text, answer.n_retries) == ("Hello there.", 1)  # and not "Half ofHello there."


@pytest.mark.parametrize(
    "how",
    [
        lambda h: h.stream(events(delta("Half"), end=b""), whole=False),  # it died
        lambda h: h.stream(events(delta("Half"), end=b"")),  # it ended the stream without an end
        lambda h: h.stream(events(delta("Half"))),  # [DONE], and no reason: given up for another request
        lambda h: h.wfile.close(),
    ],
)
def test_a_stream_that_is_cut_off_again_is_an_error(scripted_server, served, how):
    backend = served()
    scripted_server.routes[CHAT] = how
    assert failing(backend)[0] == "server-cut"


def test_a_busy_server_is_asked_again_when_it_says(scripted_server, served):
    backend = served()
    plain, times = scripted_server.routes[CHAT], []

    def busy(handler):
        times.append(time.monotonic())
        if len(times) < 3:
            handler.json(
                {"error": "slow down"}, 429 if len(times) == 1 else 503, Retry_After="1" if len(times) == 1 else ""
            )
        else:
            plain(handler)

    scripted_server.routes[CHAT] = busy
    (answer,) = backend.generate([HELLO])
    assert (answer.text, answer.n_retries) == ("Hello there.", 2)
    assert times[1] - times[0] >= 1.0


def test_a_server_that_stays_busy_is_an_error(scripted_server, served, monkeypatch):
    from pytest_slm.backends.server import http

    backend = served()
    monkeypatch.setattr(http, "TRIES", 2)
    scripted_server.routes[CHAT] = lambda h: h.json({"error": {"message": "no slot"}}, 503, Retry_After="0")
    slug, text = failing(backend)
    assert slug == "server-busy"
    assert "no slot" in text


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ({"retry-after": "3"}, 3, 3),
        ({"retry-after": "86400"}, 60, 60),
        ({"retry-after": "9" * 400}, 60, 60),
        ({"retry-after": "soon"}, 1, 2),
        ({}, 1, 2),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5, 5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:05 GMT"}, 1, 2),  # on a clock that nobody told
        ({"retry-after": "Wed, 21 Oct 1986 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.05, 0.05),
    ],
)
def test_how_long_a_busy_server_is_left_alone(said, least, most):
    from pytest_slm.backends.server.http import retry_after

    assert least <= retry_after(said, 1) <= most


def drip(handler, byte=b":"):
    """One byte now and then, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(byte), byte))
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize("byte", [b":", b": ping\n\n"])
def test_bytes_that_say_nothing_are_silence(scripted_server, served, byte):
    backend = served(silence_s=0.5)
    scripted_server.routes[CHAT] = lambda h: drip(h, byte)
    slug, text = failing(backend)
    assert slug == "server-silent"
    assert "--slm-request-timeout" in text


def test_a_server_that_never_answers_is_silent(scripted_server, served):
    backend = served(silence_s=0.5)
    end = threading.Event()
    scripted_server.routes[CHAT] = lambda h: end.wait(20)
    assert failing(backend)[0] == "server-silent"
    end.set()


@pytest.mark.parametrize("how", ["events", "line", "body"])
def test_more_than_anybody_asked_for_is_not_read(scripted_server, served, monkeypatch, how):
    from pytest_slm.backends.server import http

    backend = served()
    monkeypatch.setattr(http, "LARGEST_BODY", 1 << 20)
    sent = []

    def endless(handler):
        kind = "application/json" if how == "body" else "text/event-stream"
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.end_headers()  # until the connection ends
        piece = events(delta("x" * 1000), end=b"") * 20 if how == "events" else b"x" * 20_000
        while True:
            handler.wfile.write(piece)
            sent.append(len(piece))

    scripted_server.routes[CHAT] = endless
    slug, _ = failing(backend)
    assert slug == "server-too-much"
    assert sum(sent) < 64 << 20


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b'data: {"choices": [{"delta": {"content": "a"}, "logprob": NaN}]}\n\n', "server-json"),
        (b"data: {oops\n\n", "server-json"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "server-json"),
        (b"data: [1]\n\n", "server-field"),
        (b'data: {"choices": {"delta": 1}}\n\n', "server-field"),
        (b'data: {"choices": [7]}\n\n', "server-field"),
        (b'data: {"choices": [{"delta": {"content": ["a"]}}]}\n\n', "server-field"),
        (b'data: {"choices": [{"delta": {"tool_calls": [{"index": -1}]}}]}\n\n', "server-field"),
        (b'data: {"choices": [], "usage": {"prompt_tokens": "7"}}\n\n', "server-field"),
        (b'data: {"choices": [], "usage": {"prompt_tokens": true}}\n\n', "server-field"),
        (b'data: {"error": {"message": "CUDA out of memory"}}\n\n', "server-error"),
        (b'data: {"error": {"message": "the request exceeds the available context size"}}\n\n', "context-too-long"),
    ],
)
def test_what_is_no_answer_is_an_error(scripted_server, served, body, slug):
    backend = served()
    scripted_server.routes[CHAT] = lambda h: h.stream(body + b"data: [DONE]\n\n")
    assert failing(backend)[0] == slug


@pytest.mark.parametrize(
    ("status", "said", "slug"),
    [
        (400, "This model's maximum context length is 2048 tokens.", "context-too-long"),
        (404, "The model `tiny` does not exist.", "server-model"),
        (404, "", "server-endpoint"),
        (403, "not for you", "server-key"),
        (500, "boom", "server-error"),
        (418, "I am a teapot", "server-refused"),
    ],
)
def test_a_refusal_is_told_as_what_it_is(scripted_server, served, status, said, slug):
    backend = served()
    scripted_server.routes[CHAT] = lambda h: h.json({"error": {"message": said}}, status)
    found, text = failing(backend)
    assert found == slug
    assert said in text


def test_a_compressed_answer_is_not_unpacked(scripted_server, served):
    backend = served()
    scripted_server.routes[CHAT] = lambda h: h.send(b"\x1f\x8b", "application/json", Content_Encoding="gzip")
    assert failing(backend)[0] == "server-compressed"


def test_what_was_answered_before_an_error_is_told(scripted_server, served):
    backend = served(concurrency=1)
    plain, asked = scripted_server.routes[CHAT], []

    def second_fails(handler):
        asked.append(handler)
        plain(handler) if len(asked) != 2 else handler.json({"error": "boom"}, 500)

    scripted_server.routes[CHAT] = second_fails
    done = []
    with pytest.raises(BackendError, match="boom"):
        backend.generate([HELLO] * 5, finished=lambda n, answer: done.append((n, answer.text)))
    assert done == [(0, "Hello there.")]
    assert len(asked) == 2  # what nobody waits for is not asked any more


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "tool_calls", "function", "arguments", "usage", "error", "index"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(JSON, max_size=4))
def test_any_json_is_an_answer_or_one_line(chunks):
    from pytest_slm.backends.server.reading import Pieces

    answer, slugs = Pieces("http://server/v1"), set()
    for chunk in chunks:
        try:
            answer.add(chunk, 0.0)
        except BackendError as error:
            slugs.add(error.slug)
    assert slugs <= {"server-field", "server-error", "server-too-much"}
    assert isinstance(answer.text + answer.written_calls(), str)
    assert json.dumps([call.to_json() for call in answer.calls()]) is not None


def test_likelihoods_that_are_none_are_not_believed(scripted_server, served):
    def echoing(handler):
        prompt = handler.body["prompt"]
        words = [prompt[:1], prompt[1:]]
        found = {"tokens": words, "token_logprobs": [None, 0.5], "top_logprobs": [None, {}]}
        choice = {"index": 0, "text": "x", "finish_reason": "length", "logprobs": found}
        handler.json({"choices": [choice], "usage": USAGE})

    plain = scripted_server.routes[TEXT]
    scripted_server.routes[TEXT] = lambda h: echoing(h) if h.body.get("echo") else plain(h)
    backend = served()
    assert "loglikelihood" not in backend.capabilities
    assert "the logarithm of a probability, got 0.5" in backend.lacks["loglikelihood"]
