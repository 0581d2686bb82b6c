"""Faults at the start of a server: addresses, redirects, keys."""

import socket

import pytest
from slm_scripted_server import CHAT, HELLO, events, failing

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.backends.server import Server
from pytest_slm.errors import BackendError, SlmError, UsageError

KEY = "sk-very-secret-0123456789"


def opening(**settings_):
    with pytest.raises(SlmError) as error:
        Server(ModelSpec(format="server", **settings_))
    return error.value.slug, str(error.value)


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
