"""The arithmetic of the side-by-side measurements: what the limit counts, and how ratios are made."""

import importlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

token = st.integers(0, 2)
requests = st.lists(
    st.tuples(st.lists(token, min_size=1, max_size=8), st.lists(token, min_size=1, max_size=4)), max_size=20
)


@given(requests)
def test_the_trie_has_every_distinct_prefix_once(pairs):
    from benchmarks.common.limit import trie_depths

    prefixes = {tuple([*head, *tail][:n]) for head, tail in pairs for n in range(1, len(head) + len(tail))}
    depths = trie_depths(pairs)
    assert sum(depths.values()) == len(prefixes)
    assert all(count == sum(len(prefix) == depth + 1 for prefix in prefixes) for depth, count in depths.items())


@given(requests)
def test_rows_of_logits_are_those_before_a_predicted_token_each_once(pairs):
    from benchmarks.common.limit import logits_rows

    rows = {(*head, *tail[:n]) for head, tail in pairs for n in range(len(tail))}
    assert logits_rows(pairs) == len(rows)


def test_a_constant_rate_makes_the_limit_a_division():
    from benchmarks.common.limit import limit_seconds

    assert limit_seconds({0: 10, 700: 5, 9000: 5}, {0: 100.0, 512: 100.0}) == pytest.approx(0.2)


def test_a_rate_is_that_of_the_middle_of_its_tokens():
    from benchmarks.common.limit import limit_seconds

    rates = {0: 100.0, 512: 50.0}
    assert limit_seconds({256: 1}, rates) == pytest.approx(1 / 100)
    assert limit_seconds({512: 1}, rates) == pytest.approx(1 / 75)
    assert limit_seconds({5000: 1}, rates) == pytest.approx(1 / 50)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.1, 100)), min_size=1, max_size=9), st.floats(0.1, 10))
def test_ratios_are_of_the_same_round_and_scale(rounds, factor):
    from benchmarks.common.outcome import ratios

    ours, theirs = zip(*rounds, strict=True)
    found, scaled = ratios(ours, theirs), ratios([factor * value for value in ours], theirs)
    assert found["n"] == len(rounds)
    assert found["min"] <= found["median"] <= found["max"]
    assert scaled["median"] == pytest.approx(factor * found["median"])


def test_nothing_measured_has_no_numbers():
    from benchmarks.common.outcome import spread

    assert spread([]) == {"median": None, "min": None, "max": None, "n": 0}


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("[a-z]*.py")))
def test_every_benchmark_can_be_imported_and_explains_itself(name):
    module = importlib.import_module(f"benchmarks.{name}")
    assert f"python -m benchmarks.{name}" in module.__doc__


def test_a_stopped_measurement_keeps_its_rounds(tmp_path):
    import json

    from benchmarks.common.outcome import recorded

    def stopped():
        with recorded(tmp_path, "x", {"task": "t"}) as document:
            document["rounds"].append({"a": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert json.loads((tmp_path / "x.json").read_text())["rounds"] == [{"a": 1.0}]
