"""NESTful's metrics: by its definition, against scikit-learn, and on whatever a model may write."""

import json
import random
import statistics

import pytest

from pytest_slm.core.metrics import AGGREGATES
from pytest_slm.core.types import Generation, JudgedSample, MetricSpec, Sample
from pytest_slm.errors import UsageError
from pytest_slm.scorers.rules.call_sequence import CALL_SEQUENCE, calls_of, labels

GOLD = [
    {"name": "search", "arguments": {"city": "Oslo"}, "label": "$var_1"},
    {"name": "book", "arguments": {"id": "$var_1.id$", "n": 2}, "label": "$var_2"},
    {"name": "pay", "arguments": {"booking": "$var_2.ref$"}, "label": "$var_3"},
]


def sample_of(calls, id_="1"):
    return Sample(id=id_, input="?", target=calls, metadata=dict(labels(calls_of(json.dumps(calls)))))


def judged(text, calls=GOLD):
    return CALL_SEQUENCE.judge(sample_of(calls), Generation(text=text, n_prompt=1, n_output=1, finish="stop"), None)


@pytest.mark.parametrize(
    ("calls", "share"),
    [
        (GOLD, 1),
        (GOLD[:2], 2 / 3),
        (GOLD[1:], 1 / 3),  # a gap where the first is missing, and what refers to it refers to nothing
        ([GOLD[0], GOLD[2]], 1 / 3),
        ([*GOLD, GOLD[0]], 3 / 4),  # one too many
        ([GOLD[1], GOLD[0], GOLD[2]], 1 / 3),  # of one length: place by place, order counts
        ([{"name": "other", "arguments": {}}, *GOLD], 0),  # gaps are put in from the expected side, until it is empty
        ([{**GOLD[0], "arguments": {"city": "Bergen"}}, *GOLD[1:]], 2 / 3),
        ([GOLD[0], {**GOLD[1], "arguments": {"n": "2", "id": "$var_1.id$"}}, GOLD[2]], 1),  # as texts, in any order
        ([GOLD[0], {**GOLD[1], "arguments": {"n": 2, "id": "$var_2.id$"}}, GOLD[2]], 2 / 3),
        ([{**GOLD[0], "label": "var7"}, {**GOLD[1], "arguments": {"id": "$var7.id$", "n": 2}}, GOLD[2]], 1),
        ([GOLD[0], {**GOLD[1], "arguments": {"id": "$var_1.id", "n": 2}}, GOLD[2]], 1),  # the last $ may be left out
        ([{"name": "search", "parameters": {"city": "Oslo"}, "label": "var_1"}, *GOLD[1:]], 1),
        ([*GOLD, {"name": "var_result", "arguments": {"x": "$var_3.x$"}}], 1),  # that is no call
        ([{**GOLD[0], "label": 7}, *GOLD[1:]], 2 / 3),  # no label: what refers to it refers to nothing
        ([], 0),
    ],
)
def test_partial_match_counts_places_and_gaps(calls, share):
    verdict = judged(json.dumps(calls))
    assert verdict.value == verdict.values["partial_match"] == pytest.approx(share)
    assert verdict.values["full_match"] == float(share == 1)


@pytest.mark.parametrize("wrap", ["{}", "```json\n{}\n```", "<tool_call>{}</tool_call>", "Sure! Here it is: {} Done."])
def test_calls_are_found_wherever_they_stand(wrap):
    assert judged(wrap.replace("{}", json.dumps(GOLD))).value == 1


def test_python_calls_are_read_too():
    # they have no labels, so that only the call without a reference is right, as in NESTful's scorer
    assert judged('[search(city="Oslo"), book(id="$var_1.id$", n=2), pay(booking="$var_2.ref$")]').value == 1 / 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no calls here",
        "x" * 10**6,
        "[" * 10_000,
        '[{"name": "search", "arguments": ' + "[" * 10_000 + "]" * 10_000 + "}]",
        '[{"name": "search", "arguments": {"city": NaN}}]',
        '[{"name": "search", "arguments": {"city": ' + str(2**70) + "}}]",
        '[{"name": "search", "arguments": {"city": ' + "9" * 6000 + "}}]",
        '[{"name": "search", "arguments": {"city": "Oslo", "city": "Bergen"}}]',
        '[{"name": "class", "arguments": {"from": 1}}]',
        '[{"name": 5}, {"name": null, "arguments": {}}, {"arguments": {}}]',
        '[{"name": "search", "arguments": "city=Oslo"}]',
        '[{"name": "\ud800", "arguments": {}}]',
        '[{"name": "search", "arguments": {}}, ' * 300,
        json.dumps([{"name": "x" * 40_000, "label": "var"}, {"name": "f", "arguments": {"a": "$var." * 9_000}}]),
    ],
)
def test_whatever_was_written_is_no_more_than_wrong(text):
    verdict = judged(text)
    assert verdict.value == 0
    assert set(verdict.values) == {"partial_match", "full_match", "functions", "parameters"}


@pytest.mark.parametrize("target", [None, [], "f", [{"name": "f", "arguments": 3}, 5], [{"arguments": {}}]])
def test_a_target_is_a_list_of_calls(target):
    with pytest.raises(UsageError):
        CALL_SEQUENCE.check(Sample(id="1", input="?", target=target), None)


def broken(calls, rng):
    """A sequence with some of what models do to one."""
    made = [{"name": call["name"], "arguments": dict(call["arguments"])} for call in calls]
    for _ in range(rng.randint(0, 3)):
        if made:
            place = rng.randrange(len(made))
            what = rng.choice(("drop", "twice", "name", "value", "argument", "swap"))
            if what == "drop":
                made.pop(place)
            elif what == "twice":
                made.insert(place, made[rng.randrange(len(made))])
            elif what == "swap":
                made[place], made[0] = made[0], made[place]
            elif what == "name":
                made[place] = {**made[place], "name": rng.choice("abcxy")}
            elif what == "value":
                made[place] = {**made[place], "arguments": dict.fromkeys(made[place]["arguments"], rng.randint(0, 2))}
            else:
                made[place] = {**made[place], "arguments": {**made[place]["arguments"], "extra": 1}}
    return made


def test_f1_is_what_scikit_learn_makes_of_300_broken_sequences():
    metrics = pytest.importorskip("sklearn.metrics", reason="needs pip install 'pytest-slm[lm-eval]'")
    binarizer = pytest.importorskip("sklearn.preprocessing").MultiLabelBinarizer()
    rng = random.Random(41)
    golds = [
        [
            {"name": rng.choice("abcde"), "arguments": {key: rng.randint(0, 2) for key in rng.sample("pqr", 2)}}
            for _ in range(rng.randint(1, 5))
        ]
        for _ in range(300)
    ]
    answers = [broken(calls, rng) for calls in golds]
    samples = [
        JudgedSample(sample=sample_of(calls, str(n)), verdict=judged(json.dumps(answer), calls))
        for n, (calls, answer) in enumerate(zip(golds, answers, strict=True))
    ]
    for key in ("functions", "parameters"):
        wanted, given = [], []
        for calls, answer in zip(golds, answers, strict=True):
            if key == "functions":
                wanted.append([call["name"] for call in calls])
                given.append([call["name"] for call in answer])
                continue
            mine, theirs = (
                {c["name"]: [f"{k} = {v}" for k, v in c["arguments"].items()] for c in made} for made in (calls, answer)
            )
            for name in mine.keys() | theirs.keys():
                wanted.append(mine.get(name, []))
                given.append(theirs.get(name, []))
        binarizer.fit(wanted)
        with pytest.warns(UserWarning, match="unknown class"):
            told = binarizer.transform(given)
        expected = metrics.f1_score(binarizer.transform(wanted), told, average="macro")
        made = AGGREGATES["label_f1"](MetricSpec(name=f"f1_{key}", aggregate="label_f1", key=key), samples)
        assert made.value == pytest.approx(expected, abs=1e-12)
        assert made.n == 300
        assert made.interval[0] < made.value < made.interval[1]
    shares = [one.verdict.values["partial_match"] for one in samples]
    assert 0 < statistics.fmean(shares) < 1


def test_f1_of_right_and_of_no_calls():
    spec = MetricSpec(name="f", aggregate="label_f1", key="functions")
    right = JudgedSample(sample=sample_of(GOLD), verdict=judged(json.dumps(GOLD)))
    nothing = JudgedSample(sample=sample_of(GOLD, "2"), verdict=judged("hm"))
    assert AGGREGATES["label_f1"](spec, [right]).value == 1
    assert AGGREGATES["label_f1"](spec, [right, nothing]).value == pytest.approx(2 / 3)
    assert AGGREGATES["label_f1"](spec, [nothing]).value == 0
