"""The list of models: the one of this project, and mistakes in one."""

from pathlib import Path

import pytest

from pytest_slm.errors import SlmError
from pytest_slm.handbook.featured import load_featured

ROOT = Path(__file__).parents[2]


def test_the_list_of_this_project_is_in_order():
    found = load_featured(ROOT / "docs-site/data/featured.yaml")
    assert len(found.models) > 30
    assert {task for one in found.models for task in one.tasks} <= set(found.task_titles)
    assert all(one.max_parameters >= 3e9 for one in found.filters)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: [{repo: ../x}]", "models[0]: repo: expected a Hub repo id"),
        ("models: [{repo: 'org/<script>'}]", "models[0]: repo: expected a Hub repo id"),
        ("models: [{tasks: []}]", "models[0].repo: missing key"),
        ("models: [{repo: a/b, task: chat}]", "models[0].task: unknown key. Did you mean 'tasks'?"),
        ("models: [{repo: a/b}, {repo: A/B}]", "a/b is listed twice"),
        ("models: [{repo: a/b, tasks: [chat]}]", "'chat' has no title"),
        ("models: [{repo: a/b, notebook: ../x.ipynb}]", "notebook: expected a path inside of its folder"),
        ("tasks: {c: C}\nfilters: [{task: c, tags: [x]}]", "filters[0].max_parameters: missing key"),
        ("tasks: {c: C}\nfilters: [{task: c, tags: [x], max_parameters: -1}]", "expected a whole number of at least 1"),
        ("guides: [{page: /etc/passwd, title: x}]", "guides[0]: page: expected a path inside of its folder"),
        ("guides: [{page: a.md, title: x, needs: ggml}]", "'ggml' is not known. Known: any, gguf, onnx, safetensors."),
        ("tasks: {c: [1]}", "tasks.c: expected a title, got a list"),
        ("- a", "the file: expected a mapping"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, text, told):
    path = tmp_path / "featured.yaml"
    path.write_text(text)
    with pytest.raises(SlmError) as error:
        load_featured(path)
    assert f"{path}:{text.count(chr(10)) + 1}: " in str(error.value)
    assert told in str(error.value)
    assert "featured-" in str(error.value)
