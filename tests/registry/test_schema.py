"""The shipped JSON Schemas say what the types say, accept what is written, and refuse what is wrong."""

from __future__ import annotations

import json

import jsonschema
import pytest

from pytest_slm.core.types import RunReport
from pytest_slm.errors import ReportError
from pytest_slm.registry import build_registry, read_registry, write_registry
from pytest_slm.registry.folder import Index, check_registry
from pytest_slm.registry.folder.index import ModelFile
from pytest_slm.registry.schema import load, of, validate
from pytest_slm.registry.store import StoredReport, to_text

ROOTS = {"report": RunReport, "index": Index, "model": ModelFile}


@pytest.fixture
def folder(factory, tmp_path):
    """A registry of a full and a troubled quick run."""
    runs = [factory.make_run("FP16"), factory.make_run("Q8_0", "quick", with_trouble=True)]
    found = [StoredReport(path=f"{run.run_id}/report.json", sha256="a" * 64, run=run) for run in runs]
    write_registry(tmp_path / "registry", build_registry(found))
    return tmp_path / "registry"


@pytest.fixture
def document(folder):
    """The file of its model."""
    (path,) = (folder / "models").iterdir()
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", ROOTS)
def test_the_shipped_file_is_what_the_types_say(name):
    # Made again with: write_json(Path("pytest_slm/registry/schema/NAME.schema.json"), of(ROOTS["NAME"]))
    assert load(name) == json.loads(to_text(of(ROOTS[name])))


@pytest.mark.parametrize("name", ROOTS)
def test_the_schema_is_itself_in_order(name):
    jsonschema.Draft202012Validator.check_schema(load(name))


@pytest.mark.parametrize("mode", ["full", "quick"])
def test_real_reports_pass(factory, mode):
    validate("report", json.loads(to_text(factory.make_run("Q8_0", mode, with_trouble=True))), "here")


def test_a_registry_with_everything_that_is_timed_passes_and_is_read_back_equal(tmp_path, factory):
    runs = [factory.make_run(name, modern=True) for name in ("FP16", "Q8_0")]
    found = [StoredReport(path=f"{run.quantization}/report.json", sha256="a" * 64, run=run) for run in runs]
    made = build_registry(found)
    write_registry(tmp_path / "registry", made)
    assert check_registry(tmp_path / "registry") == ()
    assert read_registry(tmp_path / "registry") == made


def test_a_document_from_before_the_new_fields_is_still_read(factory, folder, document):
    # Each has a default.
    for model in (document["model"],):
        assert model.pop("deployment_targets") == []
        for row in model["performance"]["quantizations"].values():
            for name in ("latency", "ttft_parts", "prefill_tps", "generate_tps", "depth", "parallel", "load"):
                assert not row.pop(name)
            for name in ("energy_per_token", "energy_reason"):
                assert not row.pop(name)
            for quantity in (*row["decode"], *row["ttft"]):
                assert quantity.pop("verdict") is None
                assert quantity.pop("reason") == ""
    factory.change_model(folder, json.dumps(document))
    assert read_registry(folder).metadata.total_models == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema_version="1.0"),
        lambda d: d.update(metadata={}),
        lambda d: d["model"].update(surprise=1),
        lambda d: d["model"].update(use_cases=[]),
        lambda d: d["model"]["use_cases"]["rag"].update(score=101),
        lambda d: d["model"]["use_cases"]["rag"].update(score="<script>"),
        lambda d: d["model"]["use_cases"]["rag"].update(n=0),
        lambda d: d["model"]["use_cases"]["rag"].update(coverage=1.5),
        lambda d: d["model"]["use_cases"]["rag"].update(interval=[1]),
        lambda d: d["model"].update(compliance={"status": "gdpr_compliant"}),
        lambda d: d["model"]["provenance"]["reports"][0].pop("sha256"),
    ],
)
def test_a_registry_that_is_not_in_order_is_refused_with_its_path(factory, folder, document, change):
    change(document)
    path = factory.change_model(folder, json.dumps(document))
    with pytest.raises(ReportError, match=path.name):
        read_registry(folder)
    (problem,) = check_registry(folder)
    assert path.name in str(problem)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema="9"),
        lambda d: d.update(mode="thorough"),
        lambda d: d.update(created="yesterday"),
        lambda d: d["results"][0].update(outcome="maybe"),
        lambda d: d["results"][0]["metrics"][0].update(n=0),
        lambda d: d["results"][0]["metrics"][0].update(value=None),
        lambda d: d["submission"].update(trust_remote_code=True),
    ],
)
def test_a_report_that_is_not_in_order_is_refused(factory, change):
    section = json.loads(to_text(factory.make_run()))
    change(section)
    with pytest.raises(ReportError, match="report-invalid"):
        validate("report", section, "here")
