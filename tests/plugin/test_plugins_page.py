"""The examples of docs/plugins.md, each as it stands there: written to its file, and run."""

import json
import os
import re
import runpy
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
CALL = '<tool_call>{"name": "temperature", "arguments": {"city": "Oslo"}}</tool_call>'


def examples(page):
    """Every fence by the file that it names: Python and YAML in their first line, JSON in the line before. Of a file
    with several fences each is a part."""
    named = re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    data = re.findall(r"^[^\n]*`(\S+\.jsonl)`:\n\n```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(named) + len(data) == page.count("\n```") // 2, "a fence names no file"
    files = {}
    for name, text in (*named, *data):
        files[name] = files.get(name, "") + text + "\n\n"
    return files


@pytest.fixture
def written(pytester):
    """Writes the examples into the session's folder, those alone whose names begin so."""

    def write(*beginnings):
        for name, text in examples(PAGE.read_text("utf-8")).items():
            if name.startswith(beginnings):
                path = pytester.path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")

    return write


def lines(pytester, task):
    (path,) = pytester.path.glob(f"reports/*/*/*/samples/mine.{task}.jsonl")
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return sorted(found, key=lambda line: line["doc_id"])


@pytest.mark.subprocess
def test_kind_generator_and_grader(written, pytester, run, report, results):
    written("conftest", "my_", "suites/mine")
    made = list(runpy.run_path(str(pytester.path / "my_generators.py"))["BACKWARDS"].make(_context()))
    rules = [
        {"contains": made[0].input, "text": f"It is {made[0].target}."},
        {"contains": made[1].input, "text": made[1].input},
        {"contains": "landlord", "text": "Dear landlord, please mend it."},
        {"contains": "Oslo", "text": CALL},
        {"contains": "21 degrees", "text": "It is 21 degrees warm."},
        {"contains": "Lima", "text": "I cannot know."},
    ]
    run("suites/mine", "--slm-limit=2", rules=rules).assert_outcomes(passed=3)
    found = results(report())
    values = {name: (result["metrics"][0]["value"], result["n_scored"]) for name, result in found.items()}
    assert values == {"mine/backwards": (0.5, 2), "mine/letters": (0.5, 1), "mine/weather": (0.5, 2)}
    (grader,) = found["mine/letters"]["provenance"]["graders"].values()
    assert (grader["name"], grader["version"], len(grader["sha256"])) == ("politeness", "1", 64)
    assert found["mine/backwards"]["provenance"]["generator"] == "backwards"
    assert found["mine/weather"]["kind"] == "tool_use"
    asked, refused = lines(pytester, "weather")
    assert [turn["text"] for (turn,) in asked["response"]] == [CALL, "It is 21 degrees warm."]
    assert (asked["turns"], asked["explanation"]) == (2, "temperature said '21 degrees'")
    assert (refused["turns"], refused["response"], refused["score"]) == (1, "I cannot know.", 0.0)


def _context():
    from pytest_slm.generators import GeneratorContext

    return GeneratorContext(options={"letters": 6}, variant={}, limit=2, seed=1234, count_tokens=len)


@pytest.mark.subprocess
def test_hooks_in_an_installed_package(written, pytester, run, report, results, monkeypatch):
    written("my_graders", "suites/mine/letters", "suites/mine/data/letters")
    (pytester.path / "suites/mine/suite.yaml").write_text("suite: mine\ntasks: [letters]\n")
    site = pytester.path / "site-packages"
    about = site / "slm_politeness-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slm-politeness\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pytest11]\nslm_politeness = slm_politeness\n")
    (pytester.path / "my_graders.py").rename(site / "my_graders.py")
    hooks = examples(PAGE.read_text("utf-8"))["conftest.py"]
    (site / "slm_politeness.py").write_text("".join(part for part in hooks.split("\n\n") if "politeness" in part))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(PAGE.parents[1])]))
    run("suites/mine", text="Dear landlord, please.").assert_outcomes(passed=1)
    assert results(report())["mine/letters"]["metrics"][0]["value"] == 0.5


@pytest.mark.subprocess
def test_backend_and_scorer(written, run, report, results):
    written("conftest", "my_scorers", "echo_engine", "suites/geo")
    run("suites/geo", "--slm-backend=echo", model="fake").assert_outcomes(passed=1)
    document = report()
    assert document["slm"]["backend"]["name"] == "echo"
    assert results(document)["geo/capitals"]["metrics"][0]["value"] == 0.0  # the last word of the question is "word."


@pytest.mark.parametrize(("mode", "n"), [("quick", 2), ("full", 3)])
def test_tests_written_by_hand(written, run, mode, n):
    written("test_model")
    run("test_model.py", f"--slm-mode={mode}", text="I do not know.").assert_outcomes(passed=n)


@pytest.mark.subprocess
def test_a_script_that_measures(written, pytester, report):
    written("conftest", "my_scorers", "suites/geo", "measure_it")
    done = pytester.runpython("measure_it.py")
    assert done.outlines == ["capitals passed 0.0"]
    assert report()["slm"]["limit"] == 10


@pytest.mark.subprocess
def test_a_notebook_with_hooks_in_an_object(written, pytester, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs pip install 'pytest-slm[docs]'")
    nbclient = pytest.importorskip("nbclient", reason="needs pip install 'pytest-slm[docs]'")
    written("suites/geo", "notebook")
    cells = (pytester.path / "notebook.py").read_text("utf-8").strip().split("\n\n\n")
    again = "pytest_slm.measure('fake', paths=['suites/geo'], plugins=[Mine()], seed=7).seed"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (*cells, again)])
    # its process finds the package that is tested
    monkeypatch.setenv("PYTHONPATH", str(PAGE.parents[1]))
    nbclient.NotebookClient(book, timeout=120, resources={"metadata": {"path": str(pytester.path)}}).execute()
    imports, hooks, measured, repeated = (cell.outputs for cell in book.cells)
    assert (imports, hooks) == ([], [])
    (shown,) = measured  # nothing but the last line's value
    assert shown["data"]["text/plain"].startswith("Metric(name='right', value=0.0, n=1")
    assert repeated[0]["data"]["text/plain"] == "7"
    assert len(list(pytester.path.glob("reports/*/*/*/report.json"))) == 2
