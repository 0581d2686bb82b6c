"""NESTful's rows as samples."""

import json

import pytest

from pytest_slm.core.types import Generation
from pytest_slm.errors import BackendError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.nestful import NESTFUL, signature
from pytest_slm.scorers.rules.call_sequence import CALL_SEQUENCE

V2 = {
    "sample_id": "abc",
    "input": "Half of the area of a 20 by 10 rectangle?",
    "output": json.dumps(
        [
            {"name": "rectangle_area", "label": "$var_1", "arguments": {"arg_0": 20, "arg_1": 10}},
            {"name": "divide", "label": "$var_2", "arguments": {"arg_0": "$var_1.result$", "arg_1": 2}},
        ]
    ),
    "tools": json.dumps(
        [
            {
                "name": "divide",
                "description": "Divides.",
                "parameters": {"arg_0": {"type": "number"}, "arg_1": {"type": "number", "required": False}},
                "output_parameter": {"result": {"type": "number"}},
            }
        ]
    ),
}


def made(rows, **options):
    context = GeneratorContext(
        options=options, variant={}, limit=None, seed=1, count_tokens=len, rows=lambda dataset: rows
    )
    return list(NESTFUL.make(context))


def test_a_row_of_version_2():
    (sample,) = made([V2], version="v2")
    assert sample.id == "abc"
    assert "divide(arg_0: number, arg_1?: number) -> result: Divides." in sample.input
    assert '"$var_1.name$"' in sample.input
    answer = Generation(text=V2["output"], n_prompt=1, n_output=1, finish="stop")
    assert CALL_SEQUENCE.judge(sample, answer, None).value == 1


@pytest.mark.parametrize(
    "broken", [{}, {**V2, "output": "{"}, {**V2, "tools": "5"}, {**V2, "output": '[{"name": "f"}]'}]
)
def test_a_row_that_cannot_be_read_is_one_line(broken):
    with pytest.raises(BackendError, match=r"nestful \(v2\): a row cannot be read") as caught:
        made([broken], version="v2")
    assert caught.value.slug == "data-broken"


def test_a_function_without_anything_is_still_one():
    assert signature({"name": "f"}) == "f() -> : "
