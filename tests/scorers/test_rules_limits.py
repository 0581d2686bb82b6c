"""What an answer can make endless ends; what is not measured has no score; a user's own code is the user's."""

from __future__ import annotations

import re
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Generation, GenerationTimes, Sample, Verdict
from pytest_slm.errors import NotAvailableError, ScoringError
from pytest_slm.extensions import Extensions
from pytest_slm.kinds.options import OptionsError, bind_scorer
from pytest_slm.scorers import SCORERS, Scoring
from pytest_slm.scorers.rules import guest, process
from pytest_slm.scorers.rules.json_schema import _bracketed, differences

BOMBS = ["(a+)+b", "(a|aa)+b", "(a|a?)+b", "([a-z]+)*=", r"(.*a){20}b", r"(?P<answer>(a+)+)$b"]


def judge(scoring: Scoring, text: str, **sample: Any) -> Verdict:
    return scoring.judge(
        Sample(id="s", input="?", **sample), Generation(text=text, n_prompt=1, n_output=1, finish="stop")
    )


def test_a_pattern_that_does_not_end_is_ended_and_not_scored(
    set_up: Callable[..., Scoring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SECONDS", 0.2)
    for bomb in BOMBS:
        verdict = judge(set_up("regex", pattern=bomb), "a" * 5_000)
        assert verdict.value is None, bomb
        assert "took more than 0.2 s of processor time" in verdict.explanation
    # and the next answer finds a process that works
    assert judge(set_up("regex", pattern=BOMBS[0]), "aab").value == 1


def test_a_schema_whose_pattern_does_not_end_is_ended_too(
    set_up: Callable[..., Scoring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SECONDS", 0.2)
    verdict = judge(set_up("json_schema", schema={"pattern": "^(a+)+$"}), '"' + "a" * 5_000 + '!"')
    assert (verdict.value, "took more than" in verdict.explanation) == (None, True)
    # a schema that leads to itself for ever says nothing about the answer either
    assert judge(set_up("json_schema", schema={"$ref": "#"}), "1").value is None


def test_a_bomb_in_an_inverted_check_earns_nothing(
    set_up: Callable[..., Scoring], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "SECONDS", 0.2)
    inverted = set_up("rubric", checks=[{"scorer": "regex", "invert": True, "scoring": {"pattern": BOMBS[0]}}])
    assert judge(inverted, "a" * 5_000).value is None
    assert judge(inverted, "a" * 200_000).value == 0  # too long to be read


def test_what_takes_too_much_memory_is_told_apart_from_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(guest.WORK, "greedy", lambda: lambda: bytearray(1 << 62))
    monkeypatch.setitem(guest.WORK, "wrong", lambda: lambda: 1 / 0)
    assert guest.answer({"do": "greedy", "seconds": 60}) == {"memory": True}
    assert guest.answer({"do": "wrong", "seconds": 60}) == {"error": "ZeroDivisionError: division by zero"}


def test_ten_megabytes_are_wrong_at_once(set_up: Callable[..., Scoring], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def score(sample, generation):\n    return 1 / 0\n")
    began = time.process_time()
    for name, options in (
        ("regex", {"pattern": "x"}),
        ("json_schema", {"schema": True, "anywhere": True}),
        ("rubric", {"checks": [{"scorer": "contains", "invert": True}]}),
        ("python", {"file": "own.py"}),
        ("number", {"tolerance": 1}),
    ):
        verdict = judge(set_up(name, **options), "[" * 10_000_000, target="5")
        assert (verdict.value, "too long" in verdict.explanation, len(verdict.answer)) == (0, True, 200), name
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text", ["[" * 5_000, '{"a":' * 5_000, "[{" * 99, '"' * 999, "\0", "\ud800", "\u202e{}", "1" * 400]
)
def test_json_that_is_none_is_wrong_and_says_why(set_up: Callable[..., Scoring], text: str) -> None:
    for anywhere in (False, True):
        verdict = judge(set_up("json_schema", schema={"type": "array"}, anywhere=anywhere), text)
        assert verdict.value == 0
        assert verdict.explanation


@given(st.text(alphabet='[]{}"\\a1, ', max_size=60))
def test_brackets_are_found_in_order_and_never_overlap(text: str) -> None:
    place = 0
    for piece in _bracketed(text):
        assert piece[0] in "[{"
        assert piece[-1] in "]}"
        place = text.index(piece, place) + len(piece)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.dictionaries(st.text(max_size=3), st.integers(), max_size=3))
def test_what_has_all_values_of_a_target_does_not_differ_from_it(value: Any, more: dict[str, int]) -> None:
    assert differences(value, value) == []
    if isinstance(value, dict):
        assert differences(value, {**more, **value}) == []
        assert len(differences({**value, "only here": 1}, value)) == 1


@given(
    st.lists(st.tuples(st.floats(1e-300, 1e300), st.booleans()), min_size=1, max_size=6),
    st.floats(1e-6, 1e6),
)
def test_a_rubric_is_the_weighted_share(checks: list[tuple[float, bool]], factor: float) -> None:
    def share(scale: float) -> float:
        written = [
            {"scorer": "contains", "name": str(place), "weight": weight * scale, "target": "yes" if right else "no"}
            for place, (weight, right) in enumerate(checks)
        ]
        value = judge(bind_scorer(Extensions().scorers, Path(), "rubric", {"checks": written}), "yes").value
        assert value is not None
        return value

    value = share(1)
    assert 0 <= value <= 1
    assert (value == 1) >= all(right for _, right in checks)
    assert (value == 0) >= (not any(right for _, right in checks))
    if all(1e-290 < weight * factor < 1e290 for weight, _ in checks):
        assert share(factor) == pytest.approx(value)


# -- times ------------------------------------------------------------------------------------------------------


def timed(end: float, first: float | None = 0.1, finish: Any = "stop", text: str = "yes") -> Generation:
    stamps = () if first is None else (first, end)
    times = GenerationTimes(prepare_s=0, prefill_s=0, sample_s=0, token_s=stamps, end_s=end, n_evaluated=1)
    return Generation(text=text, n_prompt=1, n_output=len(stamps), finish=finish, timings=times)


@pytest.mark.parametrize(
    ("limits", "generation", "value"),
    [
        ({"seconds": 1}, timed(1.0), 1),
        ({"seconds": 1}, timed(1.001), 0),
        ({"ttft": 0.1}, timed(9, first=0.1), 1),
        ({"ttft": 0.1, "seconds": 1}, timed(0.5, first=0.2), 0),
        ({"seconds": 1}, timed(0.5, finish="length"), None),  # it was cut off, and would have taken longer
        ({"seconds": 1}, timed(1.5, finish="length"), 0),  # too late already
        ({"ttft": 1}, timed(0.5, finish="length"), 1),
        ({"ttft": 1}, timed(0.5, first=None, finish="length"), None),
        ({"seconds": 1}, timed(0.1, text=""), 0),  # silence is quick
        ({"seconds": 1}, Generation(text="yes", n_prompt=1, n_output=1, finish="stop"), None),
    ],
)
def test_latency(set_up: Callable[..., Scoring], limits: dict[str, float], generation: Generation, value: Any) -> None:
    scoring = set_up("latency", **limits)
    assert scoring.timed
    assert scoring.judge(Sample(id="s", input="?"), generation).value == value


def test_time_is_no_part_of_a_rubrics_score(set_up: Callable[..., Scoring]) -> None:
    late = {"scorer": "latency", "name": "in_time", "scoring": {"seconds": 1}}
    scoring = set_up("rubric", checks=[{"scorer": "contains"}, late])
    verdict = scoring.judge(Sample(id="s", input="?", target="yes"), timed(2))
    assert (scoring.timed, verdict.value, verdict.values) == (True, 1, {"contains": 1, "in_time": 0})
    unknown = judge(scoring, "yes", target="yes")
    assert (unknown.value, unknown.values) == (1, {"contains": 1})
    with pytest.raises(OptionsError, match=r"checks\[1\].weight: time is told beside the score"):
        set_up("rubric", checks=[{"scorer": "contains"}, {**late, "weight": 2}])


# -- a function of the user's own ----------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, set_up: Callable[..., Scoring]) -> Callable[[str], Scoring]:
    """The scorer ``python`` with a file of that text."""

    def write(text: str) -> Scoring:
        (tmp_path / "own.py").write_text(text)
        return set_up("python", file="own.py")

    return write


@pytest.mark.parametrize(("said", "value"), [("True", 1), ("False", 0), ("0.25", 0.25), ("1", 1), ("None", None)])
def test_what_a_function_says_is_the_score(own: Callable[[str], Scoring], said: str, value: Any) -> None:
    assert judge(own(f"def score(sample, generation):\n    return {said}\n"), "x").value == value


@pytest.mark.parametrize("said", ["2", "-0.1", "float('nan')", "'yes'", "[]"])
def test_what_is_no_score_is_an_error_with_the_file(own: Callable[[str], Scoring], said: str) -> None:
    with pytest.raises(ScoringError, match=r"own\.py: score returned .*expected a Verdict"):
        judge(own(f"def score(sample, generation):\n    return {said}\n"), "x")


def test_what_a_function_raises_is_no_wrong_answer(
    own: Callable[[str], Scoring], set_up: Callable[..., Scoring]
) -> None:
    scoring = own("def score(sample, generation):\n    return 1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        judge(scoring, "x")
    with pytest.raises(ZeroDivisionError):  # in a rubric too
        judge(set_up("rubric", checks=[{"scorer": "python", "scoring": {"file": "own.py"}}]), "x")


def test_a_file_is_read_and_not_run_until_it_judges(own: Callable[[str], Scoring], tmp_path: Path) -> None:
    text = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\ndef score(s, g):\n    return True\n"
    scoring = own(text)
    scoring.check(Sample(id="s", input="?"))
    identity = scoring.rule.identity(scoring.options)
    assert not (tmp_path / "ran").exists()
    assert len(identity["scorer_sha256"]) == 64
    assert judge(scoring, "x").value == 1
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def score(sample, generation:\n", "file: own.py:1: no valid Python"),
        ("def other(a, b): pass\n", "function: own.py has no function 'score'; it has other"),
        ("def score(answer): pass\n", "function: 'score' takes no two arguments"),
        ("x\0y", "file: own.py:1: no valid Python"),
    ],
)
def test_a_file_without_the_function_is_told_while_collecting(
    own: Callable[[str], Scoring], text: str, problem: str
) -> None:
    with pytest.raises(OptionsError) as caught:
        own(text)
    assert ": ".join(caught.value.problems[0]).startswith(problem) or str(caught.value).startswith(problem)


def test_a_file_that_cannot_be_imported_is_an_error_before_a_model_is_asked(own: Callable[[str], Scoring]) -> None:
    scoring = own("import no_such_module\ndef score(sample, generation): pass\n")
    with pytest.raises(ScoringError, match=r"own\.py: cannot be imported \(ModuleNotFoundError"):
        scoring.rule.ready(scoring.options)


def test_what_is_not_installed_is_named_with_its_command() -> None:
    with pytest.raises(NotAvailableError, match=r"pip install 'pytest-slm\[text-metrics\]'") as caught:
        process.require("rouge", "no_such_package")
    assert caught.value.slug == "text-metrics-missing"


def test_the_rule_of_the_documents_reads_its_options(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "scorers.md").read_text("utf-8")
    (text,) = re.findall(r"^```python\n# length_rule\.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "length_rule.py").write_text(text, "utf-8")
    extensions = Extensions()
    extensions.scorers.register("short", runpy.run_path(str(tmp_path / "length_rule.py"))["SHORT"])
    for options, value in (({}, 1), ({"most": 2}, 0)):
        assert judge(bind_scorer(extensions.scorers, tmp_path, "short", options), "one two three").value == value
    with pytest.raises(OptionsError, match=r"mots: unknown option\. Did you mean 'most'"):
        bind_scorer(extensions.scorers, tmp_path, "short", {"mots": 2})
    for name in SCORERS:  # every one of ours has its row
        assert f"\n| `{name}` |" in page
