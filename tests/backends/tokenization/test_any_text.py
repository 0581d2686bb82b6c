"""Any text has the published ids, also in pairs and behind BOS, but for what engine and vocabulary do not know."""

import hashlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_slm.prompts.pairs import split_pair

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
quick = settings(max_examples=300, deadline=None)


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
def test_any_text_has_the_published_ids(model, literal, plain, string):
    assert plain(model, string) == literal.encode(string)


OTHERS = [pytest.param(pattern, marks=pytest.mark.nightly) for pattern in ("{}", " {}", "1{}", "a{} ")]


@pytest.mark.parametrize("pattern", ["  {}", *OTHERS])
def test_every_character_below_the_surrogates_has_them(model, literal, plain, pattern):
    codes = [code for code in range(0xD800) if chr(code) not in DROPPED]
    blocks = [codes[first : first + 64] for first in range(0, len(codes), 64)]
    strings = [" ".join(pattern.format(chr(code)) for code in block) for block in blocks]
    assert [plain(model, string) for string in strings] == [literal.encode(string) for string in strings]


def test_digits_newer_than_the_engines_unicode_do_not_end_white_space(model, literal, plain):
    new = [chr(code) for first, last in NOT_YET_NUMBERS for code in range(first, last + 1)]
    assert len(new) == 93
    differ = [char for char in new if plain(model, "  " + char) != literal.encode("  " + char)]
    assert differ == new
    assert all(plain(model, " " + char) == literal.encode(" " + char) for char in new)


def test_bytes_without_a_token_vanish_before_merging_there_and_after_it_here(model, literal, plain):
    for char in DROPPED:
        assert plain(model, char) == literal.encode(char) == []
        assert plain(model, f"a{char}b") == literal.encode(f"a{char}b")  # a control character parts letters anyway
        assert literal.encode(f"!{char}!") == plain(model, "!!") != plain(model, f"!{char}!") == plain(model, "!") * 2
    assert plain(model, "🙂\U00079000") != literal.encode("🙂\U00079000")


def test_a_lone_surrogate_is_three_bytes_here_and_an_error_there(model, published, plain):
    # JSON can spell it ("\ud800"), UTF-8 cannot.
    assert b"".join(model.piece(token) for token in plain(model, "a\ud800b")) == b"a\xed\xa0\x80b"
    with pytest.raises((TypeError, UnicodeError)):
        published.encode("a\ud800b")


def test_a_special_token_in_plain_text_is_plain_text(model, published, im_end, plain):
    # transformers, and so HFLM, reads it as the token; lm-eval renders templates into its prompts, we do not.
    assert im_end not in plain(model, "Hi <|im_end|>")
    assert published.encode("Hi <|im_end|>")[-1] == im_end
    assert model.tokenize("Hi <|im_end|>", add_special=True, parse_special=True) == published.encode("Hi <|im_end|>")


@quick
@given(text.filter(bool), text.filter(bool))
@example("Hello wor", "ld and more")  # "world" is one token, "wor" another
@example("The answer is \n ", "5")
@example(" \t", "x")
def test_any_pair_is_split_as_by_hflm(model, literal, im_start, hflm, context, continuation):
    head, tail = hflm(literal)._encode_pair(context, continuation)
    # HFLM ends at an assertion where the context is nothing but white space; here it is the start of a text.
    assert split_pair(model, context, continuation) == (head or [im_start], tail)


@quick
@given(text)
def test_bos_comes_once_where_the_model_wants_it(model, with_bos, literal_with_bos, im_start, plain, string):
    whole = with_bos.tokenize(string, add_special=True, parse_special=False)
    assert whole == [im_start, *plain(model, string)] == literal_with_bos.encode(string)
    assert (
        plain(with_bos, string) == plain(model, string) == model.tokenize(string, add_special=True, parse_special=False)
    )
