"""The report of a run that was stopped costs nothing: weights of what never ran are neither downloaded nor made."""

import dataclasses

import pytest

from pytest_slm.core.types import ItemId, Quantization, Submission
from pytest_slm.run.assembly import SessionFacts, assemble


@pytest.fixture
def derived(run, real_model, tmp_path, monkeypatch):
    """A run of a quantization that has to be made first."""
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(tmp_path / "cache"))
    original = Quantization(name="Q4_1", format="gguf", source=str(real_model.parent), file=real_model.name)
    wanted = dataclasses.replace(original, name="Q4_0", file=None, derived_from="Q4_1")
    submission = Submission(slug="m", name="M", quantizations=(original,), derive=True)
    return dataclasses.replace(run(), submission=submission, quantizations=(original, wanted))


def test_what_never_ran_is_not_made_for_its_report(derived, tmp_path):
    items = [ItemId(suite="core", task="a", variant="", quantization=name) for name in ("Q4_1", "Q4_0")]
    known = SessionFacts(began=0.0, planned={str(item): item for item in items})
    here, absent = assemble(derived, known, finished=1.0, interrupted=True, harness={})
    assert here.detected.quantization == "Q4_1"  # it lies there, so its headers are read
    assert absent.detected is None
    assert [result.outcome for result in absent.results] == ["not_run"]
    assert not (tmp_path / "cache").exists()
