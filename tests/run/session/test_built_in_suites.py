"""The suites that come with the package are found, and a typing mistake is told with the nearest name."""

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.load import builtin, load_suite
from pytest_slm.load.builtin import check_suites, suites_folder


def test_the_built_in_suites_are_found():
    names = {path.parent.name for path in suites_folder().glob("*/suite.yaml")}
    assert {"core", "rag", "function_calling", "guardrails", "safety", "performance"} <= names
    assert load_suite(suites_folder() / "core" / "suite.yaml").name == "core"


def test_suites_in_the_installed_package_come_first(tmp_path, monkeypatch):
    package = tmp_path / "pytest_slm"
    for folder in (package / "suites", tmp_path / "suites"):
        folder.mkdir(parents=True)
        (folder / "profiles.yaml").touch()
    monkeypatch.setattr(builtin, "__file__", str(package / "load" / "builtin.py"))
    assert suites_folder() == package / "suites"


def test_a_package_without_suites_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "__file__", str(tmp_path / "pytest_slm" / "load" / "builtin.py"))
    with pytest.raises(UsageError, match="built-in suites are missing") as caught:
        suites_folder()
    assert caught.value.slug == "suites-missing"


@pytest.mark.parametrize("key", ["rag", "rag/niah", "performance/ttft", "function_calling/calls"])
def test_a_suite_and_a_task_of_it_are_known(key):
    check_suites((key,), suites_folder())


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("rga", "unknown suite. Did you mean 'rag'"),
        ("rag/nia", "unknown task. Did you mean 'niah'"),
        ("performance/test_ttft", "unknown task. Did you mean 'ttft'"),
        ("reasonin/arc_challenge", "unknown suite. Did you mean 'reasoning'"),
    ],
)
def test_a_typing_mistake_is_told_with_the_nearest_name(key, told):
    with pytest.raises(UsageError, match=f"--slm-suite={key}: {told}") as caught:
        check_suites(("core", key), suites_folder())
    assert caught.value.slug == "unknown-suite"
