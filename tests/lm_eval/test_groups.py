"""A group of lm-eval is one task of ours: MMLU as a whole, its subjects as details, and never a part for the whole."""

import dataclasses
import shutil
import statistics

import pytest

from pytest_slm.core.types import MetricSpec, Task
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.lm_eval import building, definitions
from pytest_slm.run.drive import measure

pytest.importorskip("lm_eval.tasks", reason="needs pip install 'pytest-slm[lm-eval]'")


def lm_eval_task(name, *metrics, **options):
    specs = tuple(metric if isinstance(metric, MetricSpec) else MetricSpec(name=metric) for metric in metrics)
    return Task(
        name=name, suite="s", kind="lm_eval", description="", primary=specs[0].name, metrics=specs,
        variants={"": {}}, options={"task": name, **options},
    )  # fmt: skip


@pytest.fixture
def ask(context, mirror):
    def run(task, **settings):
        return measure(task, "", context(**{"data": str(mirror), "offline": True, **settings}))

    return run


def test_lm_evals_mmlu_has_57_subjects_in_four_groups():
    leaves = list(definitions.leaves("mmlu"))
    assert len(leaves) == len({leaf["dataset_name"] for leaf in leaves}) == 57
    assert all(leaf["dataset_path"] == "cais/mmlu" for leaf in leaves)


@pytest.fixture
def whole(mirror, tmp_path, monkeypatch):
    """A mirror in which the group has three subjects, and all of them are there."""
    subjects = ("anatomy", "marketing", "virology")
    monkeypatch.setitem(TAGS, "mmlu_other_tasks", tuple(f"mmlu_{subject}" for subject in subjects))
    monkeypatch.setattr(definitions, "tag_members", lambda tag: TAGS.get(tag, ()))
    return str(mirror)


OPENING = "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n"

TAGS: dict[str, tuple[str, ...]] = {}


def test_a_whole_group_has_one_score_and_its_parts_beside_it(ask, whole, records):
    result = ask(lm_eval_task("mmlu_other", "acc"), data=whole, mode="full")
    names = {metric.name for metric in result.metrics}
    assert names == {"acc", *(f"acc[subtask=mmlu_{subject}]" for subject in ("anatomy", "marketing", "virology"))}
    assert result.primary == "acc"
    assert result.reason == ""
    parts = [metric for metric in result.metrics if metric.name != "acc"]
    # as lm-eval's group says: every question weighs the same
    assert result.metric().value == pytest.approx(statistics.fmean(record.score for record in records))
    assert result.metric().n == sum(part.n for part in parts) == len(records)


def test_a_limit_is_for_the_group_and_every_part_gets_its_share(ask, whole, records):
    chosen = []
    for seed in (1, 1, 2):
        records.clear()
        assert ask(lm_eval_task("mmlu_other", "acc"), data=whole, limit=30, seed=seed).n_scored == 30
        chosen.append([record.doc_id for record in records])
        assert {record.metadata["subtask"] for record in records} == set(TAGS["mmlu_other_tasks"])
    assert chosen[0] == chosen[1] != chosen[2]


def test_quick_asks_100_questions_of_mmlu_in_all(ask, built_in, records):
    assert ask(built_in("reasoning/mmlu")).n_scored == 100
    assert len({record.metadata["subtask"] for record in records}) > 30


def test_a_group_with_missing_parts_is_not_presented_as_the_group(ask, built_in):
    result = ask(built_in("reasoning/mmlu"), limit=57)
    if not result.provenance["subtasks_missing"]:
        pytest.skip("this mirror has all subjects")
    assert result.primary is None
    assert result.metric("acc") is None
    assert f"[{result.provenance['subtasks']} of 57 subtasks]" in result.metrics[0].name
    assert "data-partial" in result.reason


def test_a_group_of_which_nothing_is_there_is_skipped(ask, built_in, mirror, tmp_path):
    folder = tmp_path / "cais" / "mmlu"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("---\nconfigs:\n- config_name: nothing\n  data_files: []\n---\n")
    with pytest.raises(NotAvailableError, match="no part of it can be had") as caught:
        ask(built_in("reasoning/mmlu"), data=str(tmp_path))
    assert caught.value.slug == "data-config"


def test_a_configuration_that_the_mirror_does_not_have_is_a_skip_that_names_it(ask, mirror, tmp_path):
    shutil.copytree(mirror / "baber" / "piqa", tmp_path / "baber" / "piqa")
    with pytest.raises(NotAvailableError, match="has no configuration 'main'") as caught:
        building.rows.load("baber/piqa", "main", ("test",), _config(tmp_path), {})
    assert caught.value.slug == "data-config"


def _config(data):
    from pytest_slm.core.config import RunConfig

    return RunConfig(model="", data=str(data), offline=True)


def test_a_tag_has_no_score_of_its_own(ask):
    with pytest.raises(UsageError, match="tag of lm-eval"):
        ask(lm_eval_task("ai2_arc", "acc"))


# -- other kinds of requests ----------------------------------------------------------------------------------------


def test_generations_are_judged_by_every_filter(context, fake, mirror, built_in, records):
    backend = fake(text="So 4 and 5 make 9. #### 9")
    result = measure(built_in("math/gsm8k"), "", context(backend, data=str(mirror), offline=True, limit=4))
    assert {metric.name for metric in result.metrics} == {"exact_match", "strict_match"}
    assert result.provenance["num_fewshot"] == 5
    assert result.provenance["metric_filters"] == {"exact_match": "flexible-extract", "strict_match": "strict-match"}
    assert all("9" in record.answer for record in records)


def test_a_generation_asks_what_lm_eval_asks(mirror, context, fake, built_in):
    asked = []

    class Watching(type(fake())):
        def generate(self, requests, *callbacks):
            asked.extend(requests)
            return super().generate(requests, *callbacks)

    measure(built_in("math/gsm8k"), "", context(fake(Watching), data=str(mirror), offline=True, limit=2))
    assert [request.stop for request in asked] == [("Question:", "</s>", "<|im_end|>")] * 2
    assert all(request.max_tokens == 256 and request.temperature == 0 for request in asked)
    assert all(request.prompt.count("Question:") == 6 and request.prompt.endswith("Answer:") for request in asked)


def test_a_chat_template_turns_examples_into_turns(mirror, context, fake, built_in):
    asked = []

    class Watching(type(fake())):
        def generate(self, requests, *callbacks):
            asked.extend(requests)
            return super().generate(requests, *callbacks)

    task = built_in("math/gsm8k")
    task = dataclasses.replace(task, options={**task.options, "chat_template": True, "num_fewshot": 2})
    result = measure(task, "", context(fake(Watching), data=str(mirror), offline=True, limit=1))
    roles = [message.role for message in asked[0].messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert result.provenance["chat_template"] == "model"


def test_a_perplexity_is_that_of_lm_evals_aggregation_and_has_an_interval(ask, mirror, records):
    import math

    if not (mirror / "EleutherAI" / "lambada_openai").is_dir():
        pytest.skip("needs LAMBADA in the mirror")
    task = lm_eval_task("lambada_openai", "acc", MetricSpec(name="perplexity", unit="perplexity"))
    metric = ask(task, limit=30).metric("perplexity")
    mean = statistics.fmean(record.response[0]["logprob"] for record in records)
    assert metric.value == pytest.approx(math.exp(-mean))
    assert not metric.higher_is_better


# -- clusters and broken rows ---------------------------------------------------------------------------------------


def test_questions_about_one_passage_are_one_cluster(context, mirror, fake, hashed, built_in):
    given = context(fake(hashed), data=str(mirror), offline=True, mode="full")
    result = measure(built_in("language/boolq"), "", given)
    assert result.clusters < result.n_scored
    assert result.metric().stderr > 0


def test_an_unknown_cluster_column_is_told(ask):
    with pytest.raises(UsageError, match=r"no column 'passages'. Did you mean 'passage'"):
        ask(lm_eval_task("boolq", "acc", cluster="passages"), limit=2)


@pytest.fixture
def spoiled(mirror, tmp_path):
    """``spoiled(change)``: a mirror of ARC challenge whose test rows went through ``change``."""
    import pyarrow
    from pyarrow import parquet

    def make(change):
        shutil.copytree(mirror / "allenai" / "ai2_arc", tmp_path / "allenai" / "ai2_arc")
        path = tmp_path / "allenai" / "ai2_arc" / "ARC-Challenge" / "test.parquet"
        table = parquet.read_table(path)
        parquet.write_table(pyarrow.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)
        return str(tmp_path)

    return make


def test_a_split_without_rows_is_an_error(ask, spoiled):
    with pytest.raises(BackendError, match="has no rows") as caught:
        ask(lm_eval_task("arc_challenge", "acc"), data=spoiled(lambda rows: []))
    assert caught.value.slug == "data-empty"


def test_a_row_that_stands_twice_is_an_error_that_names_both(ask, spoiled):
    with pytest.raises(BackendError, match="rows 0 and 2 are the same") as caught:
        ask(lm_eval_task("arc_challenge", "acc"), data=spoiled(lambda rows: [rows[0], rows[1], rows[0]]))
    assert caught.value.slug == "data-duplicate"


def test_a_task_that_raises_on_a_row_is_an_error_that_says_so(ask, spoiled):
    def broken(rows):
        rows[5]["answerKey"] = "Z"  # no choice has this label
        return rows

    with pytest.raises(BackendError, match="arc_challenge") as caught:
        ask(lm_eval_task("arc_challenge", "acc"), data=spoiled(broken), mode="full")
    assert caught.value.slug == "lm-eval-failed"


def test_filters_and_stop_strings_come_after_the_thinking_is_taken_away(mirror, context, fake, built_in, records):
    task = built_in("math/gsm8k")
    task = dataclasses.replace(task, options={**task.options, "chat_template": True, "num_fewshot": 0})
    # "Question:" ends an answer, and the last number of the text is read
    backend = fake(
        chat_template=OPENING,
        reasoning="The Question: is odd. #### 8",
        text="So it is #### 9 Question: and 10",
    )
    result = measure(task, "", context(backend, data=str(mirror), offline=True, limit=2))
    assert [record.answer for record in records] == ["9", "9"]
    assert {record.reasoning for record in records} == {"The Question: is odd. #### 8"}
    assert result.thinking.answers == 2
    assert result.metric("exact_match").cuts.bounds == (result.metric().value, result.metric().value)


def test_cut_answers_leave_lm_evals_metrics_open_too(mirror, context, fake, built_in):
    task = built_in("math/gsm8k")
    task = dataclasses.replace(task, options={**task.options, "chat_template": True, "num_fewshot": 0})
    backend = fake(chat_template=OPENING, text="so " * 300)
    result = measure(task, "", context(backend, data=str(mirror), offline=True, limit=2))
    for metric in result.metrics:
        assert (metric.value, metric.cuts.cut, metric.cuts.censored, metric.cuts.bounds) == (0, 0, 1, (0, 1))
    assert (result.answers_cut, result.thinking.censored) == (0, 2)
