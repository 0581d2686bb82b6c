"""The header of a GGUF is read exactly, or refused with path, byte and remedy; never more than its size is believed."""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_slm.errors import UsageError
from pytest_slm.models import detect
from pytest_slm.models.bytes import CHUNK

Make = Callable[..., bytes]
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10


@pytest.fixture
def found(tmp_path: Path, make_gguf: Make) -> Callable[..., Any]:
    """Detect a GGUF made with these changes."""

    def found(*arguments: Any, **changes: Any) -> Any:
        path = tmp_path / "model.gguf"
        path.write_bytes(make_gguf(*arguments, **changes))
        return detect(path)

    return found


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], UsageError]:
    """The error with which these bytes are refused."""

    def refused(data: bytes) -> UsageError:
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            detect(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        return caught.value

    return refused


# -- what is read ---------------------------------------------------------------------------------------------------


def test_the_header_says_what_the_model_is(tiny: Path, template: str) -> None:
    detected = detect(tiny)
    assert (detected.format, detected.architecture, detected.name) == ("gguf", "llama", "Tiny")
    assert (detected.context_length, detected.vocab_size, detected.hidden_size) == (2048, 3, 32)
    assert (detected.num_layers, detected.kv_heads, detected.quantization) == (2, 2, "Q8_0")
    assert (detected.license, detected.rope_scaling) == ("apache-2.0", "yarn x4")
    assert detected.file_size == tiny.stat().st_size
    assert detected.chat_template == template


def test_parameters_and_bits_are_counted_from_the_tensors(tiny: Path) -> None:
    detected = detect(tiny)
    assert detected.parameters == 32 * 3 + 32
    assert detected.bits_per_weight == 8 * (3 * 34 + 32 * 4) / 128  # three blocks of Q8_0, 32 floats


def test_the_hash_of_the_template_is_over_its_utf8_bytes(tiny: Path, template: str) -> None:
    assert detect(tiny).chat_template_sha256 == hashlib.sha256(template.encode("utf-8")).hexdigest()


def test_version_2_reads_the_same(found: Callable[..., Any]) -> None:
    assert found(version=2).parameters == 128


def test_another_alignment_is_followed(found: Callable[..., Any]) -> None:
    assert found({"general.alignment": (U32, 256)}, alignment=256).parameters == 128


def test_without_a_file_type_the_dominating_tensor_type_names_the_quantization(found: Callable[..., Any]) -> None:
    assert found({"general.file_type": None}).quantization == "Q8_0"
    assert found({"general.file_type": (U32, 999)}).quantization == "Q8_0"


def test_a_guessed_file_type_counts(found: Callable[..., Any]) -> None:
    assert found({"general.file_type": (U32, 1024 + 15)}).quantization == "Q4_K_M"


def test_without_key_value_heads_there_are_as_many_as_heads(found: Callable[..., Any]) -> None:
    assert found({"llama.attention.head_count_kv": None}).kv_heads == 4


def test_key_value_heads_that_differ_by_layer_are_no_single_number(found: Callable[..., Any]) -> None:
    assert found({"llama.attention.head_count_kv": (ARRAY, (U32, [2, 4]))}).kv_heads is None


def test_what_the_header_does_not_say_is_none(found: Callable[..., Any]) -> None:
    bare = found({"llama.context_length": None, "tokenizer.chat_template": None, "llama.rope.scaling.type": None})
    assert (bare.context_length, bare.chat_template, bare.chat_template_sha256, bare.rope_scaling) == (None,) * 4


def test_a_template_of_a_mebibyte_is_kept_and_a_longer_one_is_not(found: Callable[..., Any]) -> None:
    assert len(found({"tokenizer.chat_template": (STRING, "x" * (1 << 20))}).chat_template) == 1 << 20
    assert found({"tokenizer.chat_template": (STRING, "x" * ((1 << 20) + 1))}).chat_template is None


def test_texts_around_the_end_of_the_read_ahead_are_passed_over(found: Callable[..., Any]) -> None:
    # The long one moves the buffer, so that the next text starts it and its neighbour's length straddles its end.
    borders = [length for border in range(CHUNK - 20, CHUNK + 3) for length in (2 * CHUNK, border, 0)]
    tokens = ["x" * length for length in borders]
    assert found({"tokenizer.ggml.tokens": (ARRAY, (STRING, tokens))}).vocab_size == len(tokens)


def test_the_parts_of_a_split_file_are_counted_together(tmp_path: Path, make_gguf: Make) -> None:
    split = {"split.count": (U32, 2)}
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(make_gguf(split))
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(make_gguf(split, [("more", (32,), 0)]))
    detected = detect(tmp_path / "m-00001-of-00002.gguf")
    assert detected.parameters == 128 + 32
    assert detected.file_size == sum(part.stat().st_size for part in tmp_path.iterdir())


def test_a_split_file_without_its_other_part_is_refused(tmp_path: Path, make_gguf: Make) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(make_gguf({"split.count": (U32, 2)}))
    with pytest.raises(UsageError, match=r"m-00002-of-00002.gguf is missing") as caught:
        detect(tmp_path / "m-00001-of-00002.gguf")
    assert caught.value.slug == "gguf-truncated"


def test_a_part_under_another_name_is_not_taken_for_the_whole(refused: Any, make_gguf: Make) -> None:
    assert "one of 3 parts" in str(refused(make_gguf({"split.count": (U32, 3)})))


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"GG", b"PK\3\4" + bytes(100), b"<!DOCTYPE html>", bytes(1000)])
def test_other_files_are_no_gguf(refused: Any, data: bytes) -> None:
    assert refused(data).slug == "not-a-gguf"


def test_a_git_lfs_pointer_names_its_remedy(refused: Any) -> None:
    assert "git lfs pull" in str(refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"))


@pytest.mark.parametrize(("version", "words"), [(1, "version 1"), (4, "version 4"), (3 << 24, "big-endian")])
def test_other_versions_are_refused(refused: Any, make_gguf: Make, version: int, words: str) -> None:
    error = refused(make_gguf(version=version))
    assert words in str(error)
    assert error.slug == "gguf-corrupt"


def test_every_cut_is_refused(refused: Any, make_gguf: Make) -> None:
    data = make_gguf()
    for end in [*range(4, len(data) - 200, 7), len(data) - 1]:
        assert refused(data[:end]).slug in {"gguf-truncated", "gguf-corrupt"}, end


def test_a_file_without_its_last_byte_names_what_is_missing(refused: Any, make_gguf: Make) -> None:
    data = make_gguf()
    error = refused(data[:-1])
    assert error.slug == "gguf-truncated"
    assert f"ends at byte {len(data) - 1}" in str(error)
    assert "output_norm.weight" in str(error)
    assert "1 bytes are missing" in str(error)


@pytest.mark.parametrize(
    "counts",
    [(2**64 - 1, 14), (2, 2**64 - 1), (2**63, 2**63), (10**6, 14), (2, 10**6), (2**61, 14), (1000, 14), (2, 1000)],
)
def test_counts_beyond_the_file_are_refused(refused: Any, make_gguf: Make, counts: tuple[int, int]) -> None:
    assert "more than fit" in str(refused(make_gguf(counts=counts)))


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((2**32, 2**32), 0),  # 2 ** 64 elements wrap to 0 in 64 bits
        ((2**62, 4), 0),
        ((2**63, 2), 0),
        ((0,), 0),
        ((31,), 8),  # no whole block
        ((), 8),
        ((1, 1, 1, 1, 1), 0),
        ((32,), 4),  # a type that ggml has removed
        ((32,), 2**32 - 1),
    ],
)
def test_impossible_tensors_are_refused(refused: Any, make_gguf: Make, shape: tuple[int, ...], kind: int) -> None:
    assert refused(make_gguf(tensors=[("t", shape, kind)])).slug == "gguf-corrupt"


@pytest.mark.parametrize("elements", [2**20, 2**40, 2**61 + 32, 2**63 - 32])
def test_a_shape_larger_than_the_file_is_a_truncated_file(refused: Any, make_gguf: Make, elements: int) -> None:
    # In bytes the larger ones wrap around in 64 bits.
    assert refused(make_gguf(tensors=[("t", (elements,), 0)])).slug == "gguf-truncated"


@pytest.mark.parametrize("offsets", [(0, 0), (0, 2**64 - 32), (32, 160), (0, 127)])
def test_tensors_that_overlap_or_leave_holes_are_refused(
    refused: Any, make_gguf: Make, offsets: tuple[int, int]
) -> None:
    assert refused(make_gguf(offsets=offsets)).slug == "gguf-corrupt"


@pytest.mark.parametrize("alignment", [3, 33, 2**21, 2**32 - 1])
def test_an_impossible_alignment_is_refused(refused: Any, make_gguf: Make, alignment: int) -> None:
    one = make_gguf({"general.alignment": (U32, alignment)}, [("t", (32,), 0)])
    assert "power of two" in str(refused(one))


def test_a_tensor_that_stands_twice_is_not_counted_twice(refused: Any, make_gguf: Make) -> None:
    assert "stands twice" in str(refused(make_gguf(tensors=[("t", (32,), 0), ("t", (32,), 0)])))


@pytest.mark.parametrize(
    ("key", "pair"),
    [
        ("general.architecture", (U32, 1)),
        ("general.architecture", (STRING, b"\xff")),
        ("llama.context_length", (STRING, "8192")),
        ("llama.context_length", (F32, 8192.0)),
        ("llama.context_length", (BOOL, True)),
        ("llama.context_length", (U64, 2**63)),
        ("x" * 70_000, (U32, 1)),
        ("", (U32, 1)),
    ],
)
def test_values_of_the_wrong_kind_are_refused(refused: Any, make_gguf: Make, key: str, pair: tuple[int, Any]) -> None:
    assert refused(make_gguf({key: pair})).slug == "gguf-corrupt"


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**40, 2**61])
@pytest.mark.parametrize("kind", [U32, STRING, ARRAY])
def test_arrays_longer_than_the_file_are_refused(refused: Any, make_gguf: Make, kind: int, length: int) -> None:
    data = make_gguf({"tokenizer.ggml.tokens": (ARRAY, (U32, [7, 7, 7]))})
    place = data.index(struct.pack("<IQ", U32, 3))
    changed = data[:place] + struct.pack("<IQ", kind, length) + data[place + 12 :]
    # A reader that believed the length would allocate, or read, for ever.
    assert refused(changed).slug in {"gguf-corrupt", "gguf-truncated"}


def test_a_text_longer_than_the_file_is_refused(refused: Any, make_gguf: Make) -> None:
    data = make_gguf()
    place = data.index(struct.pack("<Q", 4) + b"Tiny")
    assert refused(data[:place] + struct.pack("<Q", 2**64 - 1) + data[place + 8 :]).slug == "gguf-truncated"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        detect(tmp_path / "none.gguf")
