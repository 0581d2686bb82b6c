"""BFCL's memory of vectors: its class in the sandbox, embeddings of a real model outside of it."""

import json
import re

import numpy as np
import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec, ignored, silent
from pytest_slm.bfcl.memory.embedding import LONGEST_TEXT, embedder
from pytest_slm.bfcl.memory.kind import SHOWN
from pytest_slm.core.types import Generation, ToolCall
from pytest_slm.core.worlds import Execution, World, WorldCall
from pytest_slm.errors import BackendError
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import drive
from pytest_slm.sandbox import Worlds

TEXTS = ["The cat sleeps on the warm roof.", "Invoices are due on the first of May.", "Ada plays the violin."]


@pytest.fixture(scope="session")
def made(real_model):
    """The packaged model's own embeddings, which are as good as any for what is tried here."""
    return embedder(real_model)


@pytest.fixture
def run(official_task, made):
    """``run(call, ...)``: the results of calls of BFCL's class, and the memory that is shown then."""
    from pytest_slm.bfcl.memory.kind import MemoryOptions

    library = MemoryOptions.from_json(official_task("bfcl_memory").options).tools.library()
    world = World(library=library, classes=("MemoryAPI_vector",))

    def go(*calls):
        turns = (tuple(WorldCall(name=name, arguments=arguments) for name, arguments in calls),)
        with Worlds(workers=1) as worlds:
            return worlds.run(Execution(world=made.world(world, turns), turns=turns, new=len(calls), shown=SHOWN))

    return go


def test_embeddings_have_length_one_and_are_made_once(made):
    first = made.of(TEXTS)
    assert [np.linalg.norm(first[text]) for text in TEXTS] == pytest.approx([1, 1, 1])
    assert made.of(TEXTS[::-1]) == first
    assert made.of([]) == {}
    assert len(made.of(["word " * 700])) == 1  # longer than the context: its beginning counts


def test_what_is_nearest_is_found_as_numpy_finds_it(run, made):
    query = "When do I have to pay?"
    adding = [("archival_memory_add", {"text": text}) for text in TEXTS]
    done = run(*adding, ("archival_memory_retrieve", {"query": query, "top_k": 2}))
    assert done.ending == "done", done.explanation
    found = json.loads(done.results[-1])["result"]
    scores = np.array([made.of(TEXTS)[text] for text in TEXTS], np.float32) @ np.array(
        made.of([query])[query], np.float32
    )
    order = [int(place) for place in np.argsort(-scores)[:2]]
    assert [one["id"] for one in found] == order
    assert [one["text"] for one in found] == [TEXTS[place] for place in order]
    assert [one["similarity_score"] for one in found] == pytest.approx(scores[order], abs=1e-6)


def test_what_is_removed_or_changed_is_not_found_any_more(run):
    adding = [("core_memory_add", {"text": text}) for text in TEXTS]
    done = run(
        *adding,
        ("core_memory_remove", {"vec_id": 0}),
        ("core_memory_update", {"vec_id": 1, "new_text": "Invoices are due in June."}),
        ("core_memory_retrieve", {"query": TEXTS[0], "top_k": 9}),
    )
    found = json.loads(done.results[-1])["result"]
    assert {one["id"]: one["text"] for one in found} == {1: "Invoices are due in June.", 2: TEXTS[2]}
    assert json.loads(done.shown) == {"1": "Invoices are due in June.", "2": TEXTS[2]}


def test_limits_are_the_classes_own(run):
    done = run(
        ("core_memory_add", {"text": "x" * 301}),
        ("core_memory_add", {"text": "x" * (LONGEST_TEXT + 1)}),
        ("core_memory_retrieve", {"query": "anything"}),
        *[("core_memory_add", {"text": f"text {n}"}) for n in range(8)],
    )
    assert "exceeds maximum length" in done.results[0]
    assert "exceeds maximum length" in done.results[1]
    assert done.results[2] == '{"result": []}'
    assert "exceeds maximum size" in done.results[-1]


def test_a_text_that_nobody_has_embedded_is_an_error_of_that_call(run):
    done = run(("core_memory_add", {"text": ["a", "list"]}), ("core_memory_add", {"text": "after it"}))
    assert done.results[0].startswith("Error during execution")
    assert done.results[1] == '{"id": 1}'  # BFCL's class has counted the failed one


def test_a_file_that_is_no_model_is_told(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF, but not really")
    with pytest.raises(BackendError, match="no embeddings come from it") as caught:
        embedder(tmp_path / "model.gguf").of(["text"])
    assert caught.value.slug == "embedder-failed"


class Keeper(Fake):
    """Keeps the answer to every question while it listens, and looks it up when it is asked."""

    def __init__(self, kind):
        super().__init__(ModelSpec(path=None, format="fake"))
        self._context = 1 << 20
        kind.ready()
        self._asked = {one.said[0].content: one for one in kind.samples()}
        self._heard = {
            conversations[0][0][0].content: [one for one in self._asked.values() if one.scenario == scenario]
            for scenario, conversations in kind._conversations.items()
        }

    def generate(self, requests, progress=silent, finished=ignored):
        made = [self._answer(request.messages[-1]) for request in requests]
        for number, one in enumerate(made):
            finished(number, one)
        return made

    def _answer(self, last):
        text, calls = "Noted.", ()
        if last.role == "user" and last.content in self._heard:
            calls = tuple(
                ToolCall(name="archival_memory_add", arguments={"text": f"{one.id}={one.answers[0]};"})
                for one in self._heard[last.content]
            )
        elif last.role == "user" and last.content in self._asked:
            query = self._asked[last.content].id
            calls = (ToolCall(name="archival_memory_retrieve", arguments={"query": f"{query}=", "top_k": 50}),)
            self.last = query
        elif last.role == "tool" and "similarity_score" in last.content:
            text = "; ".join(re.findall(r"=([^;]*);", last.content))
        return Generation(text=text, n_prompt=1, n_output=1, n_reasoning=0, finish="stop", tool_calls=calls)


def test_a_model_that_keeps_what_is_asked_for_has_everything_right(official_task, made, mirror, context, monkeypatch):
    pytest.importorskip("datasets")
    task = official_task("bfcl_memory")
    monkeypatch.setattr("pytest_slm.bfcl.memory.kind.beside", lambda _data, _name: made._path)

    def kind(backend=None):
        return make_kind(task, "vector", context(backend, data=str(mirror), mode="full", limit=8))

    result = drive(kind(Keeper(kind())))
    assert (result.metric("accuracy").value, result.n_scored) == (1.0, 8)
    assert result.provenance["embedder_sha256"] == made.sha256
    assert set(result.provenance["conversations"]) == {"whole"}
