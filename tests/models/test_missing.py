"""What is not on this machine is told, and neither downloaded nor made to find out."""

import sys

import pytest

from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import NotAvailableError
from pytest_slm.models import arriving, derive, hub, missing, select, variants

module = sys.modules["pytest_slm.models.missing"]


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """A submission that derives from a file beside it."""
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(tmp_path / "cache"))

    def offer(file):
        original = Quantization(name="Q4_1", format="gguf", source=str(file.parent), file=file.name)
        return Submission(slug="m", name="M", quantizations=(original,), derive=True)

    return offer


def test_all_parts_of_a_split_file_are_counted(tmp_path, offer):
    for part, size in ((1, 1_000), (2, 900_000)):
        (tmp_path / f"m-0000{part}-of-00002.gguf").write_bytes(b"x" * size)
    submission = offer(tmp_path / "m-00001-of-00002.gguf")
    found = missing(submission, submission.quantizations[0], offline=True)
    assert (found.nothing, found.size) == (True, 901_000)


def test_a_derived_quantization_is_there_once_it_is_made(real_model, tmp_path, offer):
    submission = offer(real_model)
    (wanted,) = select(submission, "Q4_0")
    found = missing(submission, wanted, offline=False)
    assert (found.nothing, found.n_bytes) == (False, 0)
    assert found.reason == "Q4_0 has to be made from Q4_1 first"
    assert not (tmp_path / "cache").exists()
    made = derive(real_model, "Q4_0")
    found = missing(submission, wanted, offline=False)
    assert (found.nothing, found.size) == (True, made.stat().st_size)


def test_a_derived_quantization_lacks_what_its_source_lacks(tmp_path, offer):
    submission = offer(tmp_path / "gone.gguf")
    (wanted,) = select(submission, "Q4_0")
    found = missing(submission, wanted, offline=True)
    assert (found.nothing, found.n_bytes) == (False, None)
    assert "gone.gguf" in found.reason


def test_engines_and_kernels_share_what_is_downloaded(monkeypatch):
    listed = hub.Listing(
        repo="org/m", revision="a", files=("a.gguf", "b.gguf"), quantizations=(), sizes={"a.gguf": 5, "b.gguf": 7}
    )
    monkeypatch.setattr(hub, "listing", lambda *_, **__: listed)
    monkeypatch.setattr(hub, "cache_folder", lambda: module.Path())
    offered = tuple(Quantization(name=name, format="gguf", file=f"{name}.gguf") for name in "ab")
    submission = Submission(slug="m", name="M", hf_repo="org/m", quantizations=offered, derive=True)
    monkeypatch.setattr(module, "locate", lambda *_, **__: (_ for _ in ()).throw(NotAvailableError("not here")))
    chosen = variants(offered, ("llama.cpp", "ik"), ("native", "F16"))
    assert len(chosen) == 8
    assert sorted(one.n_bytes for one in arriving(submission, chosen, offline=False)) == [5, 7]


@pytest.mark.parametrize(
    ("source", "revision"), [(None, "abc"), ("org/m", "abc"), ("org/m@v1", "v1"), ("other/m-GGUF", None)]
)
def test_the_revision_of_a_submission_is_that_of_its_own_repo(monkeypatch, source, revision):
    asked = []

    def listing(repo, revision=None, *, offline=False):
        asked.append(revision)
        return hub.Listing(repo=repo, revision="main", files=("m.gguf",), quantizations=(), sizes={"m.gguf": 5})

    wanted = Quantization(name="Q4_0", format="gguf", source=source, file="m.gguf")
    submission = Submission(slug="m", name="M", hf_repo="org/m", revision="abc", quantizations=(wanted,))
    monkeypatch.setattr(hub, "listing", listing)
    monkeypatch.setattr(hub, "cache_folder", lambda: module.Path())
    assert module._on_the_hub(submission, wanted).n_bytes == 5
    assert asked == [revision]
