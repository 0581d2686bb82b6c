"""What the measurements refuse before they measure anything."""

import pytest

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")

from benchmarks.common import arguments, data


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "", "many", "²"])
def test_rounds_are_a_whole_number_from_1(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.parser("Measures.").parse_args([f"--rounds={wrong}"])
    assert ended.value.code == 2
    assert "argument --rounds: expected a whole number from 1" in capsys.readouterr().err
    assert arguments.parser("Measures.").parse_args(["--rounds=12"]).rounds == 12


@pytest.fixture
def several(tmp_path, real_model, monkeypatch):
    """The slug of a submission with two quantizations of the real model."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / "submissions" / name).symlink_to(real_model)
    (tmp_path / "submissions" / "two.yml").write_text(
        """
model:
  name: Two
  quantizations:
    - {name: Q4_1, format: gguf, source: ., file: a.gguf}
    - {name: Q8_0, format: gguf, source: ., file: b.gguf}
"""
    )
    return "submissions/two.yml"


def test_of_several_quantizations_the_named_one_is_taken(several):
    assert data.weights(several, "Q4_1").name == "a.gguf"
    assert data.weights(several, "Q8_0").name == "b.gguf"


def test_a_quantization_that_a_model_lacks_ends_the_program_with_those_that_it_has(several):
    with pytest.raises(SystemExit, match=r"two has no quantization 'Q5_0'\..*Q4_1, Q8_0"):
        data.weights(several, "Q5_0")


def test_a_model_that_is_not_there_ends_the_program_with_the_reason(tmp_path):
    with pytest.raises(SystemExit, match=r"nowhere\.gguf"):
        data.weights(str(tmp_path / "nowhere.gguf"), "Q4_0")
