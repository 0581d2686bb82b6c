"""Texts and pairs of real benchmarks have the published ids."""

import itertools
import os
import unicodedata
from collections import Counter

import pytest

from pytest_slm.prompts.pairs import split_pair

STRIDE = int(os.environ.get("SLM_TEST_STRIDE", "100"))
"""Every which string of the mirror is compared; 1 for the figures of docs/tokenization.md."""


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def rows(folder, split=""):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow, as datasets does")
    for path in sorted(folder.rglob(f"{split}*.parquet")):
        for batch in parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()


def splits_numbers_otherwise(string):
    """Where GPT-2's splitting may part from the published one: a number after two white spaces (the published one
    keeps the spaces together, GPT-2's leaves the last one to the number), or one that is no ASCII digit after a space
    (GPT-2's puts the space and the first byte of the number into one token)."""
    kinds = ["w" if char.isspace() else "n" if unicodedata.category(char)[0] == "N" else "x" for char in string]
    shape = "".join(
        "u" if kind == "n" and not char.isascii() else kind for kind, char in zip(kinds, string, strict=True)
    )
    return "wwn" in shape or "wu" in shape


def test_real_texts_have_the_published_ids(model, published, gguf_route, mirror, plain):
    counts: dict[str, Counter[str]] = {}
    for folder in sorted(mirror.glob("*/*")):
        strings = sorted({string for row in rows(folder) for string in texts(row)})[::STRIDE]
        ours = [plain(model, string) for string in strings]
        published_ids, routed_ids = (
            [encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch(strings, add_special_tokens=False)]
            for tokenizer in (published, gguf_route)
        )
        # Special tokens count in encode_batch, so this also says that no benchmark spells one.
        assert [string for string, a, b in zip(strings, ours, published_ids, strict=True) if a != b] == []
        differ = [string for string, a, b in zip(strings, ours, routed_ids, strict=True) if a != b]
        assert [string for string in differ if not splits_numbers_otherwise(string)] == []
        counts[folder.relative_to(mirror).as_posix()] = Counter(
            strings=len(strings), tokens=sum(map(len, ours)), gguf=len(differ)
        )
    total = sum(counts.values(), Counter())
    print(*(f"{name}: {dict(count)}" for name, count in {**counts, "total": total}.items() if count["gguf"]), sep="\n")
    assert total["strings"] > 1_000
    assert total["gguf"], "transformers reads this pre-tokenizer from a GGUF now: say so in docs/tokenization.md"


def real_pairs(mirror, n):
    """Contexts and continuations of ``n`` rows of each of six benchmarks, without what stands between them."""

    def first(name, split):
        return itertools.islice(rows(mirror / name, split), n)

    for row in first("Rowan/hellaswag", "validation"):
        yield from ((row["ctx"], ending) for ending in row["endings"])
    for row in first("allenai/ai2_arc", "test"):
        yield from ((f"Question: {row['question']}\nAnswer:", choice) for choice in row["choices"]["text"])
    for row in first("baber/piqa", "validation"):
        yield from ((row["goal"], row[key]) for key in ("sol1", "sol2"))
    for row in first("allenai/winogrande", "validation"):
        head, tail = row["sentence"].split("_", 1)
        yield from ((head + row[key], tail.strip()) for key in ("option1", "option2"))
    for row in first("cais/mmlu", "test"):
        yield from ((f"{row['question'].strip()}\nAnswer:", letter) for letter in "ABCD")
    for row in first("openai/gsm8k", "test"):
        yield f"Question: {row['question']}\nAnswer:", row["answer"]


@pytest.mark.parametrize("between", [" ", "\n", ""])
def test_real_pairs_are_split_as_by_hflm(model, published, mirror, hflm, between):
    lm = hflm(published)
    pairs = [(head, between + tail) for head, tail in real_pairs(mirror, 60)]
    assert len(pairs) > 800
    assert [split_pair(model, *pair) for pair in pairs] == [lm._encode_pair(*pair) for pair in pairs]
