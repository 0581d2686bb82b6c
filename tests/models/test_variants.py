"""One file measured in several ways: names, and what each is made from."""

import pytest

from pytest_slm.core.types import EngineSettings, Quantization, Submission
from pytest_slm.models import check_quantization, detect, locate, variants
from pytest_slm.models.missing import missing

Q4 = Quantization(name="Q4_1", format="gguf", engine=EngineSettings(n_batch=64))
F16 = Quantization(name="F16", format="gguf")
FOLDER = Quantization(name="BF16", format="safetensors")


def names(*arguments):
    return [one.name for one in variants(*arguments)]


def test_every_way_has_a_name():
    assert names([Q4], ("llama.cpp", "ik"), ("native", "F16")) == [
        *("Q4_1+llama.cpp", "Q4_1+ik", "Q4_1+F16+llama.cpp", "Q4_1+F16+ik"),
    ]
    assert names([Q4], (), ("F32",)) == ["Q4_1+F32"]
    assert names([Q4], (), ("native",)) == ["Q4_1"]


def test_what_is_unpacked_already_is_measured_once():
    assert names([F16], (), ("native", "F16")) == ["F16"]


def test_what_is_no_gguf_stays_as_it_is():
    assert variants([FOLDER], ("ik",), ("F16",)) == (FOLDER,)


def test_a_way_keeps_what_the_submission_says_of_the_engine():
    (made,) = variants([Q4], ("ik",), ("native",))
    assert made.engine == EngineSettings(n_batch=64, engine="ik")
    assert (made.declared, made.made) == ("Q4_1", None)


def test_unpacked_weights_are_made_of_the_file_itself(small_q4_1_model, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(tmp_path / "cache"))
    file = Quantization(name="Q4_1", format="gguf", source=str(small_q4_1_model.parent), file=small_q4_1_model.name)
    submission = Submission(slug="small", name="small", quantizations=(file,), origin=str(tmp_path / "s.yaml"))
    (unpacked,) = variants([file], ("llama.cpp",), ("F32",))
    assert unpacked.name == "Q4_1+F32+llama.cpp"
    assert "has to be made" in missing(submission, unpacked, offline=True).reason
    path = locate(submission, unpacked)
    found = detect(path)
    assert (found.quantization, found.derivation.source_quantization) == ("F32", "Q4_1")
    assert check_quantization(unpacked, found) is None
    assert missing(submission, unpacked, offline=True).nothing
    assert locate(submission, file) == small_q4_1_model


def test_weights_that_are_no_such_type_are_noticed(small_q4_1_model):
    found = detect(small_q4_1_model)
    (wrong,) = variants([Quantization(name="Q8_0", format="gguf")], ("ik",), ("native",))
    assert "declared Q8_0, the file says Q4_1" in check_quantization(wrong, found)


@pytest.mark.parametrize("given", ["F17", "native,", "native,q8", ""])
def test_other_kernels_are_refused(given):
    from pytest_slm.errors import UsageError
    from pytest_slm.plugin.given import kernels

    with pytest.raises(UsageError, match="expected native, F16, F32"):
        kernels(given or " ")


def test_kernels_are_read_in_any_case_and_once():
    from pytest_slm.plugin.given import kernels

    assert kernels("f16,NATIVE,F16") == ("F16", "native")
    assert kernels(None) == ("native",)
