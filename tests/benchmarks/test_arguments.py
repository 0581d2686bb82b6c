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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--quantizations", ","], "argument --quantizations: expected names with commas"),
        (["--depth=-1"], "argument --depth: expected a whole number from 0, not '-1'"),
        (["--llama-bench", "no-such-program"], "argument --llama-bench: no-such-program: no program"),
        (["--out", __file__], "cannot be written"),
    ],
)
def test_a_wrong_argument_is_one_line_before_anything_is_measured(words, told, tmp_path, capsys, monkeypatch):
    from benchmarks import vs_llama_bench

    monkeypatch.setattr(arguments, "PLOTS", ())
    given = {"--llama-bench": "sh", "--out": str(tmp_path), **dict(zip(words[::2], words[1::2], strict=False))}
    line = [word for pair in given.items() for word in pair] + [word for word in words if "=" in word]
    monkeypatch.setattr("sys.argv", ["vs_llama_bench", *line])
    with pytest.raises(SystemExit) as ended:
        vs_llama_bench.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("generation", ["--data", "."]),
        ("scoring", ["--data", "."]),
        ("vs_llama_bench", ["--llama-bench", "sh"]),
    ],
)
def test_without_matplotlib_nothing_is_measured(name, words, tmp_path, capsys, monkeypatch):
    import importlib

    monkeypatch.setattr(arguments, "PLOTS", ("no_such_matplotlib",))
    monkeypatch.setattr("sys.argv", [name, *words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 2
    assert "needs no_such_matplotlib: pip install 'pytest-slm[bench" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_known_names_only():
    read = arguments.among(["hf", "server"], none=True)
    assert (read("hf, server"), read("")) == (["hf", "server"], [])
    with pytest.raises(arguments.argparse.ArgumentTypeError, match="unknown 'vllm'; known are hf, server"):
        read("vllm")


def test_data_that_are_not_there_end_the_program(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments.checked(
            arguments.parser("Measures.", questions=1), argv=["--data", str(tmp_path / "x"), "--out", str(tmp_path)]
        )
    assert ended.value.code == 2
    assert "argument --data:" in capsys.readouterr().err


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
