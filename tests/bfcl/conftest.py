"""Questions like BFCL's, made here; and the checkout's ``benchmarks/``, whose cases the tests share."""

import sys
from pathlib import Path

import pytest

from pytest_slm.bfcl.formats import Texts
from pytest_slm.bfcl.question import Question
from pytest_slm.core.types import Message
from pytest_slm.files import read_json

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # at the end, so that the package under test stays the one that is installed


@pytest.fixture(scope="session")
def texts():
    return Texts.from_json(read_json(ROOT / "suites/function_calling/data/bfcl_prompts.json"))


@pytest.fixture(scope="session")
def question():
    """``question({"f": {"a": [1]}}, a="integer", b={"type": "array", ...})``: of the functions that the answer names,
    all with these parameters; those that cannot be left out are required."""

    def make(*answers, category="simple_python", names=(), **parameters):
        schemas = {key: {"type": its} if isinstance(its, str) else its for key, its in parameters.items()}
        named = {**{name: None for answer in answers for name in answer}, **dict.fromkeys(names)}
        required = [
            key
            for key in schemas
            if answers and all("" not in its.get(key, [""]) for answer in answers for its in answer.values())
        ]
        functions = tuple(
            {
                "name": name,
                "description": f"What {name} does.",
                "parameters": {"type": "dict", "properties": schemas, "required": required},
            }
            for name in named
        )
        return Question(
            id="q",
            category=category,
            messages=(Message(role="user", content="Please do it."),),
            functions=functions,
            answers=answers,
        )

    return make
