"""The header of a GGUF file, read within bounds: what the weights are, without loading them.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Why not the ``gguf`` package: see
docs/decisions/gguf-header.md. Every count and length is compared with the size of the file before anything of that
size is made, because engines have had overflows exactly there.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pytest_slm.errors import UsageError
from pytest_slm.files import open_regular
from pytest_slm.models.bytes import CHUNK, Bytes, ByteSource
from pytest_slm.models.ggml import TENSOR_TYPES

MAX_ENTRIES = 65_536
MAX_KEY = 65_535
MAX_NAME = 1_024
MAX_DIMENSIONS = 4
MAX_STRING = 1 << 20
MAX_ARRAY_STRINGS = 4_000_000
MAX_ELEMENTS = (1 << 63) - 1

UINT32, STRING, ARRAY = 4, 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

KEPT = frozenset(
    {
        *("general.architecture", "general.file_type", "general.name", "general.license", "general.alignment"),
        *("general.type", "split.count", "split.no", "tokenizer.chat_template"),
    }
)
KEPT_ENDINGS = (
    *(".context_length", ".embedding_length", ".block_count", ".vocab_size"),
    *(".attention.head_count", ".attention.head_count_kv", ".rope.scaling.type", ".rope.scaling.factor"),
    *(".attention.causal", ".pooling_type"),
)
"""Of the model's own keys (``llama.context_length``); the architecture may stand behind them in the file."""

Scalar = int | float | bool | str
Spans = dict[str, tuple[int, int]]
"""Of each array of texts how many there are, and their bytes."""
Guess = Callable[[str, int, int], int | None]
"""The bytes of an array of texts by its key, where the first of them begins, and how many there are."""


@dataclass(kw_only=True)
class Header:
    """What one GGUF file says: kept metadata, array lengths, and the sums over its tensors."""

    path: Path
    version: int
    size: int
    values: dict[str, Scalar] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    spans: Spans = field(default_factory=dict)
    data_end: int = 0
    """Where the last tensor ends, or where there is none the header."""
    elements: int = 0
    tensor_bytes: int = 0
    elements_by_type: Counter[str] = field(default_factory=Counter)
    bytes_by_use: Counter[str] = field(default_factory=Counter)
    """Of tensors that not every token reads as a whole: ``looked_up`` a row of, ``experts`` some of, ``ahead`` drafts
    more tokens; and ``output``, which the looked-up one stands for where there is none."""

    def text(self, key: str) -> str | None:
        """A metadata text; UsageError where it is something else."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            self.fail(f"{key} should be text, not {value!r:.40}")
        return value or None

    def count(self, key: str) -> int | None:
        """A metadata number of things; 0 means that it is not said. UsageError for anything but a whole number."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 48:
            self.fail(f"{key} should be a whole number, not {value!r:.40}")
        return value or None

    @property
    def whole(self) -> bool:
        """Whether the file ends where its last tensor does, but for what fills it up."""
        return 0 <= self.size - self.data_end < (self.count("general.alignment") or 32)

    def fail(self, problem: str, at: int | None = None) -> NoReturn:
        """Raise the UsageError of a header that contradicts itself."""
        raise corrupt(self.path, problem, at)


def corrupt(path: Path, problem: str, at: int | None = None) -> UsageError:
    """A UsageError that names path, problem, byte offset and remedy."""
    where = "" if at is None else f" (at byte {at})"
    return UsageError(f"{path}: {problem}{where}; the file is damaged, download it again", slug="gguf-corrupt")


def read_header(path: Path) -> Header:
    """The header of ``path``. Raises UsageError: not-a-gguf, gguf-corrupt, gguf-truncated or weights-unreadable."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            return header_of(file, size, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})", slug="weights-unreadable") from None


def header_of(file: ByteSource, size: int, path: Path, *, chunk: int = CHUNK, guess: Guess | None = None) -> Header:
    """The header of an open file of ``size`` bytes, read ``chunk`` bytes at a time; ``path`` is for messages.

    An array of texts whose bytes ``guess`` says is passed over; then the caller has to see that the rest fits
    (``Header.whole``). Raises UsageError.
    """
    data, header = Bytes(file, size, path, chunk=chunk), Header(path=path, version=0, size=size)
    _check_magic(data, header)
    tensors, pairs = data.u64(), data.u64()
    # The smallest tensor entry has 24 bytes, the smallest pair 13.
    if tensors > MAX_ENTRIES or pairs > MAX_ENTRIES or 24 * tensors + 13 * pairs > header.size:
        header.fail(f"claims {tensors} tensors and {pairs} metadata pairs, more than fit into {header.size} bytes", 8)
    seen: set[str] = set()
    for _ in range(pairs):
        _read_pair(data, header, seen, guess)
    _read_tensors(data, header, tensors)
    return header


def _check_magic(data: Bytes, header: Header) -> None:
    start = data.take(min(header.size, 4))
    if start != b"GGUF":
        what = "an empty file" if not start else f"starts with {start!r}"
        hint = "a Git LFS pointer: run `git lfs pull`" if start == b"vers" else "is it another format or a web page?"
        raise UsageError(
            f"{header.path}: no GGUF file ({what} at byte 0; {hint}); download it again", slug="not-a-gguf"
        )
    header.version = data.u32()
    if header.version not in (2, 3):
        big_endian = header.version & 0xFFFF == 0 and header.version
        why = "is big-endian" if big_endian else f"has GGUF version {header.version}"
        raise UsageError(
            f"{header.path}: {why} (at byte 4), only little-endian versions 2 and 3 are read; "
            "convert it anew or download it again",
            slug="gguf-corrupt",
        )


def _read_pair(data: Bytes, header: Header, seen: set[str], guess: Guess | None) -> None:
    at = data.tell()
    key = data.text(MAX_KEY)
    if not key or key in seen:
        header.fail(f"the metadata key {key!r:.80} is empty or stands twice", at)
    seen.add(key)
    kind = data.u32()
    if kind == ARRAY:
        header.lengths[key] = _skip_array(data, header, key, guess)
        return
    limit = MAX_STRING if key == "tokenizer.chat_template" else 4096
    wanted = key in KEPT or key.endswith(KEPT_ENDINGS)
    if kind == STRING:
        value: Scalar | None = data.text_or_skip(limit if wanted else 0)
    elif kind in SCALARS:
        value = data.number(SCALARS[kind])
    else:
        header.fail(f"{key!r:.80} has the unknown value type {kind}", data.tell() - 4)
    if wanted and value is not None:
        header.values[key] = value


def _skip_array(data: Bytes, header: Header, key: str, guess: Guess | None) -> int:
    at = data.tell()
    kind, length = data.u32(), data.u64()
    if kind in WIDTHS:
        data.skip(length * WIDTHS[kind])
    elif kind == STRING:
        if length > MAX_ARRAY_STRINGS:
            header.fail(f"{key!r:.80} claims {length} strings", at)
        start = data.tell()
        known = guess(key, start, length) if guess else None
        if known is None:
            data.skip_texts(length)
        else:
            data.skip(known)
        header.spans[key] = (length, data.tell() - start)
    else:
        header.fail(f"{key!r:.80} is an array of the unknown value type {kind}", at)
    return length


def _read_tensors(data: Bytes, header: Header, count: int) -> None:
    alignment = header.count("general.alignment") or 32
    if alignment & (alignment - 1) or alignment > 1 << 20:
        header.fail(f"general.alignment {alignment} is no power of two up to 1 MiB")
    names: set[str] = set()
    expected = 0
    for _ in range(count):
        at = data.tell()
        name = data.text(MAX_NAME)
        if name in names:
            header.fail(f"the tensor {name!r:.80} stands twice", at)
        names.add(name)
        nbytes = _read_tensor(data, header, name)
        offset = data.u64()
        # Writers lay tensors out one behind the other; engines refuse anything else, because it could overlap.
        if offset != expected:
            header.fail(f"the tensor {name!r:.80} is said to be at {offset}, but {expected} follows", data.tell() - 8)
        header.tensor_bytes += nbytes
        header.bytes_by_use[_use(name)] += nbytes
        last = expected + nbytes
        expected += -(-nbytes // alignment) * alignment
    header.data_end = data.tell()
    if count:
        header.data_end = end = -(-data.tell() // alignment) * alignment + last
        if end > header.size:
            raise UsageError(
                f"{header.path}: ends at byte {header.size}, but the last tensor {name!r:.80} reaches to byte {end} "
                f"({end - header.size} bytes are missing); download it again",
                slug="gguf-truncated",
            )


def _use(name: str) -> str:
    if name == "output.weight":
        return "output"
    marks = {"token_embd": "looked_up", "_exps": "experts", "nextn": "ahead"}
    return next((use for mark, use in marks.items() if mark in name), "all")


def _read_tensor(data: Bytes, header: Header, name: str) -> int:
    """Bytes of the tensor whose dimensions and type come next; adds its elements to the header."""
    at = data.tell()
    dimensions = data.u32()
    if dimensions > MAX_DIMENSIONS:
        header.fail(f"the tensor {name!r:.80} has {dimensions} dimensions", at)
    shape = [data.u64() for _ in range(dimensions)]
    kind = data.u32()
    if kind not in TENSOR_TYPES:
        raise UsageError(
            f"{header.path}: the tensor {name!r:.80} has the type {kind} (at byte {data.tell() - 4}), which is "
            "unknown here; update pytest-slm, or download the file again if it is damaged",
            slug="gguf-corrupt",
        )
    word, block, block_bytes = TENSOR_TYPES[kind]
    elements = math.prod(shape)
    if not 0 < elements <= MAX_ELEMENTS or (shape[0] if shape else 1) % block:
        header.fail(f"the tensor {name!r:.80} has the shape {shape}, impossible for {word}", at)
    header.elements += elements
    header.elements_by_type[word] += elements
    return elements // block * block_bytes
