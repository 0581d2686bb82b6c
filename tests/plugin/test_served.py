"""``--slm-model=http://...``: a session whose model a server holds."""

import json

import pytest
from slm_scripted_server import CHAT

GOOD = [("capital of France", "Paris"), ("and now", "Paris"), ("again", "Oslo")]
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def server(scripted_server, monkeypatch):
    monkeypatch.delenv("SLM_API_KEY", raising=False)
    scripted_server.text = "Paris"
    return scripted_server


def test_a_server_is_measured_and_its_weights_are_told_to_be_unverified(
    run, suite, report, results, server, pytester, monkeypatch
):
    monkeypatch.setenv("SLM_API_KEY", KEY)
    suite(a=GOOD)
    done = run("suites", "-vv", "--showlocals", model=server.url)
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines([f"*unverified weights, served by {server.url} as tiny, took *"])
    document = report()
    found = results(document)["geo/a"]
    assert (found["metrics"][0]["value"], found["machine"]) == (pytest.approx(2 / 3), None)
    backend = document["slm"]["backend"]
    assert {name: backend[name] for name in ("name", "server", "served_model", "weights_sha256")} == {
        "name": "server",
        "server": server.url,
        "served_model": "tiny",
        "weights_sha256": None,
    }
    assert "unverified" in " ".join(found["answers"]["notes"])
    texts = [path.read_bytes() for path in pytester.path.rglob("*") if path.is_file()]
    assert len(texts) > 3
    assert not [text for text in texts if KEY.encode() in text]
    assert KEY not in done.stdout.str() + done.stderr.str()
    assert any(b"not ranked" in text and b"Weights unverified" in text for text in texts)  # its page


def test_what_was_answered_is_taken_over_from_the_same_server_and_model_only(run, suite, report, results, server):
    suite(a=GOOD, b=[("boom", "x")])
    plain = server.routes[CHAT]
    server.routes[CHAT] = lambda h: h.json({"error": "boom"}, 500) if "boom" in json.dumps(h.body) else plain(h)
    run("suites", model=server.url).assert_outcomes(passed=1, errors=1)
    n = len(server.bodies(CHAT))
    run("suites", "--slm-resume", model=server.url).assert_outcomes(passed=1, errors=1)
    assert results(report())["geo/a"]["answers"]["taken"] == 3
    assert not [body for body in server.bodies(CHAT)[n:] if "capital" in json.dumps(body)]
    server.routes["/v1/models"] = lambda h: h.json({"data": [{"id": "other"}]})
    run("suites", "--slm-resume", model=server.url)
    assert results(report())["geo/a"]["answers"]["taken"] == 0


def test_how_often_it_had_to_be_asked_again_is_told(run, suite, report, results, server):
    suite(a=GOOD)
    plain, busy = server.routes[CHAT], iter([True])

    def once_busy(handler):
        if handler.body["max_tokens"] > 1 and next(busy, False):
            handler.json({}, 503, Retry_After="0")
        else:
            plain(handler)

    server.routes[CHAT] = once_busy
    run("suites", model=server.url).assert_outcomes(passed=1)
    assert results(report())["geo/a"]["provenance"]["retries"] == 1


def test_what_cannot_be_measured_through_a_server_is_skipped_with_the_reason(run, server):
    items = ",".join(f"performance/{name}" for name in ("generate", "load", "memory", "decode")) + ",core/language"
    done = run(f"--slm-suite={items}", "--slm-limit=2", model=server.url)
    done.assert_outcomes(skipped=5)
    done.stdout.fnmatch_lines(
        [
            "*core/language*letters*: this server gives no likelihoods of given texts*missing-capability]",
            "*performance/decode*server-*",
        ]
    )
    for task, slug in (("generate", "no-timing"), ("load", "server-own-process"), ("memory", "server-own-process")):
        done.stdout.fnmatch_lines([f"*performance/{task}*{slug}]"])


@pytest.mark.parametrize(
    ("arguments", "model", "slug"),
    [
        ((), f"http://user:{KEY}@127.0.0.1:8080/v1", "server-address"),
        ((), f"http://127.0.0.1:8080/v1?api_key={KEY}", "server-address"),
        ((), "ftp://127.0.0.1/v1", "server-address"),
        ((), "http://127.0.0.1:99999/v1", "server-address"),
        ((), "http:///v1", "server-address"),
        (("--slm-offline",), "http://192.0.2.1:8080/v1", "server-offline"),
        (("--slm-threads=2",), "http://127.0.0.1:8080/v1", "server-option"),
        (("--slm-exact",), "http://127.0.0.1:8080/v1", "server-option"),
        (("--slm-chat-template=chatml",), "http://127.0.0.1:8080/v1", "server-option"),
        (("--slm-thinking=64",), "http://127.0.0.1:8080/v1", "server-option"),
        (("--slm-served-model=x",), "fake", "server-option"),
        (("--slm-concurrency=2",), "fake", "server-option"),
        (("--slm-concurrency=0",), "http://127.0.0.1:8080/v1", "option-value"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(run, suite, pytester, arguments, model, slug):
    suite(a=GOOD)
    done = run("suites", *arguments, model=model)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"*{slug}]"])
    assert KEY not in done.stdout.str() + done.stderr.str()
    assert not (pytester.path / "reports").exists()


def test_without_the_client_the_command_that_installs_it_is_named(run, suite, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    suite(a=GOOD)
    done = run("suites", model="http://127.0.0.1:8080/v1")
    done.stderr.fnmatch_lines(["*needs the module 'httpx': pip install 'pytest-slm[[]server]'*missing-extra]"])


@pytest.mark.subprocess("model")
def test_a_server_that_is_not_there_ends_in_one_line_an_item(run, suite, pytester):
    suite(a=GOOD)
    done = run("suites", model="http://127.0.0.1:9/v1")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*http://127.0.0.1:9/v1/models: no server answers*[[]server-unreachable]"])
    assert "Traceback" not in done.stdout.str()
