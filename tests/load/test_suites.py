"""A suite file becomes a Suite, a task file a Task; a typing mistake is an error with file, line and key."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.aggregation import Profile, ScoreRules
from pytest_slm.core.types import Gate, MetricSpec, ModePlan, RateSource, Suite, SuiteFacts, Task
from pytest_slm.errors import UsageError
from pytest_slm.load import load_profiles, load_suite, load_task
from pytest_slm.load.tasks import TASK_KEYS

Loader = Callable[[str], Task]
LEAST = "kind: checks\nmetrics: [exact]\n"


def test_a_suite_is_called_after_its_folder(write: Callable[..., Path]) -> None:
    path = write("tasks: [niah]\ntags: [rag, offline]\n", "rag/suite.yaml")
    assert load_suite(path) == Suite(
        name="rag", facts=SuiteFacts.of("rag"), tasks=("niah",), tags=("rag", "offline"), path=str(path)
    )


@pytest.mark.parametrize("tag", ["_x", "a b", "a:b", "a(b)", "parametrize", "not"])
def test_a_tag_must_be_the_name_of_a_marker(write: Callable[..., Path], tag: str) -> None:
    path = write(f"suite: rag\ntags:\n  - rag\n  - '{tag}'\n", "rag/suite.yaml")
    with pytest.raises(UsageError, match=rf"suite\.yaml:4: tags\[1\]: expected a marker's name .*{re.escape(tag)}"):
        load_suite(path)


def test_a_suite_may_have_another_name(write: Callable[..., Path]) -> None:
    suite = load_suite(write("suite: retrieval\ntitle: Retrieval\ndescription: Long texts.\n", "rag/suite.yaml"))
    assert (suite.name, suite.facts.title, suite.description) == ("retrieval", "Retrieval", "Long texts.")


def test_a_task_with_the_least_gets_the_defaults(task: Loader) -> None:
    least = task(LEAST)
    assert (least.name, least.suite, least.version, least.kind) == ("niah", "rag", 1, "checks")
    assert least.metrics == (MetricSpec(name="exact"),)
    assert least.primary == "exact"
    assert least.variants == {"": {}}
    assert least.modes == {"quick": ModePlan(limit=100), "full": ModePlan()}
    assert least.gate is None
    assert least.tokens_per_sample == 100


def test_a_task_with_everything(task: Loader) -> None:
    full = task(
        """
        task: needle
        version: 3
        kind: checks
        description: Find the number.
        source: https://example.org/paper
        license: MIT
        requires: [generate]
        scorer: needle
        primary: found
        metrics:
          - exact
          - {name: found, group: needle, key: exact_match, filter: strict, unit: share}
          - {name: refusals, complement: true}
          - {name: best, aggregate: expected_maximum, parameters: {k: 3}}
          - {name: calibration, aggregate: calibration_error}
          - {name: balanced, balance: [a, b]}
        breakdown: depth
        variants: {1024: {length: 1024}, 2048: {length: 2048}}
        modes: {quick: {limit: 10, variants: [1024]}, full: }
        gate: {metric: exact, limit: 0.5}
        tokens_per_sample: 1200
        options: {samples: data/a.jsonl, depths: [0, 50, 100], nested: {x: 1.5}}
        """
    )
    assert (full.name, full.version, full.primary, full.breakdown) == ("needle", 3, "found", "depth")
    assert full.spec("found") == MetricSpec(name="found", group="needle", key="exact_match", filter="strict")
    assert full.spec("refusals").complement
    assert (full.spec("best").aggregate, full.spec("best").parameters) == ("expected_maximum", {"k": 3})
    assert full.spec("calibration").parameters == {"bins": 10}
    assert full.spec("balanced").balance == ("a", "b")
    assert full.variants == {"1024": {"length": 1024}, "2048": {"length": 2048}}
    assert full.modes == {"quick": ModePlan(limit=10, variants=("1024",)), "full": ModePlan()}
    assert full.gate == Gate(metric="exact", limit=0.5)
    assert full.options == {"samples": "data/a.jsonl", "depths": [0, 50, 100], "nested": {"x": 1.5}}


def test_a_task_comes_back_from_json(task: Loader) -> None:
    least = task(LEAST + "options: {depths: [0, 50], nested: {x: null}}")
    assert Task.from_json(least.to_json()) == least


def test_a_gate_without_a_metric_is_about_the_primary_one(task: Loader) -> None:
    assert task(LEAST + "gate: {limit: 1}").gate == Gate(metric="exact", limit=1.0)


def test_declared_modes_are_all_modes(task: Loader) -> None:
    # A validate task must not run in quick and full mode because those are the defaults.
    assert set(task(LEAST + "modes: {validate: {}}").modes) == {"validate"}


@pytest.mark.parametrize(
    ("text", "line", "slug", "words"),
    [
        ("limts: 1", 3, "suite-unknown-key", "limts: unknown key. "),
        ("varients: {}", 3, "suite-unknown-key", "Did you mean 'variants'?"),
        ("modes:\n  quick: {limt: 1}", 4, "suite-unknown-key", "modes.quick.limt: unknown key. Did you mean 'limit'?"),
        ("modes: {quik: {}}", 3, "suite-unknown-key", "Did you mean 'quick'?"),
        (
            "modes: {quick: {limit: 0}}",
            3,
            "suite-bad-value",
            "modes.quick.limit: expected a whole number of at least 1",
        ),
        ("modes: {quick: {variants: [x]}}", 3, "suite-bad-value", "'x' is no variant"),
        ("version: yes", 3, "suite-bad-value", "got the boolean yes"),
        ("version: 1.5", 3, "suite-bad-value", "got the number 1.5"),
        ("version: '1'", 3, "suite-bad-value", "got the text '1'"),
        ("requires: generate", 3, "suite-bad-value", "requires: expected a list, got the text 'generate'"),
        ("requires: [1]", 3, "suite-bad-value", r"requires[0]: expected a text, got the number 1"),
        ("requires: [a, a]", 3, "suite-bad-value", "'a' is listed twice"),
        ("primary: exat", 3, "suite-bad-value", "Did you mean 'exact'?"),
        ("gate: {metric: other, limit: 1}", 3, "suite-bad-value", "gate.metric: 'other' is not known"),
        ("gate: {metric: exact}", 3, "suite-bad-value", "gate.limit: missing key"),
        ("gate: {limit: high}", 3, "suite-bad-value", "gate.limit: expected a number, got the text 'high'"),
        ("gate: 0.5", 3, "suite-bad-value", "gate: expected a mapping"),
        ("variants: [a]", 3, "suite-bad-value", "variants: expected a mapping"),
        ("variants: {a: 1}", 3, "suite-bad-value", "variants.a: expected a mapping"),
        ("effective: 0.85\nvariants: {long: {}}", 3, "suite-bad-value", "called by their tokens"),
        ("effective: 85", 3, "suite-bad-value", "a number from 0 to 1"),
        ("effective: 0\nvariants: {'1024': {}}", 3, "suite-bad-value", "above 0"),
        ("family: ruler", 3, "suite-unknown-key", "It belongs into suite.yaml, as in `families:"),
        ("options: [a]", 3, "suite-bad-value", "options: expected a mapping"),
        ("description: [a]", 3, "suite-bad-value", "description: expected a text, got a list"),
        ("scorer: ''", 3, "suite-bad-value", "scorer: expected a text"),
    ],
)
def test_a_mistake_in_a_task_names_file_line_key_and_value(
    task: Loader, tmp_path: Path, text: str, line: int, slug: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        task(LEAST + text)
    assert str(caught.value).startswith(f"{tmp_path / 'niah.yaml'}:{line}: ")
    assert words in str(caught.value)
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metrics: [a]", "kind: missing key"),
        ("kind: checks", "metrics: missing key"),
        ("kind: checks\nmetrics: []", "at least one metric"),
        ("kind: checks\nmetrics: [a, a]", "declared twice"),
        ("kind: checks\nmetrics: [a, {name: b, parts: {c: 1}}]", "metrics[1].parts: its part 'c' is no share"),
        ("kind: checks\nmetrics: [a, {name: b, parts: {a: 0}}]", "the weight of a part is above 0"),
        ("kind: checks\nmetrics: [a, {name: b, parts: {a: x}}]", "parts.a: expected a number"),
        ("kind: checks\nmetrics: [a, {name: b, parts: [a]}]", "parts: expected a mapping"),
        ("kind: checks\nmetrics: [a, {name: b, group: g, parts: {a: 1}}]", "a metric with parts is made of them alone"),
        ("kind: checks\nmetrics: [1]", "metrics[0]: expected the name of a metric"),
        ("kind: checks\nmetrics: [{group: a}]", "metrics[0].name: missing key"),
        ("kind: checks\nmetrics: [{name: a, grup: b}]", "Did you mean 'group'?"),
        ("kind: checks\nmetrics: [{name: a, aggregate: twin}]", "'twin' is not known. Did you mean 'twins'"),
        (
            "kind: checks\nmetrics: [{name: a, aggregate: expected_maximum, parameters: {n: 2}}]",
            "metrics[0].parameters.n: unknown key",
        ),
        ("kind: checks\nmetrics: [{name: a, parameters: {k: 2}}]", "metrics[0].parameters.k: unknown key"),
        (
            "kind: checks\nmetrics: [{name: a, aggregate: expected_maximum, parameters: {k: 0}}]",
            "expected a whole number of at least 1",
        ),
        (
            "kind: checks\nmetrics: [{name: a, aggregate: auroc, complement: true}]",
            "complement and balance are for means, not for auroc",
        ),
        ("kind: checks\nmetrics: [{name: a, complement: 1}]", "expected true or false, got the number 1"),
        ("- a", "expected a mapping (key: value), got a list"),
    ],
)
def test_a_task_without_the_needed_says_what_is_needed(task: Loader, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        task(text)
    assert words in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from(TASK_KEYS),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.sampled_from(["checks", "a", "", "../x"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["quick", "limit", "samples", "name", "metric", "a"]), inner, max_size=3
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_known_keys_with_any_values_are_a_task_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-task.yaml"
    path.write_text(json.dumps({"kind": "checks", "metrics": ["a"]} | content))  # JSON is YAML
    with contextlib.suppress(UsageError):
        task = load_task(path, Suite(name="s", facts=SuiteFacts.of("s")))
        assert Task.from_json(task.to_json()) == task


SUITES = Path(__file__).parents[2] / "suites"


@pytest.mark.parametrize("path", sorted(SUITES.glob("*/suite.yaml")), ids=lambda path: path.parent.name)
def test_every_suite_of_the_project_loads_and_declares_tasks_that_exist(path: Path) -> None:
    suite = load_suite(path)
    tasks = [load_task(file, suite) for file in sorted(path.parent.glob("*.yaml")) if file.name != "suite.yaml"]
    assert set(suite.tasks) <= {task.name for task in tasks}
    # Nobody says what a model without any skill gets there.
    specs = {task.name: task.spec(task.primary) for task in tasks if suite.facts.scored}
    without = {name for name, spec in specs.items() if spec.chance is None and not spec.chance_of_rows}
    assert without <= {
        "toxigen",
        "toxicity",
        "bold",
        "position_bias",
        "position_bias_mmlu",
        "ifeval",
    }


def test_a_suite_that_says_nothing_of_itself_is_scored_under_its_name(write: Callable[..., Path]) -> None:
    assert load_suite(write("tasks: []\n", "law/suite.yaml")).facts == SuiteFacts(title="law", use_case="law")


def test_what_a_suite_says_of_itself(write: Callable[..., Path]) -> None:
    text = "tasks: [cases]\nscored: false\nuse_case:\ndomain: legal\nrates: {bias: {task: cases, metric: skew}}\n"
    assert load_suite(write(text, "law/suite.yaml")).facts == SuiteFacts(
        title="law",
        scored=False,
        use_case=None,
        domain="legal",
        rates={"bias": RateSource(task="cases", metric="skew")},
    )


def test_a_suite_names_the_parts_of_its_composites(write: Callable[..., Path]) -> None:
    text = "tasks: [cases]\ncomposites:\n  total: {cases/acc: 2, others/acc: 1.5}\n"
    (parts,) = load_suite(write(text, "law/suite.yaml")).facts.composites.values()
    assert [(part.task, part.metric, part.weight) for part in parts] == [("cases", "acc", 2), ("others", "acc", 1.5)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{total: {cases: 1}}", "expected `task/metric: weight`"),
        ("{total: {cases/acc: 0}}", "expected `task/metric: weight`"),
        ("{total: {cases/acc: x}}", "expected a number"),
        ("{total: {}}", "it is made of nothing"),
        ("{Total: {cases/acc: 1}}", "expected a name in small letters"),
        ("[total]", "composites: expected a mapping"),
    ],
)
def test_composites_that_cannot_be_meant(write: Callable[..., Path], said: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(write(f"tasks: [cases]\ncomposites: {said}\n", "law/suite.yaml"))
    assert told in str(caught.value)


def test_a_chance_level_is_that_of_all_shares_or_of_those_it_names(task: Loader) -> None:
    metrics = "kind: checks\nmetrics: [acc, norm, {name: nats, unit: nats}]\n"
    assert [metric.chance for metric in task(metrics + "chance: 0.25").metrics] == [0.25, 0.25, None]
    assert [metric.chance for metric in task(metrics + "chance: {norm: 0.5}").metrics] == [None, 0.5, None]
    assert [metric.chance for metric in task(metrics).metrics] == [None, None, None]
    of_rows = task(metrics + "chance: rows").metrics
    assert [(metric.chance, metric.chance_of_rows) for metric in of_rows] == [(None, True), (None, True), (None, False)]
    mixed = task(metrics + "chance: {norm: rows}").metrics
    assert [metric.chance_of_rows for metric in mixed] == [False, True, False]


def test_profiles_are_read_with_all_their_mistakes(write: Callable[..., Path]) -> None:
    good = write("profiles: {a: {rag: 0.5, math: 0.7}}\nranked_coverage: 0.8\nrecommended: 70\nnot_recommended: 40\n")
    assert load_profiles(good) == ScoreRules(
        profiles=(Profile(name="a", weights={"rag": 0.5, "math": 0.7}),),
        **{"ranked_coverage": 0.8, "recommended": 70.0, "not_recommended": 40.0},
    )
    with pytest.raises(UsageError) as caught:
        load_profiles(write("profiles: {a: {rag: heavy}, b: {}}\nrecomended: 70\nnot_recommended: 40\n"))
    lines = [line.partition(": ")[2] for line in str(caught.value).split("\n")]
    assert lines == [
        "profiles.a.rag: expected a number from 0 to 1, got the text 'heavy'  [suite-bad-value]",
        "profiles.a: needs a use case with a weight above 0; add one  [suite-bad-value]",
        "profiles.b: needs a use case with a weight above 0; add one  [suite-bad-value]",
        "ranked_coverage: missing key; add it  [suite-bad-value]",
        "recommended: missing key; add it  [suite-bad-value]",
        "recomended: unknown key. Did you mean 'recommended'?  [suite-unknown-key]",
    ]
