"""Questions like BFCL's, made here; and the checkout's ``benchmarks/``, whose cases the tests share."""

import hashlib
import sys
import types
import zipfile
from pathlib import Path

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ignored, silent
from pytest_slm.bfcl.categories import DATASET
from pytest_slm.bfcl.formats import Texts
from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import Message
from pytest_slm.data import packages
from pytest_slm.errors import NotAvailableError
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
        return BfclQuestion(
            id="q",
            category=category,
            messages=(Message(role="user", content="Please do it."),),
            functions=functions,
            answers=answers,
        )

    return make


@pytest.fixture
def mirror_of(tmp_path):
    """``mirror_of({"multi_turn_base": rows})``: a mirror with these configurations of BFCL's data set."""
    datasets = pytest.importorskip("datasets", reason="needs datasets: pip install 'pytest-slm[data]'")

    def make(tables):
        folder = tmp_path / "data" / DATASET
        for config, table in tables.items():
            (folder / config).mkdir(parents=True, exist_ok=True)
            datasets.Dataset.from_list(table).to_parquet(folder / config / "test.parquet")
        configs = "".join(
            f"- config_name: {config}\n  data_files:\n  - {{split: test, path: {config}/test.parquet}}\n"
            for config in tables
        )
        (folder / "README.md").write_text(f"---\nlicense: mit\nconfigs:\n{configs}---\n")
        return str(tmp_path / "data")

    return make


class Watched(Fake):
    """Keeps what it was asked, call by call."""

    def __init__(self, spec):
        super().__init__(spec)
        self.calls = []

    def generate(self, requests, progress=silent, finished=ignored):
        self.calls.append(list(requests))
        return super().generate(requests, progress, finished)


@pytest.fixture(scope="session")
def watched():
    """A scripted model that keeps what it was asked: the class of it."""
    return Watched


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Packages are kept in a folder of this test."""
    elsewhere = types.SimpleNamespace(user_cache_dir=lambda _name: str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "platformdirs", elsewhere)  # in this module only: the sandbox's cache stays


@pytest.fixture
def package_of(tmp_path, kept):
    """``package_of({"toys/box.py": SOURCE})``: a package with these files, fetched already."""

    def make(sources):
        wheel = tmp_path / "toys.whl"
        with zipfile.ZipFile(wheel, "w") as file:
            for name, source in sources.items():
                file.writestr(zipfile.ZipInfo(name), source)  # the same bytes whenever it is made
        data = wheel.read_bytes()
        package = packages.Package(name="toys", version="1.0", sha256=hashlib.sha256(data).hexdigest())
        package.path.parent.mkdir(parents=True)
        package.path.write_bytes(data)
        return package

    return make


@pytest.fixture(scope="session")
def sandbox_there():
    from pytest_slm.sandbox import available

    try:
        available()
    except NotAvailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def official_task(sandbox_there):
    """``official_task("bfcl_multi_turn")``: a task of the suite, where its classes have been fetched and can be run;
    else the test is skipped."""
    from pytest_slm.bfcl.worlds.library import ToolClasses
    from pytest_slm.load import load_suite, load_task

    def load(name):
        folder = ROOT / "suites" / "function_calling"
        task = load_task(folder / f"{name}.yaml", load_suite(folder / "suite.yaml"))
        try:
            ToolClasses.from_json(task.options["tools"]).library()
        except NotAvailableError as error:
            pytest.skip(str(error))
        return task

    return load
