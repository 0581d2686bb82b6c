"""Further quantizations of a real file: made once, with a note about where they come from, or refused with a reason."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.cli.main import main
from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import BackendError, ReportError, SlmError, UsageError
from pytest_slm.models import best_source, derive, detect, locate, select, type_named
from pytest_slm.models.derive import NEED_IMATRIX, TYPES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(folder))
    return folder


def offering(*names, derive=True):
    return Submission(slug="m", name="M", quantizations=tuple(quantization(name) for name in names), derive=derive)


def quantization(name, format_="gguf"):
    return Quantization(name=name, format=format_)


# -- making -------------------------------------------------------------------------------------------------------


def test_a_derived_file_is_what_was_asked_for_and_says_where_it_comes_from(real_model, cache):
    made = derive(real_model, "q8_0")
    found = detect(made)
    assert (found.quantization, found.parameters) == ("Q8_0", detect(real_model).parameters)
    note = found.derivation
    assert (note.source_quantization, note.quantization, note.source_file) == ("Q4_1", "Q8_0", real_model.name)
    assert note.source_sha256 == subprocess.check_output(["sha256sum", real_model], text=True).split()[0]
    assert note.sha256 == subprocess.check_output(["sha256sum", made], text=True).split()[0]
    assert made.is_relative_to(cache)


def test_a_file_that_is_there_is_not_made_again_unless_it_is_damaged(small_q4_1_model, cache):
    made = derive(small_q4_1_model, "Q4_0")
    before = made.stat().st_mtime_ns
    assert derive(small_q4_1_model, "Q4_0") == made
    assert made.stat().st_mtime_ns == before
    with made.open("r+b") as file:  # one byte of the weights, so that size and header stay
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    damaged = made.stat().st_mtime_ns
    assert derive(small_q4_1_model, "Q4_0") == made
    assert made.stat().st_mtime_ns == damaged
    derive(small_q4_1_model, "Q4_0", verify=True)
    with made.open("rb") as file:
        file.seek(-1, 2)
        assert file.read(1) == last


def test_a_file_without_its_note_is_made_again(small_q4_1_model, cache):
    made = derive(small_q4_1_model, "Q4_0")
    note = next(made.parent.glob("*.json"))
    note.write_text("{}")
    assert detect(made).derivation is None
    derive(small_q4_1_model, "Q4_0")
    assert json.loads(note.read_text())["quantization"] == "Q4_0"


def test_paths_need_not_be_utf_8(small_q4_1_model, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_SLM_CACHE", str(tmp_path / os.fsdecode(b"cache\xff")))
    source = tmp_path / os.fsdecode(b"m\xff.gguf")
    source.symlink_to(small_q4_1_model)
    assert detect(derive(source, "Q4_0")).quantization == "Q4_0"


def test_nothing_unfinished_stays_behind(small_q4_1_model, cache):
    derive(small_q4_1_model, "Q4_0")
    assert sorted(path.name for path in cache.rglob("*") if path.is_file()) == [
        "small-Q4_0.gguf",
        "small-Q4_0.gguf.derivation.json",
    ]


def test_two_at_once_do_not_harm_each_other(small_q4_1_model, cache):
    code = (
        "import sys; from pathlib import Path; from pytest_slm.models import derive; derive(Path(sys.argv[1]), 'Q4_0')"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, str(small_q4_1_model)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (
        derive(small_q4_1_model, "Q4_0", verify=True).stat().st_size
        == detect(derive(small_q4_1_model, "Q4_0")).file_size
    )


# -- refusing -----------------------------------------------------------------------------------------------------


def test_a_source_with_a_broken_header_never_reaches_the_engine(tmp_path, cache):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + b"\xff" * 100)
    with pytest.raises(SlmError, match=r"broken\.gguf"):
        derive(path, "Q8_0")
    assert not list(cache.rglob("*.gguf"))


def test_weights_that_the_engine_cannot_read_are_told_and_leave_nothing_behind(small_q4_1_model, tmp_path, cache):
    # a good header with no architecture that llama.cpp knows
    path = tmp_path / "other.gguf"
    data = small_q4_1_model.read_bytes()
    path.write_bytes(
        data.replace(b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05\x00\x00\x00\x00\x00\x00\x00lalma", 1)
    )
    with pytest.raises(BackendError, match=r"other\.gguf") as caught:
        derive(path, "Q8_0")
    assert caught.value.slug == "quantize"
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written_is_told(small_q4_1_model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportError, match="file"):
        derive(small_q4_1_model, "Q8_0", cache=tmp_path / "file")


def test_a_quantizer_that_dies_is_an_error_with_its_last_words(small_q4_1_model, cache, monkeypatch):
    monkeypatch.setattr(sys.modules["pytest_slm.models.derive"], "QUANTIZER", "no_such_module")
    with pytest.raises(BackendError, match=r"exit code 1: .*no_such_module"):
        derive(small_q4_1_model, "Q8_0")


@pytest.mark.parametrize("name", NEED_IMATRIX)
def test_types_that_need_more_than_weights_are_refused_with_the_reason(name):
    with pytest.raises(UsageError, match="importance matrix"):
        type_named(name)


@given(st.sampled_from(sorted(TYPES)), st.randoms(use_true_random=False))
def test_case_does_not_matter(name, random):
    assert type_named("".join(random.choice((letter.lower(), letter.upper())) for letter in name)) == name


@given(st.text(max_size=12).filter(lambda text: text.strip().upper() not in {*TYPES, "FP16", "FP32"}))
def test_any_other_name_is_an_error(name):
    with pytest.raises(UsageError) as caught:
        type_named(name)
    assert caught.value.slug == "quantization-type"


# -- submissions --------------------------------------------------------------------------------------------------


def test_a_submission_that_derives_offers_every_type():
    submission = offering("Q8_0", "F16", "Q4_1")
    listed, made = select(submission, "Q8_0,q5_k_m")
    assert (listed.name, listed.derived_from) == ("Q8_0", None)
    assert (made.name, made.derived_from) == ("Q5_K_M", "F16")


def test_without_derive_the_remedy_is_named():
    with pytest.raises(UsageError, match=r"pytest-slm quantize.*derive: true"):
        select(offering("F16", derive=False), "Q4_0")


def test_all_means_what_is_listed():
    assert [item.name for item in select(offering("Q8_0", "F16"), "all")] == ["Q8_0", "F16"]


def test_the_best_source_has_lost_least_and_is_a_gguf():
    ordered = ["F32", "BF16", "FP16", "Q8_0", "Q6_K", "Q4_0"]
    for place, name in enumerate(ordered):
        assert best_source(map(quantization, reversed(ordered[place:]))).name == name
    assert best_source([quantization("F32", "safetensors"), quantization("Q4_0")]).name == "Q4_0"
    assert best_source([quantization("F32", "safetensors")]) is None


def test_a_derived_quantization_is_made_when_it_is_located(small_q4_1_model, cache):
    source = Quantization(name="Q4_1", format="gguf", source=str(small_q4_1_model.parent), file=small_q4_1_model.name)
    submission = Submission(slug="m", name="M", quantizations=(source,), derive=True)
    (wanted,) = select(submission, "Q5_0")
    assert not cache.exists()
    assert detect(locate(submission, wanted)).quantization == "Q5_0"


def test_the_types_are_those_of_llama_cpp():
    llama = pytest.importorskip("llama_cpp")
    for name, number in TYPES.items():
        long = "LLAMA_FTYPE_ALL_F32" if name == "F32" else f"LLAMA_FTYPE_MOSTLY_{name}"
        assert getattr(llama, long) == number, name


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def command(capsys):
    """``command("--to", "Q8_0")``: exit code, standard output and error of ``pytest-slm quantize``."""

    def run(*arguments):
        code = main(["quantize", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_the_command_makes_what_it_is_told(command, small_q4_1_model, tmp_path):
    code, out, err = command(small_q4_1_model, "--to", "Q8_0,q4_0", "--cache", tmp_path)
    assert code == 0, err
    first, second = out.splitlines()
    assert first.split()[0] == "Q8_0"
    assert second.split()[0] == "Q4_0"
    assert all(Path(line.split()[-1]).is_file() for line in (first, second))
    assert "is Q4_1 itself; what it has lost stays lost" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--to", "Q4_O"), "Did you mean"),
        (("--to", "Q8_0,IQ2_XS"), "importance matrix"),
        (("--to", ","), "names no type"),
        (("--to", "Q8_0", "--source", "F16"), "no quantization 'F16'"),
    ],
)
def test_the_command_refuses_before_it_makes_anything(command, small_q4_1_model, tmp_path, arguments, told):
    code, _, err = command(small_q4_1_model, "--cache", tmp_path, *arguments)
    assert code == 4
    assert told in err
    assert not list(tmp_path.iterdir())
