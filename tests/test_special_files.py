"""What is read as a file may be a pipe, a device, a folder, endless or a link out: one line, at once, everywhere."""

import importlib.util
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import MetricSpec, Sample, Task
from pytest_slm.data.manifest import read_manifest
from pytest_slm.errors import SlmError
from pytest_slm.generators import GeneratorContext
from pytest_slm.generators.niah import read_haystack
from pytest_slm.kinds.questions import beside, count_questions, read_questions
from pytest_slm.load import load_submission, load_suite
from pytest_slm.models import resolve
from pytest_slm.models.derivation import derivation_of, note_of
from pytest_slm.models.gguf import read_header
from pytest_slm.models.safetensors import detect_folder, read_table
from pytest_slm.registry import find_reports, read_registry, read_report, read_samples

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in folders are POSIX")


@pytest.fixture(autouse=True)
def _impatience():
    def waited(*_):
        raise AssertionError("waited for a file")

    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _safetensors(path):
    folder = path.parent
    config, table = b'{"model_type": "llama"}', b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    for name, content in (
        ("config.json", config),
        ("model.safetensors", len(table).to_bytes(8, "little") + table + b"\0" * 4),
        ("tokenizer_config.json", b"{}"),
    ):
        if name != path.name:
            (folder / name).write_bytes(content)
    return folder


def _haystack(path):
    return read_haystack(
        GeneratorContext(
            folder=path.parent, options={"haystack": path.name}, variant={}, seed=1, limit=1, count_tokens=len
        )
    )


def _weight_files(path):
    from pytest_slm.backends.hf.weights import weight_files  # imports torch

    weight_files(_safetensors(path))


READERS = {
    "config.json": lambda path: detect_folder(_safetensors(path)),
    "model.safetensors": read_table,
    "chat_template.jinja": lambda path: detect_folder(_safetensors(path)),
    **({"tokenizer.json": _weight_files} if importlib.util.find_spec("torch") else {}),
    "model.gguf": read_header,
    "report.json": read_report,
    "index.json": lambda path: read_registry(path.parent),
    "questions.jsonl": lambda path: read_questions(path, Sample, "sample"),
    "haystack.txt": _haystack,
    "model.yml": load_submission,
    "suite.yaml": load_suite,
    "manifest.json": lambda path: read_manifest(path.parent),
    "script.json": lambda path: resolve(f"fake:{path}"),
}


@pytest.fixture(params=["pipe", "folder", "device", "giant"])
def become(request):
    """Turns a path into what it should not be."""

    def make(path: Path) -> Path:
        match request.param:
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "device":
                path.symlink_to("/dev/zero")
            case "giant":
                with path.open("wb") as file:
                    file.truncate(1 << 40)
        return path

    return make


def test_readers_refuse_it_with_one_line(tmp_path, become):
    for name, read in READERS.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        path = become(folder / name)
        if (path.is_file() and name == "chat_template.jinja") or (path.is_dir() and name == "tokenizer.json"):
            continue  # a template that is too long is none, and models may have folders of any name
        with pytest.raises(SlmError) as error:
            read(path)
        assert name in str(error.value), name
        assert "\n" not in str(error.value)


def test_a_reference_to_it_says_what_it_is(tmp_path, become):
    for name, reference in {"m.gguf": "{}", "m.yml": "{}", "script.json": "fake:{}"}.items():
        path = become(tmp_path / name)
        word = "a folder" if path.is_dir() and name == "m.yml" else "pipe|folder|device|GGUF|larger|at most"
        with pytest.raises(SlmError, match=word):
            resolve(reference.format(path))


def test_what_nobody_needs_is_not_there(tmp_path, become):
    path = become(note_of(tmp_path / "model.gguf"))
    assert derivation_of(path.with_name("model.gguf")) is None


def test_questions_are_not_counted(tmp_path, become):
    path = become(tmp_path / "questions.jsonl")
    assert path.is_file() or count_questions(path) is None


def test_a_script_is_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "script.json")
    with pytest.raises(OSError, match="a pipe"):
        Fake(ModelSpec(path=str(tmp_path / "script.json"), format="fake"))


def test_a_report_that_is_none_is_left_out_beside_the_others(tmp_path, become, factory):
    factory.store_run(tmp_path, factory.make_run())
    (tmp_path / "other").mkdir()
    become(tmp_path / "other" / "report.json")
    found, errors = find_reports(tmp_path)
    assert len(found) == 1
    assert "other/report.json" in str(errors[0])


def test_samples_that_are_none_are_one_line(tmp_path, become, factory):
    run = factory.make_run()
    folder = factory.store_run(tmp_path, run).parent
    name = next(result.samples for result in run.results if result.samples)
    (folder / name).unlink(missing_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    become(folder / name)
    with pytest.raises(SlmError, match=r"samples.*cannot be read.*report-path"):
        read_samples(folder, run)


# -- links out of the folder ------------------------------------------------------------------------------------------


def test_files_of_a_suite_and_of_a_run_are_in_their_folders(tmp_path, factory):
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"id": "1", "input": "x"}) + "\n")
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "data.jsonl").symlink_to(secret)
    metrics = (MetricSpec(name="m"),)
    path = str(suite / "task.yaml")
    task = Task(name="t", suite="s", kind="checks", description="", primary="m", metrics=metrics, path=path)
    with pytest.raises(SlmError, match=r"outside of its folder.*samples-missing"):
        beside(task, "data.jsonl")
    (suite / "haystack.txt").symlink_to(secret)
    with pytest.raises(SlmError, match="outside of its folder"):
        _haystack(suite / "haystack.txt")
    reports = tmp_path / "reports"
    reports.mkdir()
    run = factory.make_run()
    path = factory.store_run(tmp_path / "elsewhere", run)
    (reports / "report.json").symlink_to(path)
    found, errors = find_reports(reports)
    assert not found
    assert "outside of its folder" in str(errors[0])
