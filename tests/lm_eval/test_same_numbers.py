"""Our numbers are those that lm-eval's own evaluator makes of the same likelihoods and the same answers, row by row."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_slm.core.config import RunConfig
from pytest_slm.core.types import Generation, MetricSpec
from pytest_slm.kinds.lm_eval import choose
from pytest_slm.lm_eval.building import build

N = 24
TASKS = {
    "truthfulqa_mc1": ("acc",),
    "truthfulqa_mc2": ("acc",),
    "crows_pairs_english": ("pct_stereotype", "likelihood_diff"),
    "toxigen": ("acc", "acc_norm"),
    "medqa_4options": ("acc", "acc_norm"),
    "medmcqa": ("acc", "acc_norm"),
    "pubmedqa": ("acc",),
    "bbq": ("acc", "amb_bias_score", "disamb_bias_score"),
}
"""Tasks of lm-eval, and those of its metrics that are told."""
FOLDERS = {"toxigen": "skg", "medqa_4options": "GBaker", "medmcqa": "openlifescienceai", "pubmedqa": "bigbio"}


@pytest.fixture
def evaluated(lm_eval, hashed, fake):
    """``evaluated(task, upstream, rows, texts)``: what lm-eval's evaluator makes of it."""
    from lm_eval.api.model import LM
    from lm_eval.evaluator import evaluate

    likelihood = fake(hashed).likelihood

    class Model(LM):
        def loglikelihood(self, requests):
            return [(likelihood(*one.args), False) for one in requests]

        def generate_until(self, requests):
            return [self.texts[one.args[0]] for one in requests]

        loglikelihood_rolling = None

    def run(name, upstream, rows=None, texts=()):
        model = Model()
        model.texts = texts
        found = evaluate(
            lm=model,
            task_dict={"tasks": {name: upstream}, "groups": {}},
            samples=None if rows is None else {name: rows},
            bootstrap_iters=0,
            log_samples=False,
        )
        return found["results"][name]

    return run


COSTLY = {"truthfulqa_mc2", "medqa_4options", "medmcqa", "toxigen"}
"""Tasks whose rows take seconds to be read and asked: tried at night."""


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.nightly] * (one in COSTLY)) for one in TASKS if one != "bbq"]
)
def test_the_same_likelihoods_make_the_same_numbers(ask, arc, mirror, evaluated, name):
    if not (mirror / FOLDERS.get(name, "")).is_dir():
        pytest.skip(f"needs {FOLDERS[name]} in the mirror")
    specs = tuple(MetricSpec(name=key, unit="nats" if key == "likelihood_diff" else "share") for key in TASKS[name])
    task = dataclasses.replace(arc, options={"task": name, "num_fewshot": 0}, metrics=specs, primary=specs[0].name)
    ours = ask(task, limit=N)
    upstream = build(name, RunConfig(model="m", data=str(mirror)), 0).tasks[name]
    rows = choose({name: len(upstream.eval_docs)}, N, RunConfig(model="m").seed)[name]
    theirs = evaluated(name, upstream, rows)
    for key in TASKS[name]:
        assert ours.metric(key).n == N
        assert ours.metric(key).value == pytest.approx(theirs[f"{key},none"], abs=1e-12), key


def test_lm_evals_numbers_of_bbq_are_its_own(ask, built_in, mirror, evaluated):
    ours = ask(built_in("safety/bbq"), limit=N)

    def pick(rows):
        return rows.select(choose({"bbq": len(rows)}, N, RunConfig(model="m").seed)["bbq"])

    upstream = build("bbq", RunConfig(model="m", data=str(mirror)), 0, pick).tasks["bbq"]
    theirs = evaluated("bbq", upstream)
    for name, key in (
        ("lm_eval_acc", "acc"),
        ("lm_eval_s_amb", "amb_bias_score"),
        ("lm_eval_s_dis", "disamb_bias_score"),
    ):
        assert ours.metric(name).value == pytest.approx(theirs[f"{key},none"], abs=1e-12), key


INSTRUCTIONS = [
    (["punctuation:no_comma"], [{}]),
    (["punctuation:no_comma", "length_constraints:number_words"], [{}, {"relation": "at least", "num_words": 5}]),
    (["detectable_format:title", "startend:end_checker"], [{}, {"end_phrase": "That is all."}]),
    (["detectable_format:json_format"], [{}]),
    (["change_case:english_lowercase"], [{}]),
    (["startend:quotation"], [{}]),
]
ANSWERS = [
    "One, two.",
    "Seven words stand here without any sign.",
    "<<Title>>\nText.\n**That is all.**",
    'Sure:\n{"a": 1}',
    "all of it is small",
    '"Quoted."\n',
    "",
]


def test_the_same_answers_follow_the_same_instructions(nltk_data, built_in, context, fake, evaluated, ifeval_mirror):
    from pytest_slm.backends.fake import Fake
    from pytest_slm.run.drive import measure

    def answer(prompt):
        number = int(prompt.split()[-1].rstrip("."))
        return ANSWERS[number // len(INSTRUCTIONS)]  # so that each instruction meets each answer

    class Answering(Fake):
        def generate(self, requests, *more):
            texts = [answer(request.messages[-1].content) for request in requests]
            return [Generation(text=text, n_prompt=1, n_output=9, finish="stop") for text in texts]

    rows = INSTRUCTIONS * 7
    data = ifeval_mirror(rows)
    ours = measure(built_in("instruction_following/ifeval"), "", context(fake(Answering), data=data, mode="full"))
    upstream = build("ifeval", RunConfig(model="m", data=data)).tasks["ifeval"]
    prompts = [f"Prompt {n}." for n in range(len(rows))]
    theirs = evaluated("ifeval", upstream, texts={prompt: answer(prompt) for prompt in prompts})
    told = {f"{level}_level_{how}_acc" for level in ("prompt", "inst") for how in ("strict", "loose")}
    found = {metric.name: metric.value for metric in ours.metrics}
    assert {key for key in theirs if key.endswith("_acc,none")} == {f"{key},none" for key in told}
    for spec in built_in("instruction_following/ifeval").metrics:
        assert found[spec.name] == pytest.approx(theirs[f"{spec.source},none"], abs=1e-12), spec.name
    assert len({round(value, 6) for value in found.values()}) > 2  # strict and loose differ here
