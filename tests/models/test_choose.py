"""``--slm-quant`` picks quantizations; each is found on disk, or what is there is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slm.core.types import Quantization, Submission
from pytest_slm.errors import UsageError
from pytest_slm.models import locate, select


def offering(*names: str, **fields: object) -> Submission:
    """A submission with these quantizations."""
    quantizations = tuple(Quantization(name=name, format="gguf") for name in names)
    return Submission(slug="m", name="M", quantizations=quantizations, **fields)  # type: ignore[arg-type]


def chosen(names: str | None, *offered: str) -> list[str]:
    return [item.name for item in select(offering(*offered), names)]


def test_without_a_name_the_only_one_is_meant() -> None:
    assert chosen(None, "Q8_0") == ["Q8_0"]


def test_without_a_name_q4_k_m_is_preferred_and_otherwise_the_first() -> None:
    assert chosen(None, "Q8_0", "q4_k_m") == ["q4_k_m"]
    assert chosen(None, "Q8_0", "F16") == ["Q8_0"]


def test_all_means_all() -> None:
    assert chosen("ALL", "Q8_0", "F16") == ["Q8_0", "F16"]


def test_a_list_is_taken_in_its_order_without_case_and_once_each() -> None:
    assert chosen(" f16, q8_0,,Q8_0", "Q8_0", "F16", "Q2_K") == ["F16", "Q8_0"]


def test_fp16_and_f16_are_one_thing() -> None:
    assert chosen("f16", "FP16") == ["FP16"]


def test_an_unknown_name_is_told_with_the_nearest_and_the_list() -> None:
    with pytest.raises(UsageError) as caught:
        select(offering("Q4_K_M", "Q8_0"), "q4_k_n")
    assert caught.value.slug == "unknown-quantization"
    assert "Did you mean 'Q4_K_M'?" in str(caught.value)
    assert "There are: Q4_K_M, Q8_0; or all." in str(caught.value)


@pytest.mark.parametrize("names", ["", ",", "  "])
def test_a_name_that_names_nothing_is_an_error(names: str) -> None:
    with pytest.raises(UsageError, match="names nothing"):
        select(offering("Q8_0"), names)


def test_a_submission_without_quantizations_is_an_error() -> None:
    with pytest.raises(UsageError, match="no quantizations are known"):
        select(offering(), None)


@pytest.fixture
def weights(tmp_path: Path, make_gguf: Callable[..., bytes]) -> Path:
    """A folder with two quantizations, one of them split."""
    for name in ("m-Q8_0.gguf", "m-F16-00001-of-00002.gguf", "m-F16-00002-of-00002.gguf"):
        (tmp_path / name).write_bytes(make_gguf())
    return tmp_path


def located(folder: Path, **fields: str) -> Path:
    quantization = Quantization(format="gguf", source=str(folder), **fields)
    return locate(offering(), quantization)


def test_a_file_is_found_by_its_name_or_by_its_quantization(weights: Path) -> None:
    assert located(weights, name="x", file="m-Q8_0.gguf") == weights / "m-Q8_0.gguf"
    assert located(weights, name="q8_0") == weights / "m-Q8_0.gguf"


def test_of_a_split_file_the_first_part_is_found(weights: Path) -> None:
    assert located(weights, name="F16") == weights / "m-F16-00001-of-00002.gguf"
    assert located(weights, name="F16", file="m-F16-00002-of-00002.gguf") == weights / "m-F16-00001-of-00002.gguf"


def test_a_split_file_without_a_part_is_an_error(weights: Path) -> None:
    (weights / "m-F16-00002-of-00002.gguf").unlink()
    with pytest.raises(UsageError, match=r"m-F16-00002-of-00002.gguf is missing"):
        located(weights, name="F16", file="m-F16-00001-of-00002.gguf")


@pytest.mark.parametrize("fields", [{"name": "Q2_K"}, {"name": "x", "file": "m-Q8_1.gguf"}])
def test_a_file_that_is_not_there_is_an_error(weights: Path, fields: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="weights-unreadable"):
        located(weights, **fields)


def test_a_file_in_a_package_is_found_by_its_base_name(
    install: Callable[..., Path], make_gguf: Callable[..., bytes]
) -> None:
    site = install("tiny-model", {"tiny_model/m-Q8_0.gguf": make_gguf()})
    for file in ("m-Q8_0.gguf", "tiny_model/m-Q8_0.gguf", None):
        quantization = Quantization(name="Q8_0", format="gguf", source="pkg:tiny-model", file=file)
        assert locate(offering(), quantization) == site / "tiny_model/m-Q8_0.gguf"


def test_without_a_source_nothing_is_located() -> None:
    with pytest.raises(UsageError, match="has no source"):
        locate(offering(), Quantization(name="Q8_0", format="gguf"))
