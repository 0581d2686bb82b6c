"""The task of AgentDojo, where its wheel has been fetched and what it imports is installed."""

import importlib.util
from pathlib import Path

import pytest

from pytest_slm.agentdojo.process import NEEDED, DojoPackage, dojo
from pytest_slm.load import load_suite, load_task

FOLDER = Path(__file__).parents[2] / "suites" / "guardrails"


@pytest.fixture(scope="session")
def declared():
    """The task as its file says, whether it can be run here or not."""
    return load_task(FOLDER / "agentdojo.yaml", load_suite(FOLDER / "suite.yaml"))


@pytest.fixture(scope="session")
def wanted(declared):
    """Its package and version; the test is skipped where it cannot be run."""
    found = DojoPackage.from_json(declared.options["tools"])
    if not found.package.path.is_file():
        pytest.skip("needs pytest-slm data pull DIR --suite guardrails")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"needs pip install 'pytest-slm[agentdojo]' ({', '.join(missing)})")
    return found


@pytest.fixture
def official(wanted):
    """AgentDojo in its process."""
    return dojo(wanted)
