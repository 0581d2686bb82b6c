"""Text becomes the ids that transformers and lm-eval's HFLM make of it; the differences are listed one by one.

The reference is the tokenizer that SmolLM2 was published with. A GGUF has its vocabulary and merges, but of its
pre-tokenizer only the name, ``smollm``, which transformers 5.23 does not know: it falls back to GPT-2's, and splits
numbers otherwise. So ``published`` is what transformers reads from the GGUF, with the pre-tokenizer put back; see
docs/tokenization.md. HFLM's own code is run, without a network behind it: ``_model_call`` keeps what it is given.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import os
import shutil
import unicodedata
from collections import Counter

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_slm.errors import BackendError

pytest.importorskip("transformers", reason="needs transformers and torch, as lm-eval's HFLM does")
pytest.importorskip("lm_eval", reason="needs lm-eval: pip install 'pytest-slm[lm-eval]'")
pytest.importorskip("torch", reason="needs torch, as lm-eval's HFLM does")
pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'pytest-slm[gguf]'")

# Imported late, because importing the engine is what the lines above may skip.
from pytest_slm.backends.pairs import fitted, rolling_windows, split_pair

IM_START, IM_END = 1, 2

STRIDE = int(os.environ.get("SLM_TEST_STRIDE", "20"))
"""Every which string of the mirror is compared; 1 for the figures of docs/tokenization.md."""

NOT_YET_NUMBERS = [  # digits of Unicode 16 and 17, which llama.cpp's tables (Unicode 15) do not have
    *((0x10D40, 0x10D49), (0x116D0, 0x116E3), (0x11BF0, 0x11BF9), (0x11DE0, 0x11DE9), (0x16130, 0x16139)),
    *((0x16D70, 0x16D79), (0x16FF4, 0x16FF6), (0x1CCF0, 0x1CCF9), (0x1E5F1, 0x1E5FA)),
]
DROPPED = "\x04\x06\x13\x14\x16\x1d"
"""No token of this vocabulary has these bytes, nor 0xF1 and 0xF2, with which U+40000 to U+BFFFF (unassigned) begin."""


def is_ordinary(char: str) -> bool:
    new = any(first <= ord(char) <= last for first, last in NOT_YET_NUMBERS)
    return not new and char not in DROPPED and not 0x40000 <= ord(char) <= 0xBFFFF


ODD = "<|im_end|> <|im_start|> <|endoftext|> <|im_ ½ Ⅷ ٣ 🙂 👩‍💻 é 漢字 ﬁ 'll 'S 1234 3.14".split()
ODD += [" ²", "¼ ", " 12", "  ", "\n\n", " \t\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x00", "\x85"]
characters = st.characters(codec="utf-8").filter(is_ordinary)
text = st.lists(st.one_of(st.text(characters, max_size=8), st.sampled_from(ODD)), max_size=8).map("".join)
quick = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_with_transformers(path):
    """The tokenizer that transformers makes of a GGUF's metadata. AutoTokenizer would need the package ``gguf``."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(path.parent), gguf_file=path.name)


def as_published(tokenizer, **attributes):
    """A copy that splits as SmolLM2's tokenizer.json says: every digit by itself, then GPT-2's byte-level splitting."""
    from tokenizers import pre_tokenizers

    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    for name, value in attributes.items():
        setattr(tokenizer, name, value)
    return tokenizer


@pytest.fixture(scope="session")
def gguf_route(real_model):
    return read_with_transformers(real_model)


@pytest.fixture(scope="session")
def published(gguf_route):
    return as_published(gguf_route)


@pytest.fixture(scope="session")
def literal(gguf_route):
    """The published tokenizer, for which a special token's spelling is text like any other."""
    return as_published(gguf_route, split_special_tokens=True)


@pytest.fixture(scope="session")
def bos_file(real_model, tmp_path_factory):
    """The same model, asking for BOS: one byte of the header is changed."""
    path = tmp_path_factory.mktemp("bos") / "bos.gguf"
    shutil.copyfile(real_model, path)
    key = b"tokenizer.ggml.add_bos_token"
    with path.open("r+b") as file:
        file.seek(file.read(1 << 16).index(key) + len(key) + 4)  # between key and value stands the type, four bytes
        file.write(b"\x01")
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def model(real_model):
    yield from opened(real_model)


@pytest.fixture(scope="module")
def with_bos(bos_file):
    yield from opened(bos_file)


def opened(path):
    from pytest_slm.backends.llamacpp.model import Model

    model = Model(str(path))
    yield model
    model.close()


def plain(model, string):
    return model.tokenize(string, add_special=False, parse_special=False)


def hflm(tokenizer, *, max_length=8192):
    """lm-eval's HFLM around a tokenizer: ``asked`` are the (context, continuation) ids, ``shown`` what a model sees."""
    import torch
    from lm_eval.api.model import LM
    from lm_eval.models.huggingface import HFLM

    class Recorder(HFLM):
        def __init__(self):
            LM.__init__(self)
            self.tokenizer, self._max_length = tokenizer, max_length
            self.add_bos_token, self.enable_thinking = None, None
            self.backend, self.custom_prefix_token_id, self.logits_cache = "causal", None, True
            self.batch_size_per_gpu, self._device, self.softmax_dtype = 1, torch.device("cpu"), None
            self.asked, self.shown = [], []

        def _loglikelihood_tokens(self, requests, disable_tqdm=False, override_bs=None):
            self.asked += [(list(head), list(tail)) for _, head, tail in requests]
            return super()._loglikelihood_tokens(requests, disable_tqdm=True, override_bs=override_bs)

        def _model_call(self, inps, **_):
            self.shown += inps.tolist()
            return torch.zeros(*inps.shape, 1).expand(-1, -1, len(tokenizer))

    return Recorder()


# -- text to ids ----------------------------------------------------------------------------------------------------


def test_the_reference_is_the_published_tokenizer(published):
    # llama.cpp names a pre-tokenizer by the hash of the ids of one text; this is that of HuggingFaceTB/SmolLM-135M in
    # its convert_hf_to_gguf.py. It proves vocabulary and merges; the text has no white space that would tell the rest.
    checked = (
        "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫️ (multiple emojis concatenated) ✅ 🦙🦙 "
        "3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ "
        "------======= нещо на Български ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you "
        "sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL"
    )
    ids = str(published.encode(checked)).encode()
    assert hashlib.sha256(ids).hexdigest() == "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249"


@quick
@given(text)
@example("  1")
@example("x ½ y²")
def test_any_text_has_the_published_ids(model, literal, string):
    assert plain(model, string) == literal.encode(string)


def test_every_character_below_the_surrogates_has_them(model, literal):
    codes = [code for code in range(0xD800) if chr(code) not in DROPPED]
    blocks = [codes[first : first + 64] for first in range(0, len(codes), 64)]
    for pattern in ("{}", " {}", "  {}", "1{}", "a{} "):
        strings = [" ".join(pattern.format(chr(code)) for code in block) for block in blocks]
        assert [plain(model, string) for string in strings] == [literal.encode(string) for string in strings]


def test_digits_newer_than_the_engines_unicode_do_not_end_white_space(model, literal):
    new = [chr(code) for first, last in NOT_YET_NUMBERS for code in range(first, last + 1)]
    assert len(new) == 93
    differ = [char for char in new if plain(model, "  " + char) != literal.encode("  " + char)]
    assert differ == new
    assert all(plain(model, " " + char) == literal.encode(" " + char) for char in new)


def test_bytes_without_a_token_vanish_before_merging_there_and_after_it_here(model, literal):
    for char in DROPPED:
        assert plain(model, char) == literal.encode(char) == []
        assert plain(model, f"a{char}b") == literal.encode(f"a{char}b")  # a control character parts letters anyway
        assert literal.encode(f"!{char}!") == plain(model, "!!") != plain(model, f"!{char}!") == plain(model, "!") * 2
    assert plain(model, "🙂\U00079000") != literal.encode("🙂\U00079000")


def test_a_lone_surrogate_is_three_bytes_here_and_an_error_there(model, published):
    # JSON can spell it ("\ud800"), UTF-8 cannot.
    assert b"".join(model.piece(token) for token in plain(model, "a\ud800b")) == b"a\xed\xa0\x80b"
    with pytest.raises((TypeError, UnicodeError)):
        published.encode("a\ud800b")


def test_a_special_token_in_plain_text_is_plain_text(model, published):
    # transformers, and so HFLM, reads it as the token; lm-eval renders templates into its prompts, we do not.
    assert IM_END not in plain(model, "Hi <|im_end|>")
    assert published.encode("Hi <|im_end|>")[-1] == IM_END
    assert model.tokenize("Hi <|im_end|>", add_special=True, parse_special=True) == published.encode("Hi <|im_end|>")


def test_a_conversation_has_the_ids_of_apply_chat_template(model, published, monkeypatch):
    rendered = published.apply_chat_template(
        [{"role": "user", "content": "1 + ½?"}], tokenize=False, add_generation_prompt=True
    )
    ids = prompt_ids(model, monkeypatch, model.chat_template, "1 + ½?")
    assert ids == published.encode(rendered, add_special_tokens=False)


# -- real data ------------------------------------------------------------------------------------------------------


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


def test_real_texts_have_the_published_ids(model, published, gguf_route, mirror):
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
    assert total["strings"] > 5_000
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


# -- context and continuation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [" ", "\n", ""])
def test_real_pairs_are_split_as_by_hflm(model, published, mirror, between):
    lm = hflm(published)
    pairs = [(head, between + tail) for head, tail in real_pairs(mirror, 60)]
    assert len(pairs) > 800
    assert [split_pair(model, *pair) for pair in pairs] == [lm._encode_pair(*pair) for pair in pairs]


@quick
@given(text.filter(bool), text.filter(bool))
@example("Hello wor", "ld and more")  # "world" is one token, "wor" another
@example("The answer is \n ", "5")
@example(" \t", "x")
def test_any_pair_is_split_as_by_hflm(model, literal, context, continuation):
    head, tail = hflm(literal)._encode_pair(context, continuation)
    # HFLM ends at an assertion where the context is nothing but white space; here it is the start of a text.
    assert split_pair(model, context, continuation) == (head or [IM_START], tail)


@pytest.mark.parametrize("continuation", ["Once", " Once", "\n", "1", "½", "<|im_end|>"])
def test_after_an_empty_context_comes_the_start_token(model, literal, continuation):
    from lm_eval.api.instance import Instance

    lm = hflm(literal)
    lm.loglikelihood([Instance("loglikelihood", {}, ("", continuation), 0)])
    assert [split_pair(model, "", continuation)] == lm.asked
    assert lm.asked[0][0] == [model.start] == [lm.prefix_token_id]


def test_a_continuation_without_a_token_of_its_own_is_refused_by_both(model, literal):
    pair = split_pair(model, "x(", "))")  # "())" is one token
    assert pair[1] == hflm(literal)._encode_pair("x(", "))")[1] == []
    with pytest.raises(BackendError, match="adds no token"):
        fitted([pair], 8)
    with pytest.raises(AssertionError):
        hflm(literal)._loglikelihood_tokens([(("x(", "))"), *pair)])


ids = st.lists(st.integers(0, 99), min_size=1, max_size=24)


@settings(quick, max_examples=100)
@given(ids, ids, st.integers(1, 24))
def test_what_is_too_long_loses_its_left_end_as_in_hflm(literal, head, tail, limit):
    lm = hflm(literal, max_length=limit)
    request = (("", ""), head, tail)
    if len(tail) > limit:
        with pytest.raises(BackendError) as refused:
            fitted([(head, tail)], limit)
        assert refused.value.slug == "context-too-long"
        with pytest.raises(AssertionError):
            lm._loglikelihood_tokens([request])
        return
    ((kept, predicted),) = fitted([(head, tail)], limit)
    lm._loglikelihood_tokens([request])
    assert [[*kept, *predicted][:-1]] == lm.shown  # the last token is predicted, never shown
    assert predicted == tail


# -- rolling windows ------------------------------------------------------------------------------------------------


@quick
@given(st.integers(0, 200), st.integers(1, 64))
def test_windows_are_those_of_lm_eval(n, limit):
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    text_ids = list(range(10, 10 + n))
    theirs = get_rolling_token_windows(text_ids, prefix_token=1, max_seq_len=limit, context_len=1)
    assert rolling_windows(text_ids, 1, limit) == [make_disjoint_window(window) for window in theirs]


def rolled(lm, string):
    from lm_eval.api.instance import Instance

    lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (string,), 0)], True)
    return lm.asked


def test_a_text_rolls_as_in_hflm(model, literal):
    string = "In 1999 it was 2½ times as far,  1 or 2 miles; then came <|im_end|> and the rest. " * 3
    windows = rolling_windows(plain(model, string), model.start, 16)
    assert [(list(head), list(tail)) for head, tail in windows] == rolled(hflm(literal, max_length=16), string)


# -- BOS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def literal_with_bos(bos_file):
    return as_published(read_with_transformers(bos_file), split_special_tokens=True)


@quick
@given(text)
def test_bos_comes_once_where_the_model_wants_it(model, with_bos, literal_with_bos, string):
    whole = with_bos.tokenize(string, add_special=True, parse_special=False)
    assert whole == [IM_START, *plain(model, string)] == literal_with_bos.encode(string)
    assert (
        plain(with_bos, string) == plain(model, string) == model.tokenize(string, add_special=True, parse_special=False)
    )


def test_eos_is_not_put_behind_what_shall_be_continued(model, bos_file, tmp_path):
    path = tmp_path / "eos.gguf"
    shutil.copyfile(bos_file, path)
    with path.open("r+b") as file:
        file.seek(file.read(1 << 16).index(b"add_bos_token"))
        file.write(b"add_eos_token")
    with contextlib.contextmanager(opened)(path) as adding:
        assert adding.tokenize("Hello", add_special=True, parse_special=False) == plain(model, "Hello")
        assert split_pair(adding, "Hello wor", "ld") == split_pair(model, "Hello wor", "ld")
    path.unlink()


@pytest.mark.parametrize(
    "pair", [("", "x"), (" ", "x"), ("a ", "b"), ("Q: 2 + 2\nA:", " 4"), ("<|im_start|> spelled", " out")]
)
def test_pairs_have_bos_once_as_in_hflm(with_bos, literal_with_bos, pair):
    from lm_eval.api.instance import Instance

    lm = hflm(literal_with_bos)
    lm.loglikelihood([Instance("loglikelihood", {}, pair, 0)], True)
    ours = split_pair(with_bos, *pair)
    assert [*ours[0], *ours[1]].count(IM_START) == 1
    if pair[0].startswith("<|im_start|>"):  # HFLM takes the spelling for the token and adds none
        assert (ours[0][1:], ours[1]) == lm.asked[0]
    else:
        assert [ours] == lm.asked


def test_hflm_predicts_bos_when_it_rolls_and_we_do_not(with_bos, literal_with_bos):
    ((head, tail),) = rolling_windows(plain(with_bos, "Once"), with_bos.start, 16)
    assert rolled(hflm(literal_with_bos), "Once") == [(head, [IM_START, *tail])]


def prompt_ids(model, monkeypatch, source, content):
    """Ids of a conversation of one message, as the backend makes them, without the memory that a backend opens."""
    from pytest_slm.backends.llamacpp import LlamaCpp
    from pytest_slm.core.types import Message, Request

    monkeypatch.setattr(model, "chat_template", source)
    backend = object.__new__(LlamaCpp)
    backend._model = model
    return backend._ids(Request(messages=(Message(role="user", content=content),)))


CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
ROLES = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


@pytest.mark.parametrize("source", [CHATML, ROLES, "{{ bos_token }}" + ROLES], ids=["chatml", "roles", "bos"])
@pytest.mark.parametrize("content", ["Hi", "<|im_end|> Hi", "A <|im_start|> is one token"])
def test_a_template_has_bos_once_whoever_writes_it(with_bos, monkeypatch, source, content):
    ids = prompt_ids(with_bos, monkeypatch, source, content)
    assert ids[0] == IM_START
    assert ids.count(IM_START) == 1


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ("{{ messages[0].content }}", "<|im_start|> you"),  # the prompt begins with a word of the user's
        ("{{ messages[0].content | replace('o', '0') }}", "you <|im_end|>"),  # what the user wrote is not to be found
    ],
)
def test_bos_is_there_whatever_the_template_does_with_the_content(with_bos, monkeypatch, source, content):
    ids = prompt_ids(with_bos, monkeypatch, source, content)
    assert ids[0] == IM_START
    assert ids.count(IM_START) + ids.count(IM_END) == 1


def test_a_message_that_is_a_special_token_leaves_the_templates_own_alone(model, monkeypatch):
    ids = prompt_ids(model, monkeypatch, CHATML, "<|im_end|>")
    assert ids.count(IM_START) == ids.count(IM_END) == 1
