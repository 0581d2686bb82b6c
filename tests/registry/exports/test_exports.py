"""The registry in forms that other programs read: one table of all results, cards, and records of other collections."""

from __future__ import annotations

import csv
import html
import json
import re
import sqlite3
from dataclasses import replace

import pytest
import yaml

from pytest_slm.cli.registry import FORMS
from pytest_slm.core.types import Declaration, SuiteFacts
from pytest_slm.registry.exports import FORMATS, RESULT, export, left_out, table
from pytest_slm.registry.exports.eee import VERSION
from pytest_slm.registry.exports.folders import LIST
from pytest_slm.registry.rows import rows


@pytest.fixture
def registry(factory, build):
    """Two quantizations, of which one was measured quickly; a data set of the Hub."""
    full = factory.make_run("Q8_0", modern=True, with_trouble=True)
    hub = tuple(
        replace(result, provenance={"dataset": "allenai/ai2_arc"}) if result.task == "mmlu" else result
        for result in full.results
    )
    suite = next(result.suite for result in hub if result.task == "mmlu")
    whole = {**full.suites, suite: replace(full.suites[suite], rows={"mmlu": 400})}
    return build(replace(full, results=hub, suites=whole), factory.make_run("Q4_0", "quick", modern=True))


def test_the_table_has_every_number_once_with_its_doubt(registry):
    results = list(table(registry))
    assert {result["kind"] for result in results} == {"item", "use_case", "aggregate", "speed"}
    assert all(list(result) == list(RESULT) for result in results)
    for result in results:
        for name, value in result.items():
            kind = RESULT[name]
            assert value is None or isinstance(value, (int, float) if kind is float else kind), name
    keys = [(r["quantization"], r["kind"], r["suite"], r["task"], r["variant"], r["metric"]) for r in results]
    assert len(set(keys)) == len(keys)
    (mmlu,) = [r for r in results if r["task"] == "mmlu" and r["quantization"] == "Q8_0"]
    item = next(one for one in registry.models[0].quantizations["Q8_0"].items if one.task == "mmlu")
    assert (mmlu["value"], mmlu["lower"], mmlu["upper"], mmlu["n"]) == (item.value, *item.interval, item.n)
    assert mmlu["dataset"] == "allenai/ai2_arc"
    assert len(mmlu["report_sha256"]) == 64
    rag = next(r for r in results if (r["kind"], r["metric"], r["quantization"]) == ("use_case", "rag", "Q4_0"))
    (row,) = (row for row in rows(registry) if row.quantization == "Q4_0")
    assert (rag["value"], rag["mode"]) == (row.scores["rag"].score, "quick")


def test_what_was_not_measured_has_no_number_and_a_reason(registry):
    missing = [r for r in table(registry) if r["outcome"] in ("skipped", "error", "not_run")]
    assert {r["outcome"] for r in missing} >= {"skipped", "error"}
    assert all(r["value"] is None for r in missing)
    assert any("data-missing" in (r["reason"] or "") for r in missing)


OTHER = {"fingerprint": "m-other", "cpu": "Ryzen"}


def of_one_item(factory, outcome, slug="other", **changes):
    """The run of a model of which there is one item, in a suite that is no score's."""
    value = factory.share("acc", 5, 10)
    item = factory.scored("mine", "quiz", "", "Q8_0", "full", value)
    if outcome != "passed":
        item = replace(
            item, outcome=outcome, primary=None, metrics=(), n_scored=0, samples=None, reason="the line fell"
        )
    run = factory.make_run(slug=slug, name=slug, hf_repo=f"org/{slug}", results=[item], suites=(), **changes)
    return replace(run, suites={"mine": SuiteFacts(title="Mine", scored=False)})


@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped", "error"])
@pytest.mark.parametrize("machine", [{}, OTHER, {"fingerprint": None}])
def test_no_item_is_lost_wherever_it_was_and_whatever_became_of_it(factory, build, outcome, machine):
    """Of a suite that counts in no score, of a run that failed as a whole, of a second machine, of a server."""
    alone = of_one_item(factory, outcome, machine=machine)
    beside = of_one_item(factory, outcome, slug="smollm2-135m-instruct", machine=machine, day=2)
    beside = replace(beside, submission=factory.make_run().submission, backend=factory.make_run().backend)
    server = factory.make_run(slug="served", backend={"server": "http://10.0.0.1/v1"}, modern=True)
    registry = build(factory.make_run(), alone, beside, server)
    told = [(r["model"], r["suite"], r["task"], r["variant"]) for r in table(registry) if r["kind"] == "item"]
    timed = {(r["model"], r["task"]) for r in table(registry) if r["kind"] == "speed"}
    for entry in registry.models:
        for item in entry.quantizations["Q8_0"].items:
            lines = told.count((entry.id, item.suite, item.task, item.variant or None))
            assert lines == 1 or (not lines and item.suite == "performance" and (entry.id, item.task) in timed)
    mine = [r for r in table(registry) if r["suite"] == "mine"]
    assert len(mine) == 2
    where = machine.get("fingerprint", "m-3f9a1c")
    title = {"m-3f9a1c": "AMD EPYC 9R14 96-Core Processor, 2 cores", "m-other": "Ryzen, 2 cores"}.get(where)
    assert {(r["machine"], r["machine_title"]) for r in mine} == {(where, title)}


def same(one, other):
    return one == pytest.approx(other) if isinstance(other, float) else one == other


def test_csv_sqlite_and_parquet_say_the_same(registry, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'pytest-slm[parquet]'")
    wanted = list(table(registry))
    paths = {name: tmp_path / f"all.{name}" for name in ("csv", "sqlite", "parquet")}
    for name, path in paths.items():
        assert export(name, registry, path) == (path,)
    assert parquet.read_table(paths["parquet"]).to_pylist() == wanted
    with sqlite3.connect(paths["sqlite"]) as database:
        found = database.execute("SELECT * FROM results").fetchall()
        (best,) = database.execute("SELECT max(value) FROM results WHERE kind = 'aggregate'").fetchone()
    assert found == [tuple(result.values()) for result in wanted]
    assert best == max(r["value"] for r in wanted if r["kind"] == "aggregate")
    with paths["csv"].open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(wanted)
    for line, result in zip(lines, wanted, strict=True):
        assert line["task"] == (result["task"] or "")
        assert same(float(line["value"]) if line["value"] else None, result["value"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.csv", "all.parquet", "all.sqlite"]


def test_the_same_registry_gives_the_same_bytes(registry, tmp_path):
    for name in ("csv", "markdown", "hf", "model-index", "eee"):
        made = [{p.relative_to(folder): p.read_bytes() for p in export(name, registry, folder / "x")}
                for folder in (tmp_path / f"{name}1", tmp_path / f"{name}2")]  # fmt: skip
        assert made[0] == made[1] != {}


def test_no_name_is_a_formula_of_a_spreadsheet(factory, build, tmp_path):
    (path,) = export("csv", build(factory.make_run(name="=HYPERLINK(1)", suites=("rag",))), tmp_path / "all.csv")
    with path.open(encoding="utf-8", newline="") as file:
        assert {line["name"] for line in csv.DictReader(file)} == {"'=HYPERLINK(1)"}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@A", " =1", "\n=1", "\t", "\r=1", "\uff1d1", "\u00a0@A"])
def test_no_text_is_a_formula_whatever_stands_before_it(factory, build, tmp_path, text):
    run = of_one_item(factory, "error")
    run = replace(run, results=(replace(run.results[0], reason=text),))
    (path,) = export("csv", build(run), tmp_path / "all.csv")
    with path.open(encoding="utf-8", newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["reason"] == "'" + text.replace("\r", "\n")


def test_a_card_is_one_table_whatever_the_names_are(factory, build, tmp_path):
    run = factory.make_run("Q8_0", modern=True, machine={"cpu": "A | B <script>`x`"})
    (path,) = export("markdown", build(run, factory.make_run("Q4_0", "quick", modern=True)), tmp_path)
    head, rule, *lines = path.read_text("utf-8").partition("\n\n")[0].splitlines()
    assert head.startswith("| Quantization | Bits | Size |")
    assert len(lines) == 2
    for line in (rule, *lines):
        assert line.count("|") == head.count("|")
    assert "<script>" not in path.read_text("utf-8")
    quick, full = lines
    assert "quick" in quick
    assert "n = 100" in quick
    assert "quick" not in full


@pytest.mark.parametrize(
    "text", ["T\n\n![x](http://evil.example/p.png) | q", "x www.evil.example\n\n# Heading\n| a | b"]
)
def test_no_text_of_a_report_ends_the_table_of_a_card_or_is_live(factory, build, tmp_path, text):
    run = factory.make_run("Q8_0", suites=("core",), machine={"cpu": text})
    run = replace(run, suites={"core": SuiteFacts(title=text, use_case="core")})
    (path,) = export("markdown", build(run), tmp_path)
    lines = path.read_text("utf-8").splitlines()
    assert [line.count("|") for line in lines] == [9, 9, 9, 0, 0]
    shown = " ".join(text.split())
    head, machine = html.unescape(lines[0]), html.unescape(lines[2])
    assert (f"| {shown} |" in head, f"| {shown}, 2 cores |" in machine) == (True, True)
    assert not re.search(r"www\.|://|[!\[\]#]", re.sub(r"&#\d+;", "", f"{lines[0]}{lines[2]}"))


def test_the_hub_gets_full_runs_on_its_data_sets_as_its_own_client_reads_them(registry, tmp_path):
    client = pytest.importorskip("huggingface_hub", reason="needs huggingface-hub: pip install 'pytest-slm[hub]'")
    item = next(one for one in registry.models[0].quantizations["Q8_0"].items if one.task == "mmlu")
    (path,) = export("hf", registry, tmp_path)
    assert path.relative_to(tmp_path).parts[1:] == (".eval_results", "Q8_0.yaml")
    (told,) = yaml.safe_load(path.read_text("utf-8"))
    assert told["dataset"] == {"id": "allenai/ai2_arc", "task_id": "mmlu"}
    assert told["value"] == item.value
    assert f"n = {item.n}" in told["notes"]
    if hasattr(client, "parse_eval_result_entries"):
        (entry,) = client.parse_eval_result_entries([told])
        assert entry.value == item.value
    (path,) = export("model-index", registry, tmp_path)
    card = client.ModelCardData(**yaml.safe_load(path.read_text("utf-8")))
    (result,) = card.eval_results
    assert (result.dataset_type, result.metric_type, result.metric_value) == ("allenai/ai2_arc", "acc", item.value)


@pytest.fixture
def partial(factory):
    """A run that had 100 of MMLU's questions, and all of another data set's."""
    found = {"quiz": "cais/mmlu", "arc": "allenai/ai2_arc"}
    results = [
        factory.scored("mine", task, "", "Q8_0", "full", factory.share("acc", 50, 100), provenance={"dataset": name})
        for task, name in found.items()
    ]
    results = [replace(result, declared=Declaration(suite_tasks=tuple(found))) for result in results]
    facts = SuiteFacts(title="Mine", use_case="mine", rows={"quiz": 14_042, "arc": 100})
    return replace(factory.make_run(results=results), suites={"mine": facts})


@pytest.mark.parametrize("form", ["hf", "model-index"])
def test_the_hub_gets_no_result_of_a_part_of_a_data_set(build, partial, tmp_path, form):
    (path,) = export(form, build(partial), tmp_path)
    text = path.read_text("utf-8")
    assert "allenai/ai2_arc" in text
    assert "cais/mmlu" not in text


def test_what_is_left_out_for_that_is_told(build, partial):
    name = "huggingfacetb--smollm2-135m-instruct"
    assert left_out(build(partial)) == (f"{name} Q8_0, mine/quiz: 100 of 14,042 questions",)
    assert left_out(build(replace(partial, mode="quick"))) == ()


def test_other_forms_say_that_it_is_a_part(build, partial, tmp_path):
    registry = build(partial)
    items = {r["task"]: (r["n"], r["part_of"]) for r in table(registry) if r["kind"] == "item"}
    assert items == {"quiz": (100, 14_042), "arc": (100, None)}
    (path,) = export("markdown", registry, tmp_path)
    assert "n = 200, part of the data |" in path.read_text("utf-8")
    (path,) = export("eee", registry, tmp_path)
    found = json.loads(path.read_text("utf-8"))["evaluation_results"]
    details = {one["evaluation_name"]: one["score_details"]["details"].get("data_set_questions") for one in found}
    assert details == {"mine/quiz": "14042", "mine/arc": None}


def test_a_record_for_every_eval_ever_is_whole(registry, tmp_path):
    paths = export("eee", registry, tmp_path)
    assert len(paths) == 2
    for path in paths:
        assert path.relative_to(tmp_path).parts[:-1] == ("data", "pytest-slm", "HuggingFaceTB", "SmolLM2-135M-Instruct")
        record = json.loads(path.read_text("utf-8"))
        assert record["schema_version"] == VERSION
        assert record["model_info"]["additional_details"]["deployment_type"] == "self_deployed"
        for result in record["evaluation_results"]:
            config, score = result["metric_config"], result["score_details"]
            low, high = (float(str(config[name]).replace("Infinity", "inf")) for name in ("min_score", "max_score"))
            assert low <= score["score"] <= high
            assert score["uncertainty"]["num_samples"] > 0
            assert all(isinstance(value, str) for value in score["details"].values())
    results = json.loads(paths[1].read_text("utf-8"))["evaluation_results"]
    jailbreak = next(one for one in results if one["evaluation_name"] == "safety/jailbreak")
    assert jailbreak["metric_config"]["lower_is_better"] is True


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_registry_is_exported_too(build, tmp_path, name):
    if name == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'pytest-slm[parquet]'")
    written = export(name, build(), tmp_path / "out")
    assert len(written) == (1 if name in ("csv", "sqlite", "parquet") else 0)


# -- again into the same folder -----------------------------------------------------------------------------------

FOLDERS = ("markdown", "hf", "model-index", "eee")


@pytest.fixture
def two(factory, build):
    """A registry of two models, and one of the first alone; of both there is something for every format."""

    def run(name):
        item = factory.scored("mine", "quiz", "", "Q8_0", "full", factory.share("acc", 5, 10))
        item = replace(item, provenance={"dataset": "org/quiz"})
        return factory.make_run(slug=name, name=name, hf_repo=f"org/{name}", results=[item])

    return build(run("first"), run("second")), build(run("first"))


def below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("form", FOLDERS)
def test_nothing_is_left_of_a_model_that_is_gone(two, tmp_path, form):
    both, first = two
    export(form, both, tmp_path / "again")
    export(form, first, tmp_path / "again")
    export(form, first, tmp_path / "fresh")
    assert below(tmp_path / "again") == below(tmp_path / "fresh")
    assert {path.name for path in tmp_path.rglob("*second*")} == set()  # no empty folder, either


@pytest.mark.parametrize("form", FOLDERS)
def test_what_others_put_there_or_changed_stays(two, tmp_path, form):
    both, first = two
    written = export(form, both, tmp_path)
    changed = next(path for path in written if "second" in str(path))
    changed.write_text("mine now", "utf-8")
    others = [tmp_path / "notes.md", tmp_path / "org--second.txt", changed.with_name("beside.txt")]
    for path in others:
        path.write_text("somebody's", "utf-8")
    export(form, first, tmp_path)
    assert changed.read_text("utf-8") == "mine now"
    assert all(path.read_text("utf-8") == "somebody's" for path in others)


def test_a_folder_of_before_and_a_broken_list_lose_nothing(two, tmp_path):
    both, first = two
    for content in ("", "{", '{"forms": {"markdown": {"a": {"../x": "' + "a" * 64 + '"}}}}', "[]"):
        export("markdown", both, tmp_path)
        (tmp_path / LIST).write_text(content, "utf-8")
        export("markdown", first, tmp_path)
        assert (tmp_path / "org--second.md").exists()
    export("markdown", both, tmp_path)
    export("markdown", first, tmp_path)
    assert not (tmp_path / "org--second.md").exists()


def test_formats_in_one_folder_leave_each_other_alone(two, tmp_path):
    both, first = two
    for form in FOLDERS:
        export(form, both, tmp_path)
    everything = below(tmp_path)
    export("markdown", first, tmp_path)
    assert everything - below(tmp_path) == {"org--second.md"}


def test_of_one_model_alone_the_files_of_others_stay(two, tmp_path):
    both, first = two
    export("markdown", both, tmp_path)
    export("markdown", first, tmp_path, all_models=False)
    assert (tmp_path / "org--second.md").exists()
    export("markdown", first, tmp_path)
    assert not (tmp_path / "org--second.md").exists()


def test_the_command_offers_every_format():
    assert FORMS == FORMATS
