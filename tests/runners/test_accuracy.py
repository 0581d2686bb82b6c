"""lm-eval's tasks on a scripted model: the right questions, its prompts, its verdicts, and clear refusals."""

import dataclasses
import hashlib
import math
import random
import shutil
import socket
import sys
from pathlib import Path

import pytest

from pytest_slm.backends.fake import Fake
from pytest_slm.backends.protocol import LogLikelihood, ignored, silent
from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import MetricSpec
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.planning.dry import first_question
from pytest_slm.runners import accuracy
from pytest_slm.runners import context as surroundings
from pytest_slm.runners import mirror as mirrors
from pytest_slm.runners.upstream import building, definitions
from pytest_slm.runners.upstream import rows as rows_of

ARC = Path("allenai", "ai2_arc")


@pytest.fixture(scope="module")
def lm_eval():
    module = pytest.importorskip("lm_eval", reason="needs pip install 'pytest-slm[lm-eval]'")
    pytest.importorskip("datasets")
    return module


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Nothing that an earlier run left may help."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirrors.platformdirs, "user_cache_dir", lambda name: str(folder / name))
        yield


@pytest.fixture
def no_hub_cache(lm_eval, tmp_path, monkeypatch):
    """What a user of this machine once downloaded is not seen."""
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-datasets")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", tmp_path / "hf")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def arc(built_in):
    return built_in("reasoning/arc_challenge")


@pytest.fixture
def ask(lm_eval, context, fake, mirror):
    """``ask(task, limit=5)``: the result of the task over the mirror."""

    def run(task, backend=None, **settings):
        return accuracy.run(task, "", context(backend or fake(Hashed), **{"data": str(mirror), **settings}))

    return run


@pytest.fixture(scope="module")
def rows(mirror):
    """The rows of ARC challenge's test split, read without lm-eval and without datasets."""
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(mirror / ARC / "ARC-Challenge" / "test.parquet").to_pylist()


@pytest.fixture
def copied(mirror, tmp_path):
    """A copy of ARC challenge's mirror, to be spoiled."""
    target = tmp_path / "copied" / ARC
    (target / "ARC-Challenge").mkdir(parents=True)
    shutil.copy(mirror / ARC / "README.md", target)
    for path in (mirror / ARC / "ARC-Challenge").iterdir():
        shutil.copy(path, target / "ARC-Challenge")
    return tmp_path / "copied"


class Hashed(Fake):
    """Likelihoods that look random and are the same every time; keeps the pairs it was asked for."""

    def __init__(self, spec):
        super().__init__(spec)
        self.pairs = []

    def loglikelihood(self, pairs, *progress):
        self.pairs += pairs
        return [LogLikelihood(logprob=self.likelihood(*pair), is_greedy=False, n_tokens=1) for pair in pairs]

    def likelihood(self, context, continuation):
        digest = hashlib.sha256(f"{context}|{continuation}".encode()).digest()
        return -1 - digest[0] / 4


def prompt(row):
    return f"Question: {row['question']}\nAnswer:"


def with_options(arc, **changes):
    return dataclasses.replace(arc, options={**arc.options, **changes})


# -- which questions ----------------------------------------------------------------------------------------------


def test_records_name_the_rows_that_were_asked(ask, arc, rows, records, fake):
    # lm-eval numbers the questions of a sample 0, 1, 2, ...; taken for places in the data set, they name other rows
    backend = fake(Hashed)
    ask(arc, backend, limit=30)
    assert len(records) == 30
    indices = [record.metadata["index"] for record in records]
    assert indices != list(range(30))
    asked = {question for question, _ in backend.pairs}
    for record, index in zip(records, indices, strict=True):
        row = rows[index]
        assert record.doc_id == row["id"]
        assert prompt(row) in asked
        assert [choice["choice"] for choice in record.response] == row["choices"]["text"]
        place = row["choices"]["label"].index(row["answerKey"])
        assert record.target_sha256 == surroundings.sha256(str(place))


def test_a_limit_is_a_total_and_a_seed_decides_which(ask, arc, records):
    chosen = []
    for settings in ({"seed": 1}, {"seed": 1}, {"seed": 2}):
        records.clear()
        result = ask(arc, limit=12, **settings)
        chosen.append([record.metadata["index"] for record in records])
        assert (result.n_scored, result.metric().n, result.seed) == (12, 12, settings["seed"])
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(part == sorted(set(part)) and len(part) == 12 for part in chosen)


def test_without_a_limit_every_row_is_asked(ask, arc, rows, records):
    result = ask(arc, mode="full")
    assert result.n_scored == len(rows) == result.provenance["docs"]
    assert [record.metadata["index"] for record in records] == list(range(len(rows)))


def test_progress_goes_up_to_the_number_of_questions(ask, arc):
    told = []
    ask(arc, limit=20, progress=lambda *counts: told.append(counts))
    assert told == [(done, 20) for done in range(1, 21)]


def test_what_was_judged_before_an_engines_error_stays(ask, arc, fake, records):
    class Breaking(Hashed):
        def loglikelihood(self, pairs, progress=silent, finished=ignored):
            answers = super().loglikelihood(pairs)
            for number in range(100):
                finished(number, answers[number])
            raise BackendError("broken")

    with pytest.raises(BackendError, match="broken"):
        ask(arc, fake(Breaking), limit=60)
    # 100 answers are 20 questions with 5 choices, or 33 with 3; one that is half answered is not judged
    assert 20 <= len(records) <= 33


def test_answers_in_any_order_make_the_same_result(ask, arc, fake):
    class Backwards(Hashed):
        def loglikelihood(self, pairs, progress=silent, finished=ignored):
            answers = super().loglikelihood(pairs)
            for number in reversed(range(len(pairs))):
                finished(number, answers[number])
            return answers

    one, other = (ask(arc, fake(kind), limit=30) for kind in (Hashed, Backwards))
    assert one.metrics == other.metrics


# -- verdicts -----------------------------------------------------------------------------------------------------


def test_acc_and_acc_norm_are_those_of_the_recorded_likelihoods(ask, arc, rows, records):
    result = ask(arc, limit=80)
    plain = normed = 0
    for record in records:
        row = rows[record.metadata["index"]]
        right = row["choices"]["label"].index(row["answerKey"])
        likelihoods = [choice["logprob"] for choice in record.response]
        lengths = [len(text) for text in row["choices"]["text"]]
        per_letter = [a / b for a, b in zip(likelihoods, lengths, strict=True)]
        plain += likelihoods.index(max(likelihoods)) == right
        norm = per_letter.index(max(per_letter)) == right
        normed += norm
        assert record.score == float(norm)  # the primary metric of the task is acc_norm
    assert result.metric("acc").value == plain / 80
    assert result.metric("acc_norm").value == normed / 80
    assert plain != normed, "this test could not tell them apart"
    assert 0 < plain < 80


@pytest.mark.parametrize(("favoured", "score"), [(True, 1.0), (False, 0.0)])
def test_a_model_that_knows_all_answers_has_1_and_one_that_avoids_them_0(ask, arc, rows, fake, favoured, score):
    right = {(prompt(r), " " + r["choices"]["text"][r["choices"]["label"].index(r["answerKey"])]) for r in rows}

    class Knowing(Hashed):
        def likelihood(self, context, continuation):
            return -0.001 if ((context, continuation) in right) == favoured else -5000.0

    result = ask(arc, fake(Knowing), limit=25)
    assert [metric.value for metric in result.metrics if metric.name == "acc"] == [score]
    # acc_norm divides by the length of a choice: which wrong one then wins differs, but the right one does not
    assert result.metric("acc_norm").value == score


def test_accuracy_is_better_when_higher_and_has_wilsons_interval(ask, arc):
    for metric in ask(arc, limit=10).metrics:
        assert metric.higher_is_better
        assert 0 <= metric.interval[0] <= metric.value <= metric.interval[1] <= 1


def test_a_share_that_is_better_when_lower_is_told_as_it_is(ask, arc, mirror, records):
    # pct_stereotype is the share of pairs whose stereotyped sentence is likelier: 1 minus that is another quantity
    if not (mirror / "jannalu" / "crows_pairs_multilingual").is_dir():
        pytest.skip("needs CrowS-Pairs in the mirror")
    spec = MetricSpec(name="pct_stereotype")
    task = dataclasses.replace(arc, options={"task": "crows_pairs_english"}, metrics=(spec,), primary="pct_stereotype")
    metric = ask(task, limit=40).metric()
    first_likelier = sum(record.response[0]["logprob"] > record.response[1]["logprob"] for record in records)
    assert not metric.higher_is_better
    assert metric.value == first_likelier / 40 != 0.5
    assert metric.interval[0] <= metric.value <= metric.interval[1]


def test_what_is_no_share_is_refused(ask, arc, mirror):
    # likelihood_diff is a difference of log-likelihoods, without bounds: no interval in [0, 1] holds it
    if not (mirror / "jannalu" / "crows_pairs_multilingual").is_dir():
        pytest.skip("needs CrowS-Pairs in the mirror")
    spec = MetricSpec(name="likelihood_diff")
    task = dataclasses.replace(arc, options={"task": "crows_pairs_english"}, metrics=(spec,), primary=spec.name)
    with pytest.raises(UsageError, match=r"'likelihood_diff' .* no share"):
        ask(task, limit=5)


# -- prompts ------------------------------------------------------------------------------------------------------


def upstream_task(root, num_fewshot):
    """lm-eval's own task object over the mirror, made as lm-eval makes it."""
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks._yaml_loader import load_yaml

    settings = load_yaml(Path(lm_eval.__file__).parent / "tasks" / "arc" / "arc_challenge.yaml")
    settings.pop("tag")
    found = mirrors.locate(str(root), "allenai/ai2_arc", "ARC-Challenge")
    settings |= {
        "dataset_path": str(found.folder),
        "dataset_kwargs": {"cache_dir": str(found.cache)},
        "num_fewshot": num_fewshot,
    }
    task = ConfigurableTask(config=settings)
    task.set_fewshot_seed(1234)
    return task


@pytest.mark.parametrize("num_fewshot", [0, 3])
def test_prompts_are_those_that_lm_eval_builds(ask, arc, mirror, records, fake, num_fewshot):
    backend = fake(Hashed)
    result = ask(with_options(arc, num_fewshot=num_fewshot), backend, limit=7)
    assert result.provenance["num_fewshot"] == num_fewshot
    theirs = upstream_task(mirror, num_fewshot)
    theirs.build_all_requests(samples=[record.metadata["index"] for record in records], rank=0, world_size=1)
    assert backend.pairs == [instance.args for instance in theirs.instances]
    assert all(question.count("Question: ") == num_fewshot + 1 for question, _ in backend.pairs)


def test_scores_are_those_of_lm_evals_own_evaluator(ask, arc, mirror, records, fake):
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate

    backend = fake(Hashed)

    class Ours(LM):
        def loglikelihood(self, requests):
            return [(score.logprob, score.is_greedy) for score in backend.loglikelihood([r.args for r in requests])]

        def loglikelihood_rolling(self, requests):
            raise NotImplementedError

        def generate_until(self, requests):
            raise NotImplementedError

    result = ask(arc, limit=40)
    docs = [record.metadata["index"] for record in records]
    theirs = evaluate(
        lm=Ours(),
        task_dict={"arc_challenge": upstream_task(mirror, 0)},
        samples={"arc_challenge": docs},
        bootstrap_iters=0,
        log_samples=False,
    )["results"]["arc_challenge"]
    assert result.metric("acc").value == pytest.approx(theirs["acc,none"])
    assert result.metric("acc_norm").value == pytest.approx(theirs["acc_norm,none"])


def test_what_a_task_draws_at_random_is_drawn_once_and_the_same_in_every_run(lm_eval, mirror):
    # lm-eval processes a split whenever it is looked at: the choices would be asked in one order, judged in another
    from lm_eval.tasks._yaml_loader import load_yaml

    def built():
        settings = load_yaml(Path(lm_eval.__file__).parent / "tasks" / "arc" / "arc_challenge.yaml")
        settings.pop("tag")
        settings["process_docs"] = lambda rows: rows.select(random.sample(range(len(rows)), len(rows)))
        return building._task(settings, RunConfig(model="", data=str(mirror), offline=True))[0]

    random.seed(5)
    first, second = built(), built()
    assert random.random() == random.Random(5).random()
    assert first.eval_docs["id"] == first.test_docs()["id"] == second.eval_docs["id"]
    assert list(first.eval_docs["id"]) != sorted(first.eval_docs["id"])


def test_a_plan_counts_questions_and_not_choices(arc, context, fake, mirror):
    # of ARC's questions some have three choices and some five
    asked = first_question(arc, "", context(fake(), data=str(mirror), limit=200))
    assert asked.samples == 200
    assert len(asked.pairs) != 800


def test_a_package_that_a_tasks_functions_need_is_a_skip_with_its_name():
    def load():
        raise ModuleNotFoundError("No module named 'langdetect.x'", name="langdetect.x")

    with pytest.raises(NotAvailableError, match="pip install langdetect") as caught:
        building._loaded("ifeval", load)
    assert caught.value.slug == "missing-extra"


def test_a_task_that_cannot_be_imported_is_an_error_that_names_it():
    with pytest.raises(BackendError, match=r"broken cannot be loaded \(ZeroDivisionError") as caught:
        building._loaded("broken", lambda: 1 // 0)
    assert caught.value.slug == "lm-eval-failed"


def test_a_records_prompt_hash_is_that_of_all_its_choices(ask, arc, rows, records):
    ask(arc, limit=3)
    for record in records:
        row = rows[record.metadata["index"]]
        parts = [part for text in row["choices"]["text"] for part in (prompt(row), f" {text}")]
        assert record.prompt_sha256 == surroundings.sha256(*parts)


def test_a_result_says_what_it_depends_on(ask, arc, copied):
    provenance = ask(arc, limit=2).provenance
    assert provenance["lm_eval_task"] == "arc_challenge"
    assert provenance["lm_eval_task_version"] == "1.0"
    assert (provenance["dataset"], provenance["dataset_config"]) == ("allenai/ai2_arc", "ARC-Challenge")
    assert provenance["data_from"] == "mirror"
    assert provenance["data_sha256"] == ask(arc, limit=2, data=str(copied)).provenance["data_sha256"]


def test_two_mirrors_of_one_layout_give_their_own_rows(ask, arc, copied, records):
    # datasets keys its cache by the folder's name and layout
    import pyarrow
    from pyarrow import parquet

    ask(arc, limit=2)
    path = copied / ARC / "ARC-Challenge" / "test.parquet"
    table = parquet.read_table(path)
    turned = table.to_pylist()[::-1]
    parquet.write_table(pyarrow.Table.from_pylist(turned, schema=table.schema), path)
    records.clear()
    ask(arc, limit=2, data=str(copied))
    assert [record.doc_id for record in records] == [turned[record.metadata["index"]]["id"] for record in records]


def test_lm_evals_index_of_all_tasks_is_never_made(ask, arc, monkeypatch):
    # it reads more than ten thousand files, which takes seconds
    from lm_eval.tasks import TaskManager, _index

    def refuse(*_arguments, **_named):
        raise AssertionError("the index was made")

    monkeypatch.setattr(TaskManager, "__init__", refuse)
    monkeypatch.setattr(_index.TaskIndex, "build", refuse)
    assert ask(arc, limit=1).n_scored == 1


# -- which task ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "arc_challenge",
        "gsm8k",
        "boolq",  # in super_glue/boolq/default.yaml
        "wic",  # basqueglue/wic.yaml is another task
        "social_iqa",  # bigbench has two files of that name, with tasks of other names
        "mmlu_anatomy",  # ten files of that name
    ],
)
def test_the_definition_is_the_one_of_that_task(lm_eval, name):
    from lm_eval.tasks._yaml_loader import load_yaml

    assert load_yaml(definitions.find(name), resolve_func=False)["task"] == name


@pytest.mark.parametrize("name", ["arc_chalenge", "arc_c*", "../tasks/arc/arc_challenge", "/etc/passwd", "", "a\nb"])
def test_an_unknown_task_is_told(ask, arc, name):
    with pytest.raises(UsageError, match="lm-eval has no task") as caught:
        ask(with_options(arc, task=name))
    assert caught.value.slug == "lm-eval-task"


def test_an_unknown_option_is_told_with_the_known_ones(ask, arc):
    with pytest.raises(UsageError, match=r"unknown option 'fewshot'; options are .*num_fewshot") as caught:
        ask(with_options(arc, fewshot=3))
    assert caught.value.slug == "lm-eval-option"


def test_a_missing_task_is_told(ask, arc):
    with pytest.raises(UsageError, match="`task` is missing"):
        ask(dataclasses.replace(arc, options={}))


@pytest.mark.parametrize("wrong", ["five", -1, 1.5, True, None])
def test_a_number_of_examples_is_a_whole_number(ask, arc, wrong):
    with pytest.raises(UsageError, match="num_fewshot") as caught:
        ask(with_options(arc, num_fewshot=wrong), limit=1)
    assert caught.value.slug == "lm-eval-option"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (MetricSpec(name="bleu"), "no metric 'bleu', but acc, acc_norm"),
        (MetricSpec(name="accuracy", key="exact_match"), "no metric 'exact_match'"),
        (MetricSpec(name="acc", filter="flexible-extract"), "no filter 'flexible-extract', but none"),
    ],
    ids=["name", "key", "filter"],
)
def test_an_unknown_metric_or_filter_is_an_error_and_no_zero(ask, arc, spec, told):
    with pytest.raises(UsageError, match=told) as caught:
        ask(dataclasses.replace(arc, metrics=(spec,), primary=spec.name), limit=2)
    assert caught.value.slug == "unknown-metric"


def test_a_missing_capability_comes_before_lm_eval_is_needed(arc, context, fake):
    with pytest.raises(NotAvailableError, match="requires 'loglikelihood'"):
        accuracy.run(arc, "", context(fake(capabilities=["chat"])))


@pytest.mark.parametrize("missing", ["lm_eval.api.task", "datasets"])
def test_without_lm_eval_the_item_is_skipped_with_the_install_command(arc, context, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        NotAvailableError, match=r"'arc_challenge' needs lm-eval .*pip install 'pytest-slm\[lm-eval\]'"
    ) as caught:
        accuracy.run(arc, "", context())
    assert caught.value.slug == "missing-extra"


# -- data that cannot be had ----------------------------------------------------------------------------------------


@pytest.fixture
def empty_mirror(tmp_path):
    (tmp_path / "empty").mkdir()
    return str(tmp_path / "empty")


@pytest.mark.parametrize("with_mirror", [False, True])
def test_offline_missing_data_is_a_skip_without_any_connection(
    ask, arc, no_hub_cache, no_network, empty_mirror, with_mirror
):
    with pytest.raises(NotAvailableError, match=r"allenai/ai2_arc .*cannot be reached.*--slm-data=DIR") as caught:
        ask(arc, data=empty_mirror if with_mirror else None, offline=True)
    assert caught.value.slug == "data-unreachable"


def test_a_hub_that_does_not_answer_is_a_skip_and_not_asked_again(ask, arc, no_hub_cache, closed_port, monkeypatch):
    # its own client would try for half a minute
    offline = []
    hub_offline = rows_of._hub_offline
    monkeypatch.setattr(rows_of, "_hub_offline", lambda said: (offline.append(said), hub_offline(said))[1])
    with pytest.raises(NotAvailableError, match="the Hub does not answer"):
        ask(arc, data=None)
    assert offline == [True]


@pytest.fixture
def closed_port(monkeypatch):
    """The Hub's address is a port of this machine on which nobody listens; no proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_hub_that_listens_answers(closed_port, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert rows_of.hub_answers()


def test_a_port_nobody_listens_on_does_not_answer(closed_port):
    assert not rows_of.hub_answers()


def test_behind_a_proxy_the_proxy_is_asked(closed_port, monkeypatch, no_network):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert rows_of.hub_answers()


def test_data_in_the_mirror_need_no_network(ask, arc, copied, no_network):
    # a copy, so that no cache of another test can stand in for it
    (copied / ARC / "README.md").write_text((copied / ARC / "README.md").read_text() + "\nmy own\n")
    assert ask(arc, limit=2, data=str(copied)).n_scored == 2


def test_a_broken_file_in_the_mirror_is_an_error_that_names_it(ask, arc, copied):
    (copied / ARC / "ARC-Challenge" / "test.parquet").write_bytes(b"PAR1 is how it begins, and this is how it ends")
    with pytest.raises(BackendError, match=r"copied.allenai.ai2_arc: .*cannot be read") as caught:
        ask(arc, limit=2, data=str(copied))
    assert caught.value.slug == "data-broken"


@pytest.mark.parametrize("column", ["question", "choices", "answerKey"])
def test_a_missing_column_is_an_error_that_names_it(ask, arc, copied, records, column):
    # a prompt without its question would still be answered, and scored
    from pyarrow import parquet

    for path in (copied / ARC / "ARC-Challenge").iterdir():
        parquet.write_table(parquet.read_table(path).drop_columns([column]), path)
    with pytest.raises(BackendError, match=column) as caught:
        ask(arc, limit=2, data=str(copied))
    assert caught.value.slug == "data-broken"
    assert records == []


def test_a_mirror_without_the_test_split_is_an_error(ask, arc, copied):
    (copied / ARC / "ARC-Challenge" / "test.parquet").unlink()
    with pytest.raises(BackendError, match="data-broken"):
        ask(arc, limit=2, data=str(copied))


def test_every_likelihood_that_is_recorded_is_finite(ask, arc, records):
    ask(arc, limit=5)
    assert all(math.isfinite(choice["logprob"]) for record in records for choice in record.response)
