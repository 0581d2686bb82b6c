"""What a call would compute is what it then computes, to the token."""

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import EngineSettings, Message, Request
from pytest_slm.errors import NotAvailableError

STORY = "Anna has a red boat and a blue one. Every summer she sails to the island with her brother Tom. " * 3


@pytest.fixture(scope="module", params=[False, True], ids=["packed", "exact"])
def backend(small_q4_1_model, request):
    from pytest_slm.backends.llamacpp import LlamaCpp

    opened = LlamaCpp(
        ModelSpec(path=str(small_q4_1_model), format="gguf", settings=EngineSettings(threads=1), exact=request.param)
    )
    yield opened
    opened.close()


@pytest.fixture
def steps(backend, monkeypatch):
    """The rows of every step of the engine, and how many of them wanted logits."""
    seen = []
    decode = backend._context.decode

    def watching(rows, wanted):
        wanted = list(wanted)
        seen.append((list(rows), len(wanted)))
        return decode(rows, wanted)

    monkeypatch.setattr(backend._context, "decode", watching)
    return seen


def test_likelihoods(backend, steps):
    pairs = [(STORY + question, f" {answer}") for question in ("Who sails?", "Where to?", "Why?") for answer in "ABCD"]
    pairs += [("Paris is", " a city"), ("Paris is", " a city"), ("", "A text of its own.")]
    planned = backend.workload_of_pairs(pairs)
    assert steps == []
    results = backend.loglikelihood(pairs)
    assert planned.evaluated == sum(len(rows) for rows, _ in steps)
    assert planned.steps == len(steps)
    assert planned.predicted == sum(wanted for _, wanted in steps)
    assert planned.outputs == max(wanted for _, wanted in steps)
    assert planned.depth == sum(row.position for rows, _ in steps for row in rows)
    assert planned.evaluated < planned.shown
    cells, sequences, shared = backend._context._shape
    assert planned.cells == cells * (1 if shared else sequences)
    assert len(results) == len(pairs)


def test_texts(backend, steps):
    requests = [
        Request(messages=(Message(role="user", content=text),), max_tokens=3)
        for text in (STORY + "Who sails?", STORY + "Where to?", STORY * 2, "Hello", "What is 2 + 2?")
    ]
    planned = backend.workload_of_requests(requests)
    assert steps == []
    answers = backend.generate(requests)
    assert planned.shown == sum(answer.n_prompt for answer in answers)
    assert planned.evaluated == sum(answer.timings.n_evaluated for answer in answers)
    spoken = sum(answer.n_output + (answer.finish == "stop") for answer in answers)
    # what was said last is never computed, and what was said before takes a row each
    assert planned.evaluated == sum(len(rows) for rows, _ in steps) - (spoken - len(answers))
    if not backend._exact:
        cells, sequences, shared = backend._context._shape
        assert planned.cells == cells * (1 if shared else sequences)
        assert planned.together == len(requests)


def test_a_backend_that_does_not_plan_says_so(fake_hosts, monkeypatch):
    from pytest_slm.backends.lookup import BackendEntry
    from pytest_slm.hosts.host import Host

    class Plain(Fake):
        workload_of_pairs = None

    entry = BackendEntry(name="plain", target="tests_plain:Plain", formats=("fake",))
    monkeypatch.setattr(BackendEntry, "load", lambda self: Plain)
    host = Host(entry, ModelSpec(path=None, format="fake"))
    with pytest.raises(NotAvailableError, match="no-workload"):
        host.call("workload_of_pairs", [["a", "b"]])


def test_a_plan_travels(fake_hosts):
    remote = fake_hosts(A={}).open("A")
    assert remote.workload_of_pairs([("one two", " three")]).evaluated == 3
    assert remote.workload_of_requests([Request(prompt="one two")]).shown == 2
