"""Runs of a scripted model in this process, without pytest: a run, and what it is given to keep."""

import json

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import ItemId, Metric, Quantization, Result, Submission
from pytest_slm.extensions import Extensions
from pytest_slm.hosts.sources import InProcessHosts
from pytest_slm.run.session import Run

ITEM = ItemId(suite="geo", task="capitals", variant="", quantization="Q8_0")
NAMES = ("Q8_0", "Q4_0")


class InProcess(InProcessHosts):
    """Opens a scripted model in this process, and counts how often."""

    def __init__(self, path):
        spec = ModelSpec(path=str(path), format="fake")
        super().__init__(dict.fromkeys(NAMES, lambda: (Extensions().backends.find("fake"), spec)))
        self.opened = []

    def open(self, quantization):
        self.opened.append(quantization)
        return super().open(quantization)


@pytest.fixture(scope="session")
def in_process():
    """``in_process(script)``: opens a scripted model in this process, and counts how often."""
    return InProcess


@pytest.fixture
def run(tmp_path):
    """``run("Q8_0", "Q4_0", gates={...}, text="Paris")``: a run of a scripted model into ./reports."""

    def make(*names, run_id="r1", hosts=None, gates=None, reports=None, **script):
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script), "utf-8")
        quantizations = tuple(Quantization(name=name, format="fake") for name in names or ("Q8_0",))
        return Run(
            config=RunConfig(
                model="fake", reports=str(reports or tmp_path / "reports"), run_id=run_id, gates=gates or {}, seed=7
            ),
            submission=Submission(slug="fake--model", name="Fake", quantizations=quantizations),
            quantizations=quantizations,
            extensions=Extensions(),
            hosts=hosts or InProcess(path),
        )

    return make


@pytest.fixture(scope="session")
def item():
    """The task geo/capitals of Q8_0."""
    return ITEM


@pytest.fixture(scope="session")
def result():
    """``result(0.4, higher=False)``: a result of the item; ``changes`` replace any field of it."""

    def make(value=0.5, *, higher=True, **changes):
        metric = Metric(name="acc", value=value, n=10, interval=(0.2, 0.8), higher_is_better=higher)
        plain = {"outcome": "passed", "metrics": (metric,), "primary": "acc", "mode": "quick", **ITEM.to_json()}
        return Result(**{**plain, **changes})

    return make


@pytest.fixture(scope="session")
def lines():
    """``lines(path)``: what a file of JSON lines holds."""

    def read(path):
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    return read
