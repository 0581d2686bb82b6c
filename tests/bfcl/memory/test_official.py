"""BFCL's own questions, conversations and classes: a model that keeps what it hears is right, a silent one is wrong."""

import ast
import dataclasses
import json
import re

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec, ignored, silent
from pytest_slm.bfcl.memory.kind import SHOWN
from pytest_slm.core.types import Generation, ToolCall
from pytest_slm.core.worlds import Execution, World, WorldCall
from pytest_slm.data.packages import read
from pytest_slm.errors import NotAvailableError
from pytest_slm.kinds.checking import make_kind
from pytest_slm.run.drive import drive
from pytest_slm.sandbox import Worlds

VARIANTS = ("kv", "rec_sum")


@pytest.fixture(scope="session")
def task(official_task):
    return official_task("bfcl_memory")


@pytest.fixture
def kind(task, mirror, context):
    pytest.importorskip("datasets")

    def make(variant, backend=None, **config):
        return make_kind(task, variant, context(backend, data=str(mirror), mode="full", **config))

    return make


def world(kind, tool):
    return World(library=kind.options.tools.library(), classes=(tool,))


@pytest.fixture(scope="session")
def worlds():
    with Worlds() as worlds:
        yield worlds


def test_the_texts_are_those_of_the_package(kind):
    options = kind("kv").options
    (source,) = read(options.tools.package, ["bfcl_eval/constants/default_prompts.py"]).values()
    theirs = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id.startswith(("MEMORY_", "ADDITIONAL_"))
    }
    assert options.memory.settings == theirs["MEMORY_AGENT_SETTINGS"]
    assert options.memory.final == theirs["ADDITIONAL_SYSTEM_PROMPT_FOR_AGENTIC_RESPONSE_FORMAT"]
    assert options.memory.instructions == {
        "MemoryAPI_kv": theirs["MEMORY_BACKEND_INSTRUCTION_CORE_ARCHIVAL"],
        "MemoryAPI_rec_sum": theirs["MEMORY_BACKEND_INSTRUCTION_UNIFIED"],
        "MemoryAPI_vector": theirs["MEMORY_BACKEND_INSTRUCTION_CORE_ARCHIVAL"],
    }


def test_an_empty_memory_shows_what_the_task_says(kind, worlds):
    made = kind("kv")
    for tool, said in made.options.memory.empty.items():
        assert worlds.run(Execution(world=world(made, tool), turns=(), shown=SHOWN)).shown == said


def test_keys_are_found_as_rank_bm25_finds_them(kind, worlds):
    """The figures are those of rank_bm25 0.2.2 with numpy."""
    keys = ["name", "home_city", "city_of_birth", "favourite_coffee_shop", "order_id"]
    calls = [WorldCall(name="core_memory_add", arguments={"key": key, "value": "x"}) for key in keys]
    calls += [
        WorldCall(name="core_memory_key_search", arguments={"query": query, "k": 3})
        for query in ("City of_birth", "nothing", "")
    ]
    calls.append(WorldCall(name="archival_memory_key_search", arguments={"query": "name"}))
    done = worlds.run(Execution(world=world(kind("kv"), "MemoryAPI_kv"), turns=(tuple(calls),), new=4))
    assert done.results == (
        '{"ranked_results": [[8.705837750434096, "city_of_birth"], [5.827603755593339, "home_city"], '
        '[4.68213122712422, "name"]]}',
        '{"ranked_results": [[0.0, "name"], [0.0, "home_city"], [0.0, "city_of_birth"]]}',
        '{"ranked_results": [[0.0, "name"], [0.0, "home_city"], [0.0, "city_of_birth"]]}',
        "Error during execution: division by zero",
    )


class Keeper(Fake):
    """Keeps a line for every question while it listens, some in each conversation, and answers from what is kept."""

    def __init__(self, kind):
        super().__init__(ModelSpec(path=None, format="fake"))
        self._context = 1 << 20
        kind.ready()
        self._kv = kind.variant == "kv"
        self._asked = {one.said[0].content: one for one in kind.samples()}
        self._heard = {}
        for scenario, conversations in kind._conversations.items():
            mine = [one for one in self._asked.values() if one.scenario == scenario]
            for place, turns in enumerate(conversations):
                self._heard[turns[0][0].content] = mine[place :: len(conversations)]

    def generate(self, requests, progress=silent, finished=ignored):
        made = [self._answer(request.messages) for request in requests]
        for number, one in enumerate(made):
            finished(number, one)
        return made

    def _answer(self, messages):
        first, last = messages[0].content, messages[-1]
        text, calls = "Noted.", ()
        if last.role == "user" and last.content in self._heard:
            calls = tuple(map(self._keep, self._heard[last.content]))
        elif last.role == "user" and last.content in self._asked and self._kv:
            name = key(self._asked[last.content])
            calls = (ToolCall(name="archival_memory_retrieve", arguments={"key": name}),)
        elif last.role == "tool" and '"value"' in last.content:
            text = f"{{'answer': '{json.loads(last.content)['value']}', 'context': 'kept'}}"
        elif last.content in self._asked:
            text = re.search(rf"{key(self._asked[last.content])}=([^;]*);", first)[1]
        return Generation(text=text, n_prompt=1, n_output=1, n_reasoning=0, finish="stop", tool_calls=calls)

    def _keep(self, one):
        if self._kv:
            return ToolCall(name="archival_memory_add", arguments={"key": key(one), "value": one.answers[0]})
        return ToolCall(name="memory_append", arguments={"text": f"{key(one)}={one.answers[0]};"})


def key(question):
    return question.id.replace("-", "_")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_that_keeps_what_is_asked_for_has_everything_right(kind, variant):
    result = drive(kind(variant, Keeper(kind(variant)), limit=16))
    assert (result.metric("accuracy").value, result.n_scored, result.clusters) == (1.0, 16, 2)
    assert set(result.provenance["conversations"]) == {"whole"}


@pytest.mark.nightly
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_questions_can_be_answered_from_what_is_kept(kind, variant):
    result = drive(kind(variant, Keeper(kind(variant))))
    assert result.metric("accuracy").value == 1.0
    assert (result.n_scored >= 78, result.clusters, result.provenance["conversations"]) == (True, 5, {"whole": 37})


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_that_says_nothing_has_nothing_right(kind, variant, fake):
    result = drive(kind(variant, fake(text="", context_length=1 << 20), limit=16))
    assert (result.metric("accuracy").value, result.provenance["empty_memories"]) == (0.0, 2)


def test_the_memory_of_vectors_is_a_skip_that_says_what_it_needs(kind, tmp_path):
    made = kind("vector")
    made.context = dataclasses.replace(
        made.context, config=dataclasses.replace(made.context.config, data=str(tmp_path))
    )
    with pytest.raises(NotAvailableError, match=r"all-MiniLM-L6-v2 as embedders/all-MiniLM-L6-v2.gguf into the mirror"):
        made.ready()
