"""Groups, work and nodes of fleets that nobody has to start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_slm.cells.store import read_all
from pytest_slm.fleet.work import CellGroup, Node, Work

SUITE = "suite: geo\ntitle: geo\ntasks: [{tasks}]\n"
TASK = """\
kind: checks
description: Two questions.
requires: [chat]
scorer: contains
metrics: [exact_match]
options: {{samples: data/{name}.jsonl, max_tokens: 8}}
"""


@pytest.fixture
def fleet():
    """Groups of some cells each, and nodes: ``fleet(models=3, cells=4, nodes=2)``; the work maps to its seconds."""

    def make(models=3, cells=4, nodes=2, timed=0, memory=1, seconds=10.0, load_s=2.0):
        groups = [CellGroup(name=f"m{number}", memory=memory, load_s=load_s) for number in range(models)]
        work = {
            Work(group=group.name, item=f"i{number}", cost=seconds, timed=number >= cells - timed): seconds
            for group in groups
            for number in range(cells)
        }
        return groups, work, [Node(name=f"n{number}", memory=memory) for number in range(nodes)]

    return make


@pytest.fixture
def suites(tmp_path):
    """A folder with a suite of so many tasks, each with so many questions and one that is answered wrongly."""

    def write(n=3, questions=1, folder=tmp_path):
        place = folder / "suites" / "geo"
        (place / "data").mkdir(parents=True)
        names = [f"t{number}" for number in range(n)]
        (place / "suite.yaml").write_text(SUITE.format(tasks=", ".join(names)))
        for name in names:
            (place / f"{name}.yaml").write_text(TASK.format(name=name))
            asked = [f"{name}: Paris?" if place == 0 else f"{place}: Paris?" for place in range(questions)]
            lines = [{"id": str(at), "input": text, "target": "Paris"} for at, text in enumerate([*asked, "wrong"])]
            (place / "data" / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        return place.parent

    return write


@pytest.fixture
def model(tmp_path):
    """A scripted model by the name of its quantization."""

    def write(name, **content):
        path = tmp_path / f"{name}.json"
        rules = [{"contains": "wrong", "text": "London"}]
        path.write_text(json.dumps({"text": "Paris", "rules": rules, "quantizations": [name], **content}))
        return f"fake:{path}"

    return write


@pytest.fixture
def comparable():
    """The cells of a store as text, but for times and what is told of the process."""

    def read(folder: Path):
        cells, errors = read_all(folder)
        assert errors == []
        return {
            one.cell.key: (json.dumps({**one.result.to_json(), "seconds": 0.0}, sort_keys=True), one.samples)
            for one in cells
        }

    return read
