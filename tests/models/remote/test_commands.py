"""`pytest-slm detect`, `submit` and `validate` of a model on the Hub: from its name to a file that can be published."""

import json
import sys

import pytest

pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")

from pytest_slm.cli.main import main
from pytest_slm.load import load_submission

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def submit(hub, tmp_path):
    """Submit this reference into an empty folder: the exit code, and where the file is."""
    hub.repos["org/tiny"].info["cardData"] = {"license": "apache-2.0"}

    def submit(*arguments):
        folder = tmp_path / "submissions"
        return main(["submit", *arguments, "-o", str(folder)]), folder / "tiny.yml"

    return submit


def test_detect_tells_how_many_bytes_were_fetched(hub, capsys, make_gguf):
    assert main(["detect", "org/tiny", "--quant", "Q8_0"]) == 0
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["detected"]["Q8_0"]["parameters"] == 128
    size = len(make_gguf())
    assert told["fetched"] == {"Q8_0": {"bytes": size, "ranges": 1, "files_bytes": size}}
    assert "fetched 0.00 MB in 1 ranges" in printed.err


def test_submit_writes_what_the_headers_say_and_marks_the_rest(submit, capsys):
    code, path = submit("org/tiny")
    printed = capsys.readouterr()
    assert code == 0
    written = load_submission(path)
    assert (written.name, written.hf_repo, written.revision) == ("tiny", "org/tiny", COMMIT)
    assert (written.parameters, written.architecture, written.context_length) == ("128", "llama", 2048)
    assert written.license == "apache-2.0"
    assert {one.name: one.file for one in written.quantizations} == {"F16": "tiny-F16.gguf", "Q8_0": "tiny-Q8_0.gguf"}
    marked = {line.split(":")[0] for line in path.read_text("utf-8").splitlines() if "# TODO *" in line}
    assert marked == {"  # family", "  # submitted_by"}
    assert "'model.family' is missing; publishing needs it" in printed.out
    assert f"pytest-slm validate {path}" in printed.out


def test_what_was_submitted_is_valid_and_can_be_finished_by_hand(submit, capsys):
    _, path = submit("org/tiny")
    text = path.read_text("utf-8").replace("  # family:", "  family: Tiny")
    path.write_text(text.replace("  # submitted_by:", "  submitted_by: me"), "utf-8")
    capsys.readouterr()
    assert main(["validate", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: ok\n"


def test_nothing_is_overwritten(submit, capsys):
    _, path = submit("org/tiny")
    path.write_text("mine", "utf-8")
    assert submit("org/tiny")[0] == 4
    assert "[submission-exists]" in capsys.readouterr().err
    assert path.read_text("utf-8") == "mine"
    assert submit("org/tiny", "--slug", "other")[0] == 0
    assert path.with_name("other.yml").is_file()


def test_a_card_that_contradicts_the_weights_is_told(hub, submit, capsys):
    hub.repos["org/tiny"].info["cardData"] = {"license": "mit"}
    code, path = submit("org/tiny")
    assert code == 4
    assert f"{path}: Q8_0: license: declared mit, the file says apache-2.0" in capsys.readouterr().err


def test_words_of_strangers_stay_words(hub, submit):
    hub.repos["org/tiny"].info["cardData"] = {"license": "no: [1, 2]\n  derive: true # x"}
    _, path = submit("org/tiny")
    written = load_submission(path)
    assert written.license.startswith("no: [1, 2]")
    assert written.derive is False


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"general.type": (8, "adapter")}, "writes-no-text"),
        ({"general.architecture": (8, "bert")}, "writes-no-text"),
        (None, "submission-too-large"),
    ],
)
def test_what_may_not_be_submitted_is_refused_before_anything_is_written(
    hub, submit, capsys, make_gguf, monkeypatch, change, slug
):
    if change is None:
        monkeypatch.setattr(sys.modules["pytest_slm.models.detect"], "LARGEST", 100)
    hub.repos["org/tiny"].files = {"tiny-Q8_0.gguf": make_gguf(change)}
    code, path = submit("org/tiny")
    assert code == 4
    assert f"[{slug}]" in capsys.readouterr().err
    assert not path.parent.exists()


def test_only_what_others_can_find_is_submitted(submit, tiny, capsys):
    assert submit(str(tiny))[0] == 4
    assert "[submit-place]" in capsys.readouterr().err
    assert submit("org/tiny", "--slug", "No Slug")[0] == 4
    assert "[option-value]" in capsys.readouterr().err
