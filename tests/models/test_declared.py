"""What was declared is compared with what was counted, and a difference shows both values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.core.types import Submission, WeightsHeader
from pytest_slm.models import check_declared


def problems(counted: int | None = None, **declared: object) -> tuple[str, ...]:
    """The differences between a submission and a detected llama of 8192 tokens under Apache-2.0."""
    detected = WeightsHeader(
        format="gguf", architecture="llama", context_length=8192, license="apache-2.0", parameters=counted
    )
    return check_declared(Submission(slug="m", name="M", quantizations=(), **declared), detected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ("135M", 134_515_008),
        ("1.7B", 1_711_376_384),
        ("3B", 3_212_749_824),  # as sold: rounds to 3
        ("1B", 1_235_814_400),
        ("0.6B", 596_049_920),
        ("360m", 361_821_120),
        ("134515008", 134_515_008),
        ("1.50B", 1_543_714_304),  # 2.8 % off
    ],
)
def test_a_count_rounded_to_the_declared_digits_is_right(declared: str, counted: int) -> None:
    assert problems(counted, parameters=declared) == ()


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ("135M", 361_821_120),
        ("1.7B", 1_900_000_000),
        ("2B", 2_610_000_000),
        ("135B", 134_515_008),
        ("1.0B", 1_235_814_400),
    ],
)
def test_another_count_is_told_with_both_values(declared: str, counted: int) -> None:
    (problem,) = problems(counted, parameters=declared)
    assert declared in problem
    assert f"{counted:,}" in problem


@given(st.integers(1_000, 3_300_000_000), st.integers(0, 3))
def test_a_number_rounded_by_us_is_never_a_difference(counted: int, digits: int) -> None:
    for unit, size in (("K", 1e3), ("M", 1e6), ("B", 1e9)):
        if counted >= size:
            assert problems(counted, parameters=f"{counted / size:.{digits}f}{unit}") == ()


def test_all_differences_are_told() -> None:
    told = problems(5, parameters="1B", architecture="qwen2", context_length=4096, license="mit")
    assert [problem.split(":")[0] for problem in told] == ["parameters", "architecture", "context_length", "license"]
    assert "declared 4096, the file says 8192" in told[2]


@pytest.mark.parametrize("architecture", ["llama", "Llama", "LlamaForCausalLM"])
def test_ways_to_write_an_architecture(architecture: str) -> None:
    assert problems(architecture=architecture) == ()


@pytest.mark.parametrize("license", ["apache-2.0", "Apache-2.0", "Apache 2.0"])
def test_ways_to_write_a_license(license: str) -> None:  # noqa: A002 (the name of the key)
    assert problems(license=license) == ()


def test_what_was_not_declared_or_not_found_is_no_difference() -> None:
    assert problems(7) == ()
    assert (
        check_declared(
            Submission(slug="m", name="M", quantizations=(), parameters="7B", license="mit"),
            WeightsHeader(format="gguf"),
        )
        == ()
    )
