"""What a server may do wrong, by accident or on purpose: one line each, or the answer all the same."""

import json
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slm_scripted_server import CHAT, TEXT, USAGE, delta, events

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.backends.server import Server
from pytest_slm.core.types import Message, Request
from pytest_slm.errors import BackendError, SlmError, UsageError

HELLO = Request(messages=(Message(role="user", content="Hello"),), max_tokens=8)
KEY = "sk-very-secret-0123456789"


def failing(backend, request=HELLO):
    """The error that a request ends in."""
    with pytest.raises(SlmError) as error:
        backend.generate([request])
    text = str(error.value)
    assert "\n" not in text
    return error.value.slug, text


def opening(**settings_):
    with pytest.raises(SlmError) as error:
        Server(ModelSpec(format="server", **settings_))
    return error.value.slug, str(error.value)


# -- at the start ------------------------------------------------------------------------------------------------------


def test_an_address_where_nobody_answers(monkeypatch):
    pytest.importorskip("httpx")
    with socket.socket() as held:  # bound, and not listening: a port that is nobody's
        held.bind(("127.0.0.1", 0))
        slug, text = opening(path=f"http://127.0.0.1:{held.getsockname()[1]}/v1")
    assert slug == "server-unreachable"
    assert "start it, or correct the address" in text


def test_a_web_page_is_no_server_of_a_model(scripted_server):
    page = b"<!doctype html><html><head><title>Router</title></head></html>"
    for kind in ("text/html", "application/json"):
        scripted_server.routes["/v1/models"] = lambda h, kind=kind: h.send(page, kind)
        slug, text = opening(path=scripted_server.url)
        assert slug == "server-page"
        assert "'Router'" in text


def test_a_path_that_is_another_one(scripted_server):
    slug, text = opening(path=f"http://{scripted_server.place}/api", served_model="tiny")
    assert slug == "server-endpoint"
    assert "mostly /v1" in text


def test_an_encrypted_address_of_a_server_that_speaks_no_tls(scripted_server):
    assert opening(path=f"https://{scripted_server.place}/v1")[0] == "server-tls"


def test_redirects_are_not_followed_and_the_key_stays(scripted_server, monkeypatch):
    monkeypatch.setenv("SLM_API_KEY", KEY)
    came = []
    scripted_server.routes["/elsewhere"] = lambda h: (came.append(h.path), h.json({}))
    place = f"http://user:{KEY}@{scripted_server.place}/elsewhere"
    scripted_server.routes["/v1/models"] = lambda h: h.json({}, 307, Location=place)
    slug, text = opening(path=scripted_server.url)
    assert slug == "server-redirect"
    assert "127.0.0.1" in text
    assert KEY not in text
    assert came == []


def test_a_key_that_is_missing_or_wrong_is_told_and_never_shown(scripted_server, served):
    def guarded(handler):
        given_ = handler.headers.get("Authorization")
        message = {"error": {"message": f"Invalid API key {given_}"}}
        handler.json({"data": [{"id": "tiny"}]}) if given_ == f"Bearer {KEY}" else handler.json(message, 401)

    scripted_server.routes["/v1/models"] = guarded
    with pytest.raises(BackendError, match="it wants a key, and SLM_API_KEY has none") as missing:
        served()
    assert missing.value.slug == "server-key"
    with pytest.raises(BackendError, match="the key in SLM_API_KEY was refused") as wrong:
        served(key="sk-other-secret")
    assert "sk-other" not in str(wrong.value)
    backend = served(key=KEY)
    assert KEY not in repr(vars(backend)) + repr(vars(backend._client)) + str(backend.describe())
    assert {headers.get("Authorization") for *_, headers in scripted_server.asked[-3:]} == {f"Bearer {KEY}"}


def test_a_key_that_the_server_repeats_goes_into_no_answer(scripted_server, served):
    scripted_server.text = f"Your key is {KEY}."
    backend = served(key=KEY)
    (answer,) = backend.generate([HELLO])
    assert answer.text == "Your key is ***."
    scripted_server.routes[CHAT] = lambda h: h.stream(events({"error": {"message": f"{KEY} has no credit"}}))
    assert "*** has no credit" in failing(backend)[1]


@pytest.mark.parametrize("key", ["sk-\n\nHost: evil", "sk-ключ"])
def test_a_key_that_no_header_can_hold(scripted_server, served, key):
    with pytest.raises(UsageError) as error:
        served(key=key)
    assert error.value.slug == "server-key"
    assert "evil" not in str(error.value)


def test_nothing_but_the_address_is_contacted(scripted_server, served, monkeypatch):
    places, connect = set(), socket.socket.connect

    def watched(self, address):
        places.add(address[:2])
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    served().generate([HELLO])
    assert {f"{host}:{port}" for host, port in places} == {scripted_server.place}


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
    from pytest_slm.backends.server.reading import Answer

    answer, slugs = Answer("http://server/v1"), set()
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
