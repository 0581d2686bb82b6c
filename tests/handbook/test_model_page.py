"""The page of a model: commands only for files that exist, numbers only where they were counted or measured."""

import ast
import re

import pytest
import yaml

from pytest_slm.handbook.facts import Attention, HubFile, HubQuantization, Relative, ReportedScore, Trouble
from pytest_slm.handbook.featured import FeaturedList, Guide
from pytest_slm.handbook.pages.measured import _number
from pytest_slm.registry import build_registry
from pytest_slm.registry.store import StoredReport

GGUF = (HubQuantization(name="Q8_0", file="m-Q8_0.gguf", size=144_811_360),)
KEPT = Attention(layers=30, kv_heads=3, head_size=64, source="org/tiny")


@pytest.fixture
def page(pages, model):
    """The page of one model with such facts."""

    def make(repo="org/tiny", options=None, **changes):
        return pages(model(repo, **changes), **(options or {}))[f"{repo.lower().replace('/', '--')}.md"]

    return make


@pytest.fixture
def registry(factory):
    def make(*runs):
        found = [StoredReport(path=f"{n}/report.json", sha256="0" * 64, run=run) for n, run in enumerate(runs)]
        return build_registry(found)

    return make


def titles(text):
    return re.findall(r"^### (.+)$", text.partition("## What was measured")[0], re.MULTILINE)


# -- commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "quantizations", "ways"),
    [
        ((), (), []),
        (("config.json",), (), []),
        (("model.safetensors",), (), []),  # nobody can open it without a configuration
        (("config.json", "model.safetensors"), (), ["transformers", "vLLM"]),
        ((), ("m-Q8_0.gguf",), ["Ollama", "llama.cpp", "llama-cpp-python"]),
        (("onnx/model_q4.onnx",), (), ["transformers.js"]),
        (("model.onnx", "onnx/../x.onnx"), (), []),
        (("pytorch_model.bin", "config.json"), (), []),
    ],
)
def test_each_way_to_run_a_model_needs_its_files(page, files, quantizations, ways):
    told = tuple(HubFile(name=name, size=1) for name in files if ".." not in name)
    made = tuple(HubQuantization(name="Q8_0", file=name, size=1) for name in quantizations)
    text = page(files=told, quantizations=made)
    assert titles(text) == ways
    assert ("None of its files" in text) is (not ways)
    assert ("--slm-model=org/tiny" in text) is bool(ways)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("Q2_K", "Q8_0", "Q4_K_M", "F16"), "Q4_K_M"),
        (("IQ2_XXS", "F16"), "IQ2_XXS"),
    ],
)
def test_the_commands_name_a_quantization_that_is_there(page, names, chosen):
    made = tuple(HubQuantization(name=name, file=f"m-{name}.gguf", size=1) for name in names)
    text = page(quantizations=made)
    assert f"ollama run hf.co/org/tiny:{chosen}\n" in text
    assert f"llama-server -hf org/tiny:{chosen} " in text
    assert f'filename="m-{chosen}.gguf"' in text
    assert f"--slm-quant={chosen} " in text


@pytest.mark.parametrize(
    "file", ["m $(rm -rf ~).gguf", "m';x'.gguf", 'm".gguf', "m`id`.gguf", "-rf.gguf", "m\u202e.gguf"]
)
def test_no_command_names_a_file_that_a_shell_or_python_could_take_for_more(page, file):
    text = page(quantizations=(HubQuantization(name="Q8_0", file=file, size=1),), files=())
    assert titles(text) == []
    assert "No command is given for its GGUF files" in text


def test_a_split_file_has_no_commands_that_could_not_load_it(page):
    text = page(quantizations=(HubQuantization(name="Q8_0", file="m-00001-of-00002.gguf", size=1, parts=2),), files=())
    assert titles(text) == []


def test_a_name_that_does_not_tell_the_quantization_has_no_command_that_goes_by_it(page):
    text = page(quantizations=(HubQuantization(name="model", file="model.gguf", size=1),), files=())
    assert titles(text) == ["llama-cpp-python"]


def test_the_python_in_it_is_python(page):
    blocks = re.findall(r"<<'END'\n(.*?)\nEND", page(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        ast.parse(block)


def test_a_model_for_something_else_than_text_has_no_commands_for_text(page):
    assert titles(page(pipeline="feature-extraction", quantizations=())) == []


# -- states ---------------------------------------------------------------------------------------------------------


def test_a_model_that_is_gone_says_so_and_offers_nothing_to_download(page, pages, model):
    gone = Trouble(kind="gone", since="2026-11-29", slug="hub-not-found")
    text = page(trouble=gone)
    assert "**No longer on the Hub since 2026-11-29.**" in text
    assert titles(text) == []
    assert "```" not in text
    lists = pages(model(trouble=gone), model("org/well"))
    assert "No longer on the Hub: [org/tiny](org--tiny.md)" in lists["index.md"]
    assert "org--tiny" not in lists["by-task/chat.md"]


def test_a_model_that_could_not_be_read_says_since_when_and_why(page):
    text = page(trouble=Trouble(kind="unread", since="2026-11-29", slug="hub-answer"))
    assert "**Not read since 2026-11-29**: the Hub did not tell of it (`hub-answer`)." in text
    assert "Ollama" in titles(text)


def test_a_model_that_is_too_large_is_marked_and_not_to_be_measured(page, pages, model):
    text = page(parameters=8_000_000_000)
    assert "**Larger than what is measured here.**" in text
    assert "--slm-model" not in text
    assert "8 B (larger than what is measured here)" in pages(model(parameters=8_000_000_000))["index.md"].replace(
        "\u00a0", " "
    )


@pytest.mark.parametrize(
    ("gated", "words"),
    [
        ("no", "Everybody can download it"),
        ("auto", "access is given at once"),
        ("manual", "wait until its owner gives it"),
        (None, "Whether it can be downloaded without asking is not known"),
    ],
)
def test_access_is_told_in_plain_words(page, gated, words):
    text = page(gated=gated)
    assert words in text
    assert ("**Gated.**" in text) is (gated in ("auto", "manual"))


@pytest.mark.parametrize(
    ("license_", "name", "words"),
    [
        ("apache-2.0", None, "**Apache License 2.0**. You may use, change and pass it on"),
        ("cc-by-nc-4.0", None, "not for commercial purposes"),
        ("other", "my-license", "`other` (my-license): a licence that is not explained here"),
        (None, None, "Without one nobody has allowed anything"),
    ],
)
def test_licences_are_told_in_plain_words(page, license_, name, words):
    assert words in page(license=license_, license_name=name)


def test_what_is_not_known_is_said_to_be(page):
    unknown = (
        "parameters",
        "context_length",
        "license",
        "gated",
        "downloads",
        "likes",
        "created",
        "library",
        "attention",
    )
    text = page(**dict.fromkeys(unknown), dtypes={}, languages=(), total_bytes=None)
    details = text.partition("## Details")[2].partition("###")[0]
    assert details.count("not known") == 11
    assert "What its KV cache takes is not known" in text
    assert "How many parameters it has is not known" in text


# -- numbers --------------------------------------------------------------------------------------------------------


def test_memory_is_the_weights_and_the_cache_by_its_formula(page):
    text = (
        page(attention=KEPT, context_length=8192, files=(), quantizations=GGUF)
        .replace("\u00a0", " ")
        .replace("\u202f", " ")
    )
    # 30 layers x 2 x 3 x 64 x 2 bytes = 23,040 bytes a token; 144.8 MB + 2,048 x 23,040 = 192 MB; 8,192: 334 MB
    assert "| `Q8_0` | 145 MB | 192 MB | 334 MB |" in text
    assert "23 kB for each token (30 layers × 2 × 3 key-value heads × 64 × 2 bytes" in text
    assert "with 32 768" not in text  # longer than its context


def test_without_a_configuration_only_the_weights_are_told(page):
    text = page(attention=None, files=(), quantizations=GGUF).replace("\u00a0", " ")
    assert "| `Q8_0` | 145 MB |\n" in text
    assert "| weights and the program | yes |" in text


def test_what_was_measured_stands_beside_what_is_reported(page, factory, registry):
    found = registry(factory.make_run("Q8_0", modern=True, hf_repo="Org/Tiny"))
    claims = (
        ReportedScore(benchmark="MMLU", metric="acc", value=1e9),
        ReportedScore(benchmark="ARC", metric="acc", value=45.2),
    )
    text = page(options={"registry": found}, reported=claims, attention=KEPT).replace("\u00a0", " ")
    assert re.search(r"^\| `mmlu` \| [\d.]+ \([\d.–]+, n = 400\) \| 1,000,000,000 \(acc\) \|$", text, re.MULTILINE)
    assert "| ARC | not measured | 45.2 (acc) |" in text
    assert "Outside of 0 to 100, and so no percentages: 1 number of the reported." in text
    assert "**Reported by its author** means" in text
    assert "tok/s" in text
    assert "AMD EPYC 9R14" in text
    assert "Nobody has measured" not in text


def test_the_formula_is_checked_against_measured_peaks(page, factory, registry):
    run = factory.make_run("Q8_0", modern=True, hf_repo="org/tiny")
    text = page(options={"registry": registry(run)}, attention=KEPT).replace("\u00a0", " ")
    (line,) = re.findall(r"^\| `Q8_0` \| 47 MB \| (.*)$", text, re.MULTILINE)
    assert re.fullmatch(r"\d+ MB \| \d+ MB with 2\u202f048 tokens \| \d+ MB \| [+-]\d+ % \| AMD EPYC .* \|", line)
    assert "| measured with 2\u202f048 tokens | yes |" in text


def test_numbers_of_another_model_are_not_its_own(page, factory, registry):
    text = page(options={"registry": registry(factory.make_run("Q8_0"))})
    assert "Nobody has measured here what it can do." in text
    assert "tok/s" not in text


def test_a_file_that_was_measured_elsewhere_is_told_to_be(page, factory, registry):
    run = factory.make_run("Q4_0", modern=True, hf_repo="org/tiny")
    text = page(options={"registry": registry(run)}, quantizations=(), files=())
    assert "`Q4_0` (not in this repository)" in text


def test_where_nothing_fits_the_smallest_file_is_named(page):
    text = page(quantizations=(HubQuantization(name="Q8_0", file="m-Q8_0.gguf", size=3_400_000_000),), attention=None)
    assert re.search(r"^\| High-end phone, 8 GB \|.*\| weights and the program \| no \|$", text, re.MULTILINE)
    assert re.search(r"^\| Laptop, 16 GB \|.*\| weights and the program \| yes \|$", text, re.MULTILINE)


# -- the rest -------------------------------------------------------------------------------------------------------


def test_guides_and_notebooks_are_linked_where_they_exist(page):
    guides = tuple(
        Guide(page=f"{kind}.md", title=f"About {kind}", needs=kind) for kind in ("any", "gguf", "onnx", "safetensors")
    )
    featured = FeaturedList(guides=guides, task_titles={"chat": "Chat"})
    found = frozenset({"any.md", "gguf.md", "onnx.md", "learn/first.ipynb"})
    options = {"featured": featured, "source": found, "repository": "https://github.com/me/slm"}
    text = page(options=options, notebook="learn/first.ipynb")
    assert re.findall(r"^- \[About (\w+)\]\(\.\./(\w+)\.md\)$", text, re.MULTILINE) == [
        ("any", "any"),
        ("gguf", "gguf"),
    ]
    assert "(https://colab.research.google.com/github/me/slm/blob/main/docs-site/learn/first.ipynb)" in text
    assert "colab" not in page(options=options, notebook="learn/second.ipynb")
    assert "colab" not in page(options={**options, "repository": ""}, notebook="learn/first.ipynb")


def test_relatives_lead_to_their_pages_or_to_the_hub(pages, model):
    tiny = model(
        bases=(Relative(repo="org/base", relation="finetune"), Relative(repo="ORG/other", relation="merge")),
        derived=(Relative(repo="some/tiny-GGUF", relation="quantized", downloads=1234),),
    )
    text = pages(tiny, model("org/base"))["org--tiny.md"]
    assert "- [org/base](org--base.md) (finetune)" in text
    assert "- [ORG/other](https://huggingface.co/ORG/other) (merge)" in text
    assert "- [some/tiny-GGUF](https://huggingface.co/some/tiny-GGUF): 1\u202f234 downloads" in text


def test_the_page_leads_to_the_registry_where_that_is_said(page, factory, registry):
    found = registry(factory.make_run("Q8_0", hf_repo="org/tiny"))
    assert "(../../registry/models/org--tiny.html)" in page(options={"registry": found, "site": "../../registry/"})


def test_the_head_of_a_page_is_yaml(page):
    _, head, _ = page().split("---\n", 2)
    assert yaml.safe_load(head) == {
        "title": "tiny",
        "description": "org/tiny: how to run it, what it needs, what was measured and what it may be used for",
        "generated": True,
        "search": {"exclude": True},
    }


def test_a_model_is_found_by_search_in_the_lists_and_its_page_leads_there(pages, model):
    made = pages(model("org/tiny"))
    head = yaml.safe_load(made["org--tiny.md"].split("---")[1])
    assert (head["generated"], head["search"]) == (True, {"exclude": True})
    assert "[All models](index.md)" in made["org--tiny.md"]
    assert "search" not in yaml.safe_load(made["index.md"].split("---")[1])
    assert "org/tiny" in made["index.md"]


@pytest.mark.parametrize(
    ("value", "text"), [(9_999.7, "10,000"), (9_999.0, "9,999"), (12_345.6, "12,346"), (1e300, "1e+300")]
)
def test_a_number_that_a_card_reports_is_a_plain_one(value, text):
    assert _number(value) == text
