"""Prompts, scores and what is drawn at random are lm-eval's own."""

import random
from pathlib import Path

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.data import mirror as mirrors
from pytest_slm.kinds import context as surroundings
from pytest_slm.lm_eval import building


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
def test_prompts_are_those_that_lm_eval_builds(ask, arc, mirror, records, fake, hashed, with_options, num_fewshot):
    backend = fake(hashed)
    result = ask(with_options(arc, num_fewshot=num_fewshot), backend, limit=7)
    assert result.provenance["num_fewshot"] == num_fewshot
    theirs = upstream_task(mirror, num_fewshot)
    theirs.build_all_requests(samples=[record.metadata["index"] for record in records], rank=0, world_size=1)
    assert backend.pairs == [instance.args for instance in theirs.instances]
    assert all(question.count("Question: ") == num_fewshot + 1 for question, _ in backend.pairs)


def test_scores_are_those_of_lm_evals_own_evaluator(ask, arc, mirror, records, fake, hashed):
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate

    backend = fake(hashed)

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


def test_a_records_prompt_hash_is_that_of_all_its_choices(ask, arc, rows, records, prompt):
    ask(arc, limit=3)
    for record in records:
        row = rows[record.metadata["index"]]
        parts = [part for text in row["choices"]["text"] for part in (prompt(row), f" {text}")]
        assert record.prompt_sha256 == surroundings.sha256(*parts)
