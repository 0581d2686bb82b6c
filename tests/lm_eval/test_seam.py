"""What is used of lm-eval's inside is there in the installed release, and is used in one module only."""

import ast
import importlib
import importlib.metadata
import inspect
import operator
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pytest_slm"
SEAM = PACKAGE / "lm_eval" / "seam.py"

# (module, name, the parameters that are given to it, or taken by what overrides it)
USED = [
    ("lm_eval.tasks._yaml_loader", "load_yaml", ["path", "resolve_func"]),
    ("lm_eval.tasks._index", "Entry", ["name", "kind", "yaml_path", "tags"]),
    ("lm_eval.tasks._index", "Kind.TAG", None),
    ("lm_eval.tasks._index", "TaskIndex._kind_of", ["cfg"]),
    ("lm_eval.tasks._factory", "TaskFactory.build", ["entry", "overrides", "registry"]),
    ("lm_eval.tasks._factory", "TaskFactory._build_task", ["entry", "overrides"]),
    (
        "lm_eval.tasks._factory",
        "TaskFactory._build_group_members",
        ["member_list", "group_name", "overrides", "registry"],
    ),
    ("lm_eval.tasks._factory", "TaskFactory._load_full_config", ["entry", "overrides"]),
    ("lm_eval.api.task", "ConfigurableTask", ["config"]),
    ("lm_eval.api.task", "ConfigurableTask.download", []),
    ("lm_eval.api.task", "ConfigurableTask.training_docs", []),
    ("lm_eval.api.task", "ConfigurableTask.validation_docs", []),
    ("lm_eval.api.task", "ConfigurableTask.test_docs", []),
    ("lm_eval.api.registry", "get_aggregation", ["name"]),
    ("lm_eval.api.registry", "DEFAULT_METRIC_REGISTRY", None),
]
OF_A_TASK = ["_filters", "aggregation"]
OURS = {"_once"}


@pytest.fixture
def lm_eval():
    return pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")


@pytest.mark.parametrize(("module", "name", "parameters"), USED, ids=[f"{module}.{name}" for module, name, _ in USED])
def test_the_installed_release_has_what_the_seam_uses(lm_eval, module, name, parameters):
    told = f"lm-eval {importlib.metadata.version('lm-eval')}: {module}.{name}"
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{told} has moved ({error}); {SEAM.name} uses it")
    if parameters is not None:
        missing = set(parameters) - set(inspect.signature(found).parameters)
        assert not missing, f"{told} takes no {sorted(missing)} any more; {SEAM.name} gives it"


@pytest.fixture
def task(lm_eval):
    """A task of lm-eval over one row that was handed in."""
    import datasets

    from pytest_slm.lm_eval import seam

    settings = {
        "task": "sums",
        "output_type": "generate_until",
        "test_split": "test",
        "doc_to_text": "{{q}}",
        "doc_to_target": "{{a}}",
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "filter_list": [
            {
                "name": "digits",
                "filter": [{"function": "regex", "regex_pattern": "([0-9]+)"}, {"function": "take_first"}],
            }
        ],
    }
    return seam.task(settings, datasets.DatasetDict(test=datasets.Dataset.from_list([{"q": "1 + 1 =", "a": "2"}])))


@pytest.mark.parametrize("name", OF_A_TASK)
def test_a_task_of_the_installed_release_has_what_the_seam_uses(task, name):
    assert hasattr(task, name), f"ConfigurableTask.{name} has moved; {SEAM.name} uses it"


def test_a_task_asks_and_judges_the_rows_that_were_handed_in(task):
    from pytest_slm.lm_eval import seam

    task.build_all_requests(rank=0, world_size=1)
    (instance,) = task.instances
    assert instance.args[0] == "1 + 1 ="
    instance.resps.append("It is 2.")
    seam.filter_answers(task, [instance])
    assert instance.filtered_resps == {"digits": "2"}
    assert task.process_results(task.eval_docs[0], ["2"])["exact_match"] == 1
    assert seam.is_mean(task, "exact_match")


def test_metrics_of_a_task_that_lists_none(lm_eval):
    from pytest_slm.lm_eval import seam

    assert {"acc", "acc_norm"} <= set(seam.default_metrics("multiple_choice"))
    assert seam.default_metrics("no such kind") == ()


def test_without_lm_eval_the_error_is_the_one_that_was_asked_for(monkeypatch):
    import sys

    from pytest_slm.errors import UsageError
    from pytest_slm.lm_eval import seam

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"^this needs lm-eval .*pip install 'pytest-slm\[lm-eval\]'") as caught:
        seam.check_installed("this", UsageError)
    assert caught.value.slug == "missing-extra"


def test_the_list_names_all_that_the_seam_uses():
    tree = ast.parse(SEAM.read_text("utf-8"))
    listed = {f"{module}.{name.split('.')[0]}" for module, name, _ in USED}
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lm_eval")
        for alias in node.names
    }
    assert imported == listed
    private = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    known = {part for _, name, _ in USED for part in name.split(".")} | set(OF_A_TASK) | OURS
    assert {name for name in private if not name.startswith("__")} <= known


def test_nothing_else_imports_lm_eval_or_touches_what_it_keeps_to_itself():
    names = {name.rpartition(".")[2] for _, name, _ in USED if name.rpartition(".")[2].startswith("_")} | {"_filters"}
    for path in sorted(set(PACKAGE.rglob("*.py")) - {SEAM}):
        text = path.read_text("utf-8")
        assert not re.search(r"^\s*(import|from) lm_eval\b", text, re.MULTILINE), path
        used = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
        assert not used & names, path


def test_the_installed_release_is_one_that_the_extra_allows(lm_eval):
    requirements = pytest.importorskip("packaging.requirements")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    bound = next(one for one in map(requirements.Requirement, extras["lm-eval"]) if one.name == "lm-eval")
    assert importlib.metadata.version("lm-eval") in bound.specifier
    assert any(one.operator == "<" for one in bound.specifier)
