"""Samples from the rows of a data set: from a mirror, by what the task's YAML says of its columns."""

import dataclasses
import json

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Dataset, MetricSpec
from pytest_slm.errors import BackendError, NotAvailableError, TaskError
from pytest_slm.extensions import Extensions
from pytest_slm.generators import Generator
from pytest_slm.generators.rows import RowsOptions, fill
from pytest_slm.kinds.checking import check_task
from pytest_slm.run.drive import measure

datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: test, path: test.parquet}\n---\n"
ROWS = [
    {"key": n, "q": f"Capital of {place}?", "answers": {"text": [place[::-1]]}, "sort": "ab"[n % 2], "more": "[1]"}
    for n, place in enumerate("pqrstuvw")
]
SAMPLE = {"id": "{key}", "input": "Q: {q}", "target": "{answers.text.0}", "metadata": {"group": "{sort}"}}


@pytest.fixture
def mirrored(tmp_path):
    """Writes rows as the data set org/set of a mirror, and says where that is."""

    def write(rows=ROWS):
        folder = tmp_path / "mirror" / "org" / "set"
        folder.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows).to_parquet(folder / "test.parquet")
        (folder / "README.md").write_text(CARD)
        return str(tmp_path / "mirror")

    return write


@pytest.fixture
def rows_task(checks_task):
    def make(sample=SAMPLE, dataset=None, **more):
        return checks_task(generator="rows", dataset={"path": "org/set", **(dataset or {})}, sample=sample, **more)

    return make


class Watching(Fake):
    """Keeps what it was asked."""

    def generate(self, requests, *progress):
        self.asked = [request.messages[-1].content for request in requests]
        return super().generate(requests, *progress)


def test_each_row_becomes_a_sample(rows_task, mirrored, context, fake, records):
    backend = fake(Watching, text="r")
    result = measure(rows_task(), "", context(backend, data=mirrored()))
    assert backend.asked == [f"Q: {row['q']}" for row in ROWS]
    assert {record.doc_id: record.score for record in records} == {str(n): float(n == 2) for n in range(8)}
    told = result.provenance
    assert (told["dataset"], told["split"], told["data_from"], told["generator"]) == (
        *("org/set", "test", "mirror"),
        "rows",
    )
    assert not result.seeded  # another seed has the same questions by the same ids


def test_the_rows_have_a_fingerprint(rows_task, mirrored, context, fake):
    before = measure(rows_task(), "", context(fake(), data=mirrored())).provenance
    again = measure(rows_task(), "", context(fake(), data=mirrored())).provenance
    changed = measure(rows_task(), "", context(fake(), data=mirrored([*ROWS[:-1], {**ROWS[-1], "more": "[]"}])))
    assert before["rows_sha256"] == again["rows_sha256"] != changed.provenance["rows_sha256"]
    assert before["samples_sha256"] == changed.provenance["samples_sha256"]  # nobody is asked by that column


def test_a_limit_takes_from_every_group_by_the_seed(rows_task, mirrored, context, fake, records):
    data, task = mirrored(), rows_task()
    chosen = []
    for seed in (1, 1, 2, 3):
        records.clear()
        measure(task, "", context(fake(), data=data, limit=4, seed=seed))
        chosen.append([record.doc_id for record in records])
        assert sum(int(one) % 2 for one in chosen[-1]) == 2
    assert chosen[0] == chosen[1]
    assert len(set(map(tuple, chosen))) > 1


def test_rows_can_be_chosen_by_their_values(rows_task, mirrored, context, fake, records):
    measure(rows_task(where={"sort": "b", "answers.text.0": ["q", "s", "t"]}), "", context(fake(), data=mirrored()))
    assert [record.doc_id for record in records] == ["1", "3"]


@pytest.mark.parametrize(
    ("rows", "sample", "slug", "told"),
    [
        ([*ROWS, ROWS[0]], SAMPLE, "data-duplicate", r"org/set, split 'test': sample 8 has the id '0'"),
        ([{**ROWS[0], "key": None}, ROWS[1]], SAMPLE, "data-broken", "sample 0 has no id"),
        (ROWS, {**SAMPLE, "target": "{answer}"}, "data-broken", "row 0: .*no 'answer'; columns: row, key, q"),
        (ROWS, {**SAMPLE, "input": "{key}"}, "data-broken", "row 0: .*input"),
        (ROWS, {**SAMPLE, "target": "{answers.text.7}"}, "data-broken", "no 'answers.text.7'"),
    ],
)
def test_a_row_that_is_no_sample_is_one_line(rows_task, mirrored, context, fake, rows, sample, slug, told):
    with pytest.raises(BackendError, match=told) as caught:
        measure(rows_task(sample), "", context(fake(), data=mirrored(rows)))
    assert caught.value.slug == slug


def test_a_sample_that_its_scorer_cannot_judge_is_told(rows_task, mirrored, context, fake):
    with pytest.raises(Exception, match="sample '0': the target 'p' is no number"):
        measure(rows_task(scorer="number"), "", context(fake(), data=mirrored()))


def test_missing_data_are_skipped_before_a_model_is_open(rows_task, context, tmp_path):
    surroundings = dataclasses.replace(context(data=str(tmp_path), offline=True), open=lambda: pytest.fail("opened"))
    with pytest.raises(NotAvailableError, match="--slm-data=DIR, with the data in DIR/org/set") as caught:
        measure(rows_task(), "", surroundings)
    assert caught.value.slug == "data-unreachable"


@pytest.mark.parametrize(
    ("word", "told", "slug"),
    [
        ("unpublished", "is not public: its authors keep it; hand it in as a, b", "data-not-public"),
        ("elsewhere", "is not on the Hub: its authors keep it; hand it in as a, b", "data-elsewhere"),
    ],
)
def test_what_the_hub_does_not_have_is_looked_for_in_a_mirror_only(
    word, told, slug, rows_task, mirrored, context, fake
):
    told_so = {word: "its authors keep it;\n hand it in as a, b"}
    for dataset, where in ((told_so, None), ({**told_so, "config": "other"}, mirrored())):
        with pytest.raises(NotAvailableError, match=told) as caught:
            measure(rows_task(dataset=dataset), "", context(fake(), data=where))
        assert caught.value.slug == slug
    assert measure(rows_task(dataset=told_so), "", context(fake(), data=mirrored())).n_scored == 8


def test_a_data_set_is_unpublished_or_elsewhere():
    with pytest.raises(RecordError, match="not both"):
        Dataset(path="org/set", unpublished="a", elsewhere="b")


def test_a_split_that_is_not_there_is_an_error(rows_task, mirrored, context, fake):
    with pytest.raises(BackendError, match="no file of the split 'train'"):
        measure(rows_task(dataset={"split": "train"}), "", context(fake(), data=mirrored()))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dataset": {"path": "no-repo"}}, r"dataset: path: expected a Hub repo id"),
        ({"dataset": {"path": "a/b", "splitt": "test"}}, "dataset: unknown key 'splitt'"),
        ({"sample": {"id": "{key}"}}, "sample: input is missing"),
        ({"sample": {"input": "{q}"}}, "sample: id is missing"),
        ({"sample": {**SAMPLE, "answer": "{q}"}}, "'answer' is no part of a sample"),
    ],
)
def test_mistakes_in_the_file_are_found_while_collecting(checks_task, options, told):
    task = checks_task(generator="rows", **{"dataset": {"path": "org/set"}, "sample": SAMPLE, **options})
    with pytest.raises(TaskError, match=told):
        check_task(task, Extensions())


def test_placeholders():
    row = {"a": "x{b}", "b": [1, 2], "c": None, "d e:": 7, "f": {"g": {"h": "deep"}}}
    assert fill("{a}-{b}-{c}-{d e:}", row) == "x{b}-[1, 2]--7"  # what a row says is no template
    assert fill("{b}", row) == [1, 2]
    assert fill("{c}", row) is None
    assert fill("{{a}} {f.g.h}", row) == "{a} deep"
    assert fill([{"role": "user", "content": "{a}"}, 3], row) == [{"role": "user", "content": "x{b}"}, 3]
    with pytest.raises(RecordError, match=r"no 'a.__class__'"):
        fill("{a.__class__}", row)
    with pytest.raises(RecordError, match=r"no 'b.\-1'"):
        fill("{b.-1}", row)


def test_columns_of_json_are_read(rows_task, mirrored, context, fake):
    task = rows_task({**SAMPLE, "target": "{more}"}, json=["more"], scorer="contains")
    rows = [{**ROWS[0], "more": json.dumps(["one", "two"])}]
    assert measure(task, "", context(fake(text="two"), data=mirrored(rows))).metric().value == 1
    with pytest.raises(BackendError, match=r"row 0: .*more: no JSON"):
        measure(task, "", context(fake(), data=mirrored([{**ROWS[0], "more": "{"}])))


def test_a_generator_reads_rows_too(checks_task, mirrored, context, fake, records):
    """Where a row is not a sample: the generator is a function, and says beforehand what it reads."""
    dataset = Dataset(path="org/set")

    def make(made):
        one = RowsOptions.from_json({"dataset": {"path": "org/set"}, "sample": SAMPLE})
        for index in range(made.n_samples):
            yield dataclasses.replace(_sample(fill(one.sample, made.rows(dataset)[index])), id=f"{made.seed}-{index}")

    extensions = Extensions()
    extensions.generators.register("mine", Generator(make=make, datasets=lambda options: [dataset]))
    task = checks_task(generator="mine", metrics=(MetricSpec(name="exact_match"),))
    result = measure(task, "", context(fake(), data=mirrored(), extensions=extensions, limit=3, seed=9))
    assert [record.doc_id for record in records] == ["9-0", "9-1", "9-2"]
    assert result.seeded
    assert result.provenance["dataset"] == "org/set"


def _sample(values):
    from pytest_slm.core.types import Sample

    return Sample(**{**values, "id": "?"})


def test_data_pull_knows_what_generators_read(checks_task):
    from pytest_slm.cli.data import _read

    task = checks_task(generator="rows", dataset={"path": "org/set", "config": "one"}, sample=SAMPLE)
    assert list(_read(task)) == [Dataset(path="org/set", config="one")]
    assert list(_read(checks_task(generator="arithmetic"))) == []


def test_numbers_stand_for_names(rows_task, mirrored, context, fake, records):
    rows = [{**row, "label": n % 3} for n, row in enumerate(ROWS)]
    task = rows_task({**SAMPLE, "target": "{label}"}, names={"label": ["no", "maybe", "yes"]}, where={"label": "yes"})
    measure(task, "", context(fake(text="yes"), data=mirrored(rows)))
    assert [(record.doc_id, record.score) for record in records] == [("2", 1.0), ("5", 1.0)]


@pytest.mark.parametrize("label", [3, -1, "1", None, True, 1.0])
def test_what_is_no_number_of_a_name_is_no_row(rows_task, mirrored, context, fake, label):
    with pytest.raises(BackendError, match=r"row 0: .*label: .* is none of the numbers of no, yes"):
        measure(
            rows_task(names={"label": ["no", "yes"]}),
            "",
            context(fake(), data=mirrored([{**ROWS[0], "label": label}])),
        )
