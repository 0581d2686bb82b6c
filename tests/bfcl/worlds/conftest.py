"""A small data set in BFCL's form, and a package with the class that its conversations are about."""

import dataclasses
import json

import pytest

from pytest_slm.core.types import MetricSpec, Task

BOX = '''
class Box:
    def __init__(self):
        self.things = []
    def _load_scenario(self, scenario, long_context=False):
        self.things = list(scenario["things"])
        self.more = ["more"] * 3 if long_context else []
    def put(self, thing, times=1):
        """Put."""
        self.things += [thing] * times
        return {"n": len(self.things)}
    def look(self):
        return str(self.things + self.more)
    def loop(self):
        while True:
            pass
'''


def doc(name, **properties):
    kinds = {key: {"type": kind, "description": key} for key, kind in properties.items()}
    parameters = {"type": "dict", "properties": kinds, "required": list(properties)[:1]}
    return {"name": name, "description": f"{name} it.", "parameters": parameters, "response": {"type": "dict"}}


DOCS = [doc("put", thing="string", times="integer"), doc("look"), doc("loop")]


def row(name, *turns, gold, things=("a",), missed=None):
    """A row as the data set has it: every column but the id is JSON."""
    fields = {
        "question": [[{"role": "user", "content": turn}] if turn else [] for turn in turns],
        "initial_config": {"Box": {"things": list(things)}},
        "involved_classes": ["Box"],
        "missed_function": missed,
        "ground_truth": gold,
    }
    return {"id": name, **{key: json.dumps(value) for key, value in fields.items()}}


@pytest.fixture(scope="session")
def make_row():
    return row


@pytest.fixture
def box_package(package_of):
    """The package with the class Box, fetched already."""
    return package_of({"toys/box.py": BOX})


@pytest.fixture
def box_data(mirror_of):
    """``box_data(rows)``: a mirror with these rows, and what is to be known of Box."""

    def make(rows, name="multi_turn_base"):
        tables = {name: rows, "multi_turn_func_doc": [{"file": "box.json", "doc": json.dumps(one)} for one in DOCS]}
        return mirror_of(tables)

    return make


@pytest.fixture
def box_task(box_package, tmp_path):
    """``box_task(prompting="text")``: a task over the class Box, with these options besides."""

    def make(**options):
        tools = {
            "package": dataclasses.asdict(box_package),
            "folder": "toys",
            "classes": {"Box": "box"},
            "docs": {"Box": "box"},
        }
        prompts = {
            "system": "Call these:\n{functions}",
            "added_text": "{functions}\nThere are more.",
            "added_template": "There are more.",
            "hint": " In Python.",
        }
        return Task(
            name="t",
            suite="s",
            kind="bfcl_worlds",
            description="",
            primary="accuracy",
            metrics=(MetricSpec(name="accuracy"),),
            requires=("chat",),
            path=str(tmp_path / "task.yaml"),
            variants={"base": {"category": "multi_turn_base"}},
            options={"tools": tools, "prompts": prompts, **options},
        )

    return make


@pytest.fixture(scope="session")
def official(official_task):
    return official_task("bfcl_multi_turn")
