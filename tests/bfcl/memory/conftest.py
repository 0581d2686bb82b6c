"""A small data set in the form of BFCL's memory, and a package with the class that remembers."""

import dataclasses
import json

import pytest

from pytest_slm.core.types import MetricSpec, Task

NOTES = """
from toys.memory_api_metaclass import MemoryAPI

class Notes(MemoryAPI):
    def __init__(self):
        self.notes = []
    def _load_scenario(self, scenario, long_context=False):
        if self._prepare_snapshot(scenario) is not None:
            raise ValueError("a snapshot")
    def _dump_core_memory_to_context(self):
        return "; ".join(self.notes) or "NOTHING"
    def keep(self, text):
        self.notes.append(text)
        return {"kept": len(self.notes)}
    def read(self):
        return {"notes": self.notes}
    def fail(self):
        raise RuntimeError("no such luck")
    def loop(self):
        while True:
            pass
    def burst(self):
        self.notes = ["x" * (9 << 20)]
"""


def doc(name, **properties):
    kinds = {key: {"type": kind, "description": key} for key, kind in properties.items()}
    parameters = {"type": "dict", "properties": kinds, "required": [*properties]}
    return {"name": name, "description": f"{name} it.", "parameters": parameters}


DOCS = [doc("keep", text="string"), *map(doc, ("read", "fail", "loop", "burst"))]


def said(*turns):
    return [[{"role": "user", "content": turn}] for turn in turns]


def conversation(scenario, place, *turns):
    return {"id": f"memory_prereq_{place}-{scenario}-{place}", "question": said(*turns), "scenario": scenario}


def question(name, scenario, text, *answers):
    """A row as the data set has it: every column but the id is JSON."""
    fields = {"question": said(text), "scenario": scenario, "ground_truth": list(answers)}
    return {"id": name, **{key: json.dumps(value) for key, value in fields.items()}}


@pytest.fixture(scope="session")
def rows():
    """``rows.question(id, scenario, text, *answers)`` and ``rows.conversation(scenario, place, *turns)``."""

    class Makers:
        conversation = staticmethod(conversation)
        question = staticmethod(question)

    return Makers


@pytest.fixture
def notes_data(mirror_of):
    """``notes_data(questions, conversations)``: a mirror with these rows, and what is to be known of Notes."""

    def make(questions, conversations):
        lines = [{"file": f"memory_{one['scenario']}.json", "doc": json.dumps(one)} for one in conversations]
        docs = [{"file": "notes.json", "doc": json.dumps(one)} for one in DOCS]
        tables = {"memory": questions, "memory_prereq_conversation": lines, "multi_turn_func_doc": docs}
        return mirror_of(tables)

    return make


@pytest.fixture
def notes_task(package_of, tmp_path):
    """``notes_task(prompting="text")``: a task over the class Notes, with these options besides."""
    package = package_of({"toys/notes.py": NOTES})

    def make(**options):
        tools = {
            "package": dataclasses.asdict(package),
            "folder": "toys",
            "classes": {"Notes": "notes"},
            "docs": {"Notes": "notes"},
            "stand_ins": ["toys.memory_api_metaclass"],
        }
        prompts = {"system": "Call these:\n{functions}", "added_text": "{functions}", "added_template": "", "hint": ""}
        memory = {
            "settings": {"shop": "You serve a shop.", "school": "You serve a school."},
            "instructions": {"Notes": "{scenario_setting} You remember: {memory_content}"},
            "empty": {"Notes": "NOTHING"},
            "final": "Answer briefly.",
        }
        return Task(
            name="t",
            suite="s",
            kind="bfcl_memory",
            description="",
            primary="accuracy",
            metrics=(MetricSpec(name="accuracy"),),
            breakdown="scenario",
            requires=("chat",),
            path=str(tmp_path / "task.yaml"),
            variants={"notes": {"tool": "Notes"}, "none": {"absent": "needs what nobody has"}},
            options={"tools": tools, "prompts": prompts, "memory": memory, **options},
        )

    return make
