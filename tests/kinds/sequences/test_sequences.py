"""Chains of calls that are asked for, scored and run: with functions of our own, in the shape of NESTful's."""

import dataclasses
import hashlib
import io
import json
import types
import zipfile

import pytest

from pytest_slm.core.types import Generation, MetricSpec
from pytest_slm.data import checkouts
from pytest_slm.data.checkouts import Checkout
from pytest_slm.errors import BackendError, NotAvailableError
from pytest_slm.kinds.checking import check_task, make_kind
from pytest_slm.kinds.sequences.kind import made
from pytest_slm.run.drive import drive, measure
from pytest_slm.run.recorded import RecordedAnswers
from pytest_slm.sandbox import available

datasets = pytest.importorskip("datasets", reason="needs pip install 'pytest-slm[data]'")
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: train, path: train.parquet}\n---\n"
FILES = {
    "common.py": b"def add(a, b):\n    return a + b\ndef half(a):\n    return a / 2\n",
    "file_1.py": b"def add(a, b):\n    return 'not this one'\ndef words(text):\n    return tuple(text.split())\n",
    "file_2.py": b"import nowhere\ndef lost(a):\n    return a\n",
    "map.json": json.dumps({"words": "file_1.py", "add": "file_1.py", "lost": "file_2.py"}).encode(),
}


def spec(name, *parameters, outputs=("result",)):
    told = {key: {"type": "any", "description": key} for key in parameters}
    return {
        "name": name,
        "description": f"{name}.",
        "parameters": told,
        "output_parameters": {key: {} for key in outputs},
    }


TOOLS = [spec("add", "a", "b"), spec("half", "a"), spec("words", "text"), spec("lost", "a"), spec("two", outputs="xy")]


def call(label, name, **arguments):
    return {"name": name, "label": f"$var_{label}", "arguments": arguments}


def row(id_, answer, *calls):
    return {
        "sample_id": id_,
        "input": f"Question {id_}",
        "output": json.dumps(calls),
        "gold_answer": json.dumps(answer),
        "tools": json.dumps(TOOLS),
    }


SUM = (call(1, "add", a=1, b=2), call(2, "half", a="$var_1.result$"))
ROWS = [
    row("sum", 1.5, *SUM),
    row("words", ["a", "b"], call(1, "add", a="a ", b="b"), call(2, "words", text="$var_1.result$")),
    row("lost", 5, call(1, "lost", a=5)),
]


@pytest.fixture(scope="module", autouse=True)
def sandboxed():
    try:
        available()
    except NotAvailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """The functions as a checkout that was fetched, and its place in a task's options."""
    monkeypatch.setattr(
        checkouts, "platformdirs", types.SimpleNamespace(user_cache_dir=lambda _name: str(tmp_path / "cache"))
    )
    packed, digest = io.BytesIO(), hashlib.sha256()
    with zipfile.ZipFile(packed, "w") as file:
        for name in sorted(FILES):
            file.writestr(f"top/functions/{name}", FILES[name])
            digest.update(name.encode() + b"\0" + hashlib.sha256(FILES[name]).digest())
    checkout = Checkout(repository="org/set", commit="0" * 40, folder="functions", sha256=digest.hexdigest())
    checkout.path.parent.mkdir(parents=True)
    checkout.path.write_bytes(packed.getvalue())
    return {"checkout": dataclasses.asdict(checkout), "common": "common.py", "index": "map.json"}


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "mirror" / "org" / "chains"
    folder.mkdir(parents=True)
    datasets.Dataset.from_list(ROWS).to_parquet(folder / "train.parquet")
    (folder / "README.md").write_text(CARD)
    return str(tmp_path / "mirror")


@pytest.fixture
def task(checks_task, functions):
    metrics = (
        MetricSpec(name="win_rate", key="win"),
        MetricSpec(name="partial_match"),
        MetricSpec(name="f1_functions", aggregate="label_f1", key="functions"),
    )
    task = checks_task(
        kind="sequences",
        scorer="call_sequence",
        metrics=metrics,
        primary="win_rate",
        max_tokens=99,
        generator="nestful",
        functions=functions,
    )
    return dataclasses.replace(task, options={**task.options, "path": "org/chains", "version": "v2"})


def scripted(answers):
    """A script of answers by what is asked."""
    return [{"contains": asked, "text": text} for asked, text in answers.items()]


def told(result):
    return {metric.name: (metric.value, metric.n) for metric in result.metrics}


def test_what_calls_come_to_is_the_win_rate(task, data, context, fake, records):
    rules = {
        "Question sum": json.dumps(SUM),
        "Question words": "[" + json.dumps(call(1, "words", text="a c")) + "]",
        "Question lost": "I do not know.",
    }
    check_task(task, context().extensions)
    result = measure(task, "", context(fake(rules=scripted(rules)), data=data))
    assert told(result)["win_rate"] == (0.5, 2)  # the gold calls of the third cannot be run here
    assert told(result)["partial_match"] == (pytest.approx(1 / 3), 3)
    assert "of 1 of 3 samples the gold calls do not come to the gold answer" in result.reason
    assert result.provenance["reached"] == {"another answer": 1, "gold answer": 1, "unreachable": 1}
    assert result.provenance["functions"] == "org/set@000000000000"
    assert {line.doc_id: (line.metadata["reached"], line.metadata["told"][:12]) for line in records} == {
        "sum": ("gold answer", "1.5"),
        "words": ("another answer", "('a', 'c')"),
        "lost": ("unreachable", "the gold cal"),
    }


def test_the_gold_calls_win_and_no_calls_do_not(task, data, context, fake):
    rules = {f"Question {one['sample_id']}": one["output"] for one in ROWS}
    result = measure(task, "", context(fake(rules=scripted(rules)), data=data))
    assert told(result) == {"win_rate": (1.0, 2), "partial_match": (1.0, 3), "f1_functions": (1.0, 3)}
    nothing = measure(task, "", context(fake(text="abc"), data=data))
    assert told(nothing)["win_rate"] == (0.0, 2)


def test_another_way_to_the_answer_wins_without_matching(task, data, context, fake):
    rules = {"Question sum": json.dumps([call(1, "add", a=0.5, b=1)]), "": "no"}
    result = measure(task, "", context(fake(rules=scripted(rules)), data=data))
    assert told(result)["win_rate"] == (0.5, 2)
    assert told(result)["partial_match"] == (0.0, 3)


def test_a_run_is_scored_again_from_its_lines(task, data, context, fake, records):
    rules = {f"Question {one['sample_id']}": one["output"] for one in ROWS}
    measure(task, "", context(fake(rules=scripted(rules)), data=data))
    lines, records[:] = [line.to_json() for line in records], []
    again = dataclasses.replace(context(fake(text="never asked"), data=data), recorded=RecordedAnswers("here", lines))
    assert told(drive(make_kind(task, "", again)))["win_rate"] == (1.0, 2)
    assert [line.to_json() for line in records] == lines


def test_without_the_functions_it_is_skipped_with_the_remedy(task, data, context, fake, functions, monkeypatch):
    path = Checkout.from_json(functions["checkout"]).path
    path.rename(path.with_suffix(".away"))
    with pytest.raises(NotAvailableError, match="`pytest-slm data pull DIR` fetches it from GitHub") as caught:
        measure(task, "", context(fake(), data=data))
    assert caught.value.slug == "checkout-missing"


@pytest.mark.parametrize("wrong", [{"common": "other.py"}, {"index": "common.py"}, {"index": "file_2.py"}])
def test_files_that_are_not_in_the_checkout_are_told(task, data, context, fake, functions, wrong):
    task = dataclasses.replace(task, options={**task.options, "functions": {**functions, **wrong}})
    with pytest.raises(BackendError, match="does not have the functions that are wanted") as caught:
        measure(task, "", context(fake(), data=data))
    assert caught.value.slug == "checkout-foreign"


def answer(text):
    return Generation(text=text, n_prompt=1, n_output=1, finish="stop")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no calls", ""),
        ("add(a=1, b=2)", "call 1, add: it has no label"),
        (json.dumps([call(1, "add", a=1), {"name": "half", "label": 5}]), "call 2, half: it has no label"),
        ('{"name": "add", "label": "$x", "arguments": "a=1"}', "call 1, add: it has no arguments"),
        (json.dumps([call(1, "add", a=2**200)]), ""),
        (json.dumps([call(n, "add", a=1) for n in range(201)]), "call 201, add: more than 200 calls"),
        ("x" * 200_000, "an answer of 200,000 letters is too long to be read"),
        ("[" * 10_000, ""),
        ('{"name": "add", "label": "$x", "arguments": {"a": NaN}}', ""),
    ],
)  # fmt: skip
def test_calls_that_cannot_be_run_say_why(text, why):
    calls, problem = made(answer(text))
    assert problem == why
    assert len(calls) == (1 if str(2**200) in text else 0)
