"""Tasks of lm-eval whose functions evaluate what a model writes are found, and not run."""

import functools
import importlib.util
from pathlib import Path

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.errors import UsageError
from pytest_slm.lm_eval import building
from pytest_slm.lm_eval.screening import evaluates

pytest.importorskip("lm_eval", reason="needs pip install 'pytest-slm[lm-eval]'")


@pytest.fixture
def module(tmp_path):
    """``module("utils", source)``: a module from a file, as lm-eval loads those of tasks."""

    def load(name, source):
        path = tmp_path / f"{name}.py"
        path.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return made

    return load


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def score(doc, results):\n    return eval(results[0])\n", 2),
        ("def score(doc, results):\n    exec(results[0])\n", 2),
        ("parse_expr = str\ndef score(doc, results):\n    return parse_expr(results[0])\n", 3),
        ("def score(doc, results):\n    import sympy\n    return sympy.sympify(results[0])\n", 3),
        ("class Filter:\n    def apply(self, resps):\n        return eval(resps)\n\nscore = Filter\n", 3),
    ],
)
def test_what_evaluates_text_is_found_with_its_line(module, source, line):
    assert evaluates({"process_results": module("utils", source).score}) == f"utils.py, line {line}"


@pytest.mark.parametrize(
    "source",
    [
        "import ast\ndef score(doc, results):\n    return ast.literal_eval(results[0])\n",
        "def score(model, results):\n    return model.eval()\n",
        "import re\nscore = re.compile('eval').match\n",
        "def score(doc, results):\n    '''eval(x) is not called'''\n    return doc\n",
    ],
)
def test_what_only_looks_like_it_is_not(module, source):
    assert evaluates({"process_results": module("utils", source).score}) == ""


def test_it_is_found_behind_imports_partials_and_lists(module, tmp_path):
    (tmp_path / "grader.py").write_text("def grade(text):\n    return eval(text)\n")
    source = "def score(doc, results):\n    from grader import grade\n    return grade(results[0])\n"
    score = module("utils", source).score
    settings = {"metric_list": [{"metric": "acc", "aggregation": functools.partial(score, None)}], "task": "x"}
    assert evaluates(settings) == "grader.py, line 2"


def test_lm_evals_own_grader_of_mathematics_is_found(module):
    # its task does not say unsafe_code
    import lm_eval

    assert (Path(lm_eval.__file__).parent / "tasks/score/math/math_grader.py").is_file()
    source = "def score(doc, results):\n    from lm_eval.tasks.score.math.math_grader import math_equal\n    return 1\n"
    assert evaluates({"process_results": module("utils", source).score}).startswith("math_grader.py, line ")


def test_such_a_task_is_refused_before_its_data_are_looked_for(module, tmp_path):
    score = module("utils", "def score(doc, results):\n    return eval(results[0])\n").score
    settings = {"task": "bad", "dataset_path": "nobody/nothing", "process_results": score, "test_split": "test"}
    config = RunConfig(model="", data=str(tmp_path), offline=True)
    with pytest.raises(UsageError, match=r"bad would evaluate what the model writes \(utils\.py, line 2\)") as caught:
        building._task(settings, config)
    assert caught.value.slug == "sandbox-only"
