"""Names of quantizations, of split files, and slugs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.models.ggml import FILE_TYPES
from pytest_slm.models.naming import models_among, part_names, quantization_name, repo_slug, slugify


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("smollm2-1.7b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("Llama-3.2-1B-Instruct-IQ2_XXS.gguf", "IQ2_XXS"),
        ("gemma-3-1b-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("ggml-model-f16.gguf", "F16"),
        ("model-fp16.gguf", "F16"),
        ("m.BF16.gguf", "BF16"),
        ("m-F32.gguf", "F32"),
        ("m_Q8_0.gguf", "Q8_0"),
        ("m-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("m-Q6_K.gguf", "Q6_K"),
        ("BF16/m-00001-of-00002.gguf", "BF16"),
        ("BF16/m-Q8_0.gguf", "Q8_0"),  # the last name counts
        ("Qwen3-0.6B.gguf", None),
        ("mQ8_0.gguf", None),  # part of a word
        ("Q4_K_Maximal.gguf", None),
    ],
)
def test_a_file_name_tells_its_quantization(file: str, name: str | None) -> None:
    assert quantization_name(file) == name


@pytest.mark.parametrize("name", sorted(FILE_TYPES.values()))
def test_every_file_type_is_found_in_a_name(name: str) -> None:
    assert quantization_name(f"model-{name.lower()}.gguf") == name


def test_split_files_are_one_and_helpers_are_none() -> None:
    files = [
        *("m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "m-Q4_K_M.gguf"),
        *(
            "mmproj-m-f16.gguf",
            "m.imatrix.gguf",
            "README.md",
            "m-BF16-00001-of-00002.gguf",
        ),  # a part of BF16 is missing
    ]
    assert models_among(files) == {"Q4_K_M": "m-Q4_K_M.gguf", "Q8_0": "m-Q8_0-00001-of-00002.gguf"}


def test_two_files_of_one_quantization_are_both_there() -> None:
    assert models_among(["a-Q8_0.gguf", "b-Q8_0.gguf", "c/b-Q8_0.gguf"]) == {
        **{"Q8_0": "a-Q8_0.gguf", "b-Q8_0": "b-Q8_0.gguf", "c-b-Q8_0.gguf": "c/b-Q8_0.gguf"}
    }


@given(st.lists(st.from_regex(r"([ab]/)?[ab]-(Q8_0|F16|x)(-0000[12]-of-0000[23])?\.gguf", fullmatch=True), unique=True))
def test_every_listed_model_is_a_file_and_none_is_listed_twice(files: list[str]) -> None:
    models = models_among(files)
    assert set(models.values()) <= set(files)
    assert len(set(models.values())) == len(models)
    whole = [file for file in files if "-of-" not in file]
    assert set(whole) <= set(models.values())


def test_all_parts_of_a_split_file() -> None:
    assert part_names("d/m-00001-of-00003.gguf") == tuple(f"d/m-0000{part}-of-00003.gguf" for part in (1, 2, 3))
    assert part_names("m.gguf") == ("m.gguf",)


@pytest.mark.parametrize("file", ["m-00000-of-00003.gguf", "m-00004-of-00003.gguf", "m-00001-of-99999.gguf"])
def test_impossible_parts_are_an_ordinary_name(file: str) -> None:
    assert part_names(file) == (file,)


@given(st.text(max_size=300))
def test_a_slug_is_safe_on_every_file_system(text: str) -> None:
    slug = slugify(text)
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9._-]{0,99}", slug)
    assert not slug.endswith(".")
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", slug)


@given(st.text(max_size=120), st.text(max_size=120))
def test_different_texts_have_different_slugs(one: str, other: str) -> None:
    if one.lower() != other.lower():
        assert slugify(one) != slugify(other)


REPO = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda name: "--" not in name and ".." not in name
)


@given(REPO, REPO, REPO, REPO)
def test_two_repos_never_share_a_slug(org: str, name: str, other_org: str, other_name: str) -> None:
    one, other = f"{org}/{name}", f"{other_org}/{other_name}"
    if one.lower() != other.lower():  # the Hub does not tell case apart
        assert repo_slug(one) != repo_slug(other)


def test_organisations_do_not_collide() -> None:
    assert repo_slug("HuggingFaceTB/SmolLM2-135M") == "huggingfacetb--smollm2-135m"
    assert repo_slug("other/SmolLM2-135M") == "other--smollm2-135m"
