"""A model reference becomes a Submission, or an error that says what was tried."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slm.core.types import Quantization
from pytest_slm.errors import NotAvailableError, UsageError
from pytest_slm.models import detect, locate, resolve
from pytest_slm.models.naming import model_name

Install = Callable[..., Path]
Make = Callable[..., bytes]


def refusal(reference: str, **options: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        resolve(reference, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize("name", ["m.gguf", "models/m", "m.yaml", "m"])
def test_a_link_to_nothing_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # It was "no such file. Did you mean 'm.gguf'?", with its own name, or a repo that the Hub does not have.
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path(name).symlink_to("/nowhere/m.gguf")
    assert str(refusal(name)).startswith(f"{name}: a symbolic link to /nowhere/m.gguf, where nothing is")


# -- packages -------------------------------------------------------------------------------------------------------


def test_a_package_is_found_without_importing_it(install: Install, make_gguf: Make) -> None:
    install("tiny-model", {"tiny_model/m.gguf": make_gguf(), "tiny_model/__init__.py": b"raise SystemExit('imported')"})
    submission = resolve("pkg:tiny-model")
    assert (submission.slug, submission.name, submission.revision) == ("tiny-model", "Tiny", "1.2")
    assert submission.quantizations == (
        Quantization(name="Q8_0", format="gguf", source="pkg:tiny-model", file="tiny_model/m.gguf"),
    )
    assert "tiny_model" not in sys.modules
    assert detect(locate(submission, submission.quantizations[0])).parameters == 128


def test_several_files_of_a_package_are_several_quantizations(install: Install, make_gguf: Make) -> None:
    # The header counts, not the name: both could be called anything.
    half = make_gguf({"general.file_type": (4, 1)}, [("t", (32,), 1)])
    install("tiny-model", {"a.gguf": make_gguf(), "b.gguf": half, "c.gguf": half})
    submission = resolve("pkg:tiny-model")
    assert {item.name: item.file for item in submission.quantizations} == {
        "Q8_0": "a.gguf",
        "F16": "b.gguf",
        "c": "c.gguf",
    }


def test_a_package_that_is_not_installed_names_the_command_and_the_nearest(install: Install, make_gguf: Make) -> None:
    install("tiny-model", {"m.gguf": make_gguf()})
    error = refusal("pkg:tiny-modle")
    assert error.slug == "package-not-found"
    assert "`pip install tiny-modle`" in str(error)
    assert "Did you mean 'tiny-model'?" in str(error)


@pytest.mark.parametrize("name", ["", " ", "../x", "a\0b"])
def test_an_impossible_package_name_is_not_installed(name: str) -> None:
    error = refusal(f"pkg:{name}")
    assert error.slug == "package-not-found"
    assert "the name of an installed package is expected behind the colon" in str(error)
    assert "pip install" not in str(error)


def test_a_package_without_a_list_of_files_says_so(install: Install) -> None:
    install("bare-model", {}, record=False)
    assert refusal("pkg:bare-model").slug == "package-no-record"


def test_an_editable_package_says_so(install: Install) -> None:
    install("edit-model", {"__editable__.edit_model.pth": b""}, editable=True)
    error = refusal("pkg:edit-model")
    assert error.slug == "package-no-gguf"
    assert "editable" in str(error)


def test_a_package_whose_file_is_gone_says_so(install: Install, make_gguf: Make) -> None:
    (install("gone-model", {"m.gguf": make_gguf()}) / "m.gguf").unlink()
    assert "the file is gone" in str(refusal("pkg:gone-model"))


def test_a_damaged_file_of_a_package_is_refused(install: Install, make_gguf: Make) -> None:
    install("cut-model", {"m.gguf": make_gguf()[:-1]})
    assert refusal("pkg:cut-model").slug == "gguf-truncated"


# -- files and folders ----------------------------------------------------------------------------------------------


def test_a_gguf_file(tiny: Path) -> None:
    submission = resolve(str(tiny))
    assert (submission.slug, submission.name, submission.origin) == ("tiny", "tiny", str(tiny))
    assert (submission.architecture, submission.context_length, submission.license) == ("llama", 2048, "apache-2.0")
    assert locate(submission, submission.quantizations[0]) == tiny


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1", "SmolLM2-135M-Instruct"),
        ("qwen-0.5b-q4_k_m", "qwen-0.5b"),
        ("model", "model"),
        # the whole name is a quantization: better that than nothing
        ("Q8_0", "Q8_0"),
    ],
)
def test_a_models_name_is_its_file_without_the_quantization(stem: str, name: str) -> None:
    assert model_name(stem) == name


def test_a_file_is_found_after_the_current_folder_has_changed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    submission = resolve(tiny.name)
    monkeypatch.chdir("/")
    assert locate(submission, submission.quantizations[0]) == tiny


def test_a_missing_gguf_names_its_neighbour(tiny: Path) -> None:
    error = refusal(str(tiny.with_name("tiny.Q8_1.gguf")))
    assert error.slug == "unknown-model"
    assert "Did you mean 'tiny.Q8_0.gguf'?" in str(error)


def test_a_folder_with_safetensors(hf_folder: Path) -> None:
    submission = resolve(str(hf_folder))
    assert (submission.slug, submission.name) == ("tiny-llama", "Tiny-Llama")
    (quantization,) = submission.quantizations
    assert (quantization.name, quantization.format) == ("BF16", "safetensors")
    assert locate(submission, quantization) == hf_folder


def test_a_folder_with_pickles_is_refused_with_the_reason(hf_folder: Path) -> None:
    (hf_folder / "model.safetensors").rename(hf_folder / "pytorch_model.bin")
    assert "can run code" in str(refusal(str(hf_folder)))


def test_a_folder_with_ggufs_asks_for_the_file(tiny: Path) -> None:
    assert "tiny.Q8_0.gguf" in str(refusal(str(tiny.parent)))


# -- submissions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def submissions(tmp_path: Path, make_gguf: Make) -> Path:
    """A folder of submissions, one of which has its weights beside it."""
    folder = tmp_path / "offers"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "tiny-Q8_0.gguf").write_bytes(make_gguf())
    entry = "{name: Q8_0, format: gguf, source: ./weights}"
    (folder / "tiny-model.yml").write_text(f"model: {{name: Tiny, quantizations: [{entry}]}}")
    (folder / "template.yml").write_text("model: {hf_repo: a/b}")
    return folder


def test_a_submission_by_slug_and_by_path(submissions: Path) -> None:
    by_slug = resolve("tiny-model", submissions=submissions)
    assert by_slug == resolve(str(submissions / "tiny-model.yml"))
    assert by_slug.slug == "tiny-model"


def test_a_relative_source_is_beside_the_submission(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = resolve("tiny-model", submissions=submissions)
    monkeypatch.chdir("/")
    assert locate(submission, submission.quantizations[0]) == submissions / "weights" / "tiny-Q8_0.gguf"


def test_the_default_folder_is_submissions(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submissions.rename(submissions.with_name("submissions"))
    monkeypatch.chdir(submissions.parent)
    assert resolve("tiny-model").name == "Tiny"


def test_a_wrong_slug_names_the_nearest_and_what_was_tried(submissions: Path) -> None:
    error = refusal("tiny-modle", submissions=submissions)
    assert error.slug == "unknown-model"
    assert "Did you mean 'tiny-model'?" in str(error)
    assert "pkg:NAME" in str(error)


def test_the_template_is_not_offered(submissions: Path) -> None:
    assert "Did you mean" not in str(refusal("templat", submissions=submissions))


def test_a_missing_submission_file_names_the_nearest(submissions: Path) -> None:
    assert "Did you mean 'tiny-model.yml'?" in str(refusal(str(submissions / "tiny-modl.yml")))


# -- the rest -------------------------------------------------------------------------------------------------------


def test_the_fake_model() -> None:
    submission = resolve("fake")
    assert submission.slug == "fake"
    assert submission.quantizations == (Quantization(name="scripted", format="fake"),)


def test_the_fake_model_with_a_script(tmp_path: Path) -> None:
    script = tmp_path / "answers.json"
    script.write_text("{}")
    submission = resolve(f"fake:{script}")
    assert submission.quantizations[0].file == str(script)
    assert locate(submission, submission.quantizations[0]) == script
    assert refusal(f"fake:{script}x").slug == "unknown-model"


@pytest.mark.parametrize("reference", ["", " ", "a/b/c", "../x/y", "a/..", "x" * 5000, "a\0b"])
def test_anything_else_is_unknown(reference: str) -> None:
    assert refusal(reference).slug == "unknown-model"


def test_a_hub_repo_without_the_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(NotAvailableError, match=r"pip install 'pytest-slm\[hub\]'"):
        resolve("org/name")
