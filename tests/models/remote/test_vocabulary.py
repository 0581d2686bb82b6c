"""Where a vocabulary ends, looked for in pieces: kilobytes instead of megabytes, and never another header."""

import math
import mmap
import random
import struct

import pytest

pytest.importorskip("huggingface_hub", reason="needs `pip install 'pytest-slm[hub]'`")

from pytest_slm.models import detect, resolve
from pytest_slm.models.ggml import TENSOR_TYPES
from pytest_slm.models.remote import HeaderReader
from pytest_slm.models.remote.vocabulary import LONGEST, MANY, PIECE, begins_a_pair, bytes_of_texts, first_text

STRING, ARRAY, U32, I32 = 8, 9, 4, 5
LONG = {"tokenizer.chat_template": (STRING, "{{ messages }}" * 400)}


def packed(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def words(n, seed=1):
    """Tokens as vocabularies have them: short ones first, of all scripts, some of them spaces only."""
    rng = random.Random(seed)
    letters = "".join(rng.choices("etaoinshrdlu_ĠĊäßжд的一了ab.-", k=5_000))
    return [letters[at % 4_900 :][: 1 + at * 13 % (2 + at * 12 // n)] for at in range(n)]


def numbers(n, kind=I32):
    return struct.pack("<IQ", kind, n) + b"\3\0\0\0" * n


def array(texts):
    return struct.pack("<IQ", STRING, len(texts)) + b"".join(map(packed, texts))


def gguf_of(pairs, tensors):
    """The head of a GGUF of such tensors, and how many bytes of data follow it."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, (kind, data) in pairs.items():
        head += packed(key) + struct.pack("<I", kind) + data
    offset = 0
    for name, shape, kind in tensors:
        _, block, width = TENSOR_TYPES[kind]
        head += packed(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        offset += -(-(math.prod(shape) // block * width) // 32) * 32
    return head.ljust(-(-len(head) // 32) * 32, b"\0"), offset


def three_billion(n=128_256):
    """Shapes of Llama-3.2-3B, and as many tokens and merges, in the order in which llama.cpp writes them."""
    tokens = words(n)
    pairs = {
        "general.architecture": (STRING, packed("llama")),
        "llama.context_length": (U32, struct.pack("<I", 131_072)),
        "tokenizer.ggml.tokens": (ARRAY, array(tokens)),
        "tokenizer.ggml.token_type": (ARRAY, numbers(n)),
        "tokenizer.ggml.merges": (ARRAY, array([f"{a} {b}" for a, b in zip(tokens, tokens[::-1], strict=True)] * 2)),
        "tokenizer.ggml.eos_token_id": (U32, struct.pack("<I", 2)),
        "tokenizer.chat_template": (STRING, packed("{{ messages }}" * 400)),
        "general.file_type": (U32, struct.pack("<I", 15)),
    }
    wide, broad = 3_072, 8_192
    inner = {"attn_q": (wide, wide), "attn_k": (wide, 1_024), "attn_v": (wide, 1_024), "attn_output": (wide, wide)}
    inner |= {"ffn_gate": (wide, broad), "ffn_up": (wide, broad), "ffn_down": (broad, wide)}
    tensors = [("token_embd.weight", (wide, n), 14)]
    tensors += [(f"blk.{layer}.{name}.weight", shape, 12) for layer in range(28) for name, shape in inner.items()]
    return gguf_of(pairs, [*tensors, ("output_norm.weight", (wide,), 0)])


@pytest.fixture
def served(hub, tmp_path):
    """Serve a head with so many bytes behind it, and read it: what was read, the same from the disk, what it took."""

    def serve(head, behind=0):
        path = tmp_path / "m-Q4_K_M.gguf"
        with path.open("wb") as file:
            file.write(head)
            file.truncate(len(head) + behind)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            hub.add("org/large", {path.name: data})
            submission, reader = resolve("org/large"), HeaderReader()
            found = reader.read(submission, submission.quantizations[0])
            hub.repos.clear()
        local = detect(path)
        only_there = {"revision": found.revision, "gated": found.gated}
        return found.to_json(), local.to_json() | only_there, reader.total

    return serve


def test_a_model_of_3b_costs_less_than_2_mb(served):
    head, behind = three_billion()
    found, local, took = served(head, behind)
    assert found == local
    assert found["parameters"] == 3_212_577_792
    assert len(head) > 5_000_000
    assert took.files_bytes > 1_500_000_000
    assert took.bytes < 700_000  # the aim is 2,000,000


@pytest.mark.parametrize(
    "between",
    [
        {},  # merges right behind the tokens: the pair between them is passed over, and that is noticed
        {"tokenizer.ggml.scores": (ARRAY, (6, [0.0] * MANY))},  # zeros look like texts without letters
        {"a." + "x" * 200: (U32, 1)},  # a name longer than those that are looked for
        {"tokenizer.ggml.eos_token_id": (U32, 1), "tokenizer.ggml.more": (ARRAY, (STRING, ["a", "b"]))},
    ],
)
def test_what_stands_between_the_arrays_changes_no_number(served, make_gguf, between):
    pairs = {"tokenizer.ggml.scores": None, "tokenizer.chat_template": None}
    pairs |= {"tokenizer.ggml.tokens": (ARRAY, (STRING, words(MANY)))} | between
    pairs |= {"tokenizer.ggml.merges": (ARRAY, (STRING, words(2 * MANY, seed=2)))} | LONG
    found, local, _ = served(make_gguf(pairs))
    assert found == local
    assert found["chat_template_sha256"]


@pytest.mark.parametrize("odd", ["x" * (LONGEST + 1), "", b"\xff\xfe", "general.name", "tokenizer.ggml.scores"])
@pytest.mark.parametrize("place", [MANY // 2, -1])
def test_odd_texts_in_a_vocabulary_change_no_number(served, make_gguf, odd, place):
    tokens = words(MANY)
    tokens[place] = odd
    found, local, _ = served(make_gguf({"tokenizer.ggml.tokens": (ARRAY, (STRING, tokens))} | LONG))
    assert found == local


def test_the_part_of_a_split_file_that_has_no_tensors_is_not_walked(hub, make_gguf):
    split = {"split.count": (U32, 2)}
    first = make_gguf(split | {"tokenizer.ggml.tokens": (ARRAY, (STRING, words(4 * MANY)))} | LONG, tensors=())
    second = make_gguf(split, [("a", (32, 3), 8)])
    hub.add("org/split", {"m-Q8_0-00001-of-00002.gguf": first, "m-Q8_0-00002-of-00002.gguf": second})
    submission, reader = resolve("org/split"), HeaderReader()
    assert reader.read(submission, submission.quantizations[0]).parameters == 96
    assert reader.total.bytes < len(first) / 3


def test_a_file_that_is_cut_is_told_as_before(hub, make_gguf):
    data = make_gguf({"tokenizer.ggml.tokens": (ARRAY, (STRING, words(MANY)))})
    hub.add("org/large", {"m-Q8_0.gguf": data[:-100]})
    submission = resolve("org/large")
    with pytest.raises(Exception, match="bytes are missing") as caught:
        HeaderReader().read(submission, submission.quantizations[0])
    assert caught.value.slug == "gguf-truncated"


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_a_piece_of_texts_is_told_from_everything_else():
    texts = b"".join(map(packed, words(3_000)))
    for at in range(0, 4_000, 131):
        piece = texts[at : at + PIECE]
        offset = first_text(piece)
        assert offset is not None
        starts = [0]
        while starts[-1] < at + offset:
            starts.append(starts[-1] + 8 + int.from_bytes(texts[starts[-1] : starts[-1] + 8], "little"))
        assert starts[-1] == at + offset
    rng = random.Random(3)
    noise = [rng.randbytes(PIECE), bytes(PIECE), b"\1\0\0\0" * (PIECE // 4), b"{% if x %} " * 900, b"", b"short"]
    noise += [struct.pack("<Q", 3) * (PIECE // 8), struct.pack("<f", -1000.0) * (PIECE // 4)]
    assert [first_text(piece) for piece in noise] == [None] * len(noise)


@pytest.mark.parametrize(
    "value",
    [
        struct.pack("<IQ", STRING, 5) + b"hello",
        struct.pack("<IIQ", ARRAY, I32, 3) + bytes(12),
        struct.pack("<IIQ", ARRAY, STRING, 1) + packed("x"),
        struct.pack("<II", U32, 7) + packed("next.name"),
        struct.pack("<I?", 7, True) + packed("next.name"),
        struct.pack("<IQIQ", 1, 3_072, 0, 0),  # a tensor's shape, type and place
        struct.pack("<IQQIQ", 2, 3_072, 128_256, 14, 0),
    ],
)
def test_a_name_with_a_type_is_no_text(value):
    data = packed("tokenizer.ggml.token_type") + value
    assert begins_a_pair(data.ljust(200, b"\0"), 0)


@pytest.mark.parametrize("length", range(13))
def test_a_text_that_looks_like_a_name_is_followed_by_no_type(length):
    # the length of the text behind it is read as a type
    for behind in ("another text", "", "general.name"):
        data = packed("example.com") + packed("abcdefghijklm"[:length]) + packed(behind) * 40
        assert not begins_a_pair(data, 0)


def test_nothing_is_looked_for_where_walking_is_cheap_or_the_file_endless():
    asked = []

    def piece(at, count):
        asked.append((at, count))
        return (packed("again") * 2_000)[:count]

    assert bytes_of_texts(piece, 0, MANY - 1) is None
    assert asked == []
    assert bytes_of_texts(piece, 0, MANY) is None  # texts for ever
    assert len(asked) <= 64


ODD = {
    "short": lambda rng: bytes(rng.choices(b"abc .-_", k=rng.randint(0, 12))),
    "names": lambda rng: rng.choice([b"general.name", b"tokenizer.ggml.scores", b"a.b", b"x", b""]),
    "wide": lambda rng: "ġ".encode() * rng.randint(1, 6),
    "long": lambda rng: b"a" * rng.choice([1, 2, 3, 300]),
    "spaces": lambda rng: b" " * rng.randint(0, 3),
    "zeros": lambda rng: bytes(rng.choices(b"\0ab", k=rng.randint(1, 9))),
    "noise": lambda rng: rng.randbytes(rng.randint(1, 9)),
}
BEHIND = {
    "numbers": packed("tokenizer.ggml.token_type") + struct.pack("<I", ARRAY) + numbers(MANY),
    "pairs": packed("tokenizer.ggml.eos")
    + struct.pack("<II", U32, 2)
    + packed("general.x")
    + struct.pack("<II", U32, 1),
    "tensors": packed("token_embd.weight") + struct.pack("<IQQIQ", 2, 576, MANY, 8, 0),
}


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("odd", ODD)
def test_whatever_the_texts_are_their_end_is_found_or_not_known(odd, behind):
    rng = random.Random(f"{odd} {behind}")
    texts = b"".join(packed(ODD[odd](rng)) for _ in range(MANY))
    data = texts + BEHIND[behind] + packed("blk.0.weight") + rng.randbytes(1 << 20) + bytes(1 << 18)
    found = bytes_of_texts(lambda at, count: data[at : at + count], 0, MANY)
    assert found == (None if odd in ("zeros", "noise") else len(texts))
