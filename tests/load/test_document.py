"""Any bytes are a document or a UsageError; nothing else comes out, and nothing is built before it is counted."""

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slm.errors import UsageError
from pytest_slm.load import document
from pytest_slm.load.document import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, Value, parse, read

HERE = Path("some.yaml")

# Text that looks like YAML reaches deeper than random letters do.
PIECES = (
    *("- ", ": ", "a", "&a ", "*a", "<<: ", "!!int ", "!!python/object:os.system ", "0x", "1:60", "2026-99-99", ".inf"),
    *("\\U99999999", "\\x", "~", "yes", "---\n", "...\n", "\ufeff", "\x85", "\u2028", "=", "%YAML 9.9\n"),
    *"-:?[]{}&*!|>'\"%@`#,\n\t \\",
)


def outcome(call: Callable[[], Value]) -> str:
    """The message of the UsageError, or nothing; any other exception fails the test."""
    try:
        call()
    except UsageError as error:
        return str(error)
    return ""


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=200))
def test_any_text_is_a_document_or_a_usage_error(text: str) -> None:
    assert re.fullmatch(r"(some\.yaml:\d+: .+  \[yaml-[a-z-]+\])?", outcome(lambda: parse(text, HERE)), re.DOTALL)


def both(text: str) -> tuple[object, object]:
    """What libyaml makes of a text, and what PyYAML's own parser does: a value, or a message."""

    def read_text() -> object:
        try:
            return parse(text, HERE)
        except UsageError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        compiled = read_text()
        patch.setattr(document, "Compiled", None)
        return compiled, read_text()


@pytest.mark.skipif(document.Compiled is None, reason="needs a PyYAML with libyaml, as its wheels are")
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_libyaml_and_pyyaml_say_the_same_of_any_text(text: str) -> None:
    # a suite that loads on one machine only, or a mistake that has two names
    compiled, python = both(text)
    assert compiled == python


@pytest.mark.skipif(document.Compiled is None, reason="needs a PyYAML with libyaml, as its wheels are")
@pytest.mark.parametrize(
    "text", ["a: b\t", "a: b\t# c", "a: !", "a: >#\n  b", "--- \n# c", "\ufeff\ufeff", "a: b\x85c: d", "%A b\n--- a"]
)
def test_libyaml_does_not_read_what_it_reads_otherwise(text: str) -> None:
    compiled, python = both(text)
    assert compiled == python


@pytest.mark.skipif(document.Compiled is None, reason="needs a PyYAML with libyaml, as its wheels are")
def test_libyaml_and_pyyaml_read_the_same() -> None:
    suites = sorted((Path(__file__).parents[2] / "suites").glob("*/*.yaml"))
    assert len(suites) > 50
    for path in suites:
        compiled, python = both(path.read_text("utf-8"))
        assert compiled == python, path
        assert isinstance(compiled, Value)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_usage_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    message = outcome(lambda: read(path))
    assert message == "" or "[yaml-" in message


@pytest.mark.parametrize(
    ("text", "line", "slug"),
    [
        ("a: 1\nb: [1", 2, "yaml-syntax"),
        ("a: 1\n\tb: 2", 2, "yaml-syntax"),
        ("a: 1\nb: 2\na: 3", 3, "yaml-duplicate-key"),
        ("a: 1\n---\nb: 2", 2, "yaml-syntax"),
        ("a: 1\nb: \x07", 2, "yaml-syntax"),
        ("x: 1\n[1, 2]: 3", 2, "yaml-key"),
        ("? [1, 2]\n: 3", 1, "yaml-key"),
        ("a: &a {b: 1}\nc:\n  <<: *a", 3, "yaml-key"),
        ("a:\n  - !!python/object/apply:os.system ['true']", 2, "yaml-tag"),
        ("a: !!binary aGk=", 1, "yaml-tag"),
        ("a: !!set {x}", 1, "yaml-tag"),
        ("a: !!int hello", 1, "yaml-syntax"),
        ("a: .nan", 1, "yaml-syntax"),
        ("a: *nothing", 1, "yaml-syntax"),
        ('a: 1\nb: "\\ud800"', 2, "yaml-syntax"),  # half a character: no report could be written
        ('a: "\\U99999999"', 1, "yaml-syntax"),  # chr() overflows inside of PyYAML
        ("", 1, "yaml-syntax"),
        ("# only a comment", 1, "yaml-syntax"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, slug: str) -> None:
    with pytest.raises(UsageError, match=f"^some.yaml:{line}: ") as caught:
        parse(text, HERE)
    assert caught.value.slug == slug


def test_a_message_is_one_line() -> None:
    with pytest.raises(UsageError) as caught:
        parse("a: [1\nb: }", HERE)
    assert "\n" not in str(caught.value)


def test_no_code_runs(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    with pytest.raises(UsageError, match="yaml-tag"):
        parse(f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{target}']]", HERE)
    assert not target.exists()


def test_keys_are_text_as_written() -> None:
    # YAML 1.1 reads these as a number, a boolean and null.
    assert parse("{4096: a, no: b, ~: c}", HERE).plain() == {"4096": "a", "no": "b", "~": "c"}


def test_dates_stay_text() -> None:
    assert parse("2026-01-31", HERE).plain() == "2026-01-31"


def test_an_impossible_date_is_only_text() -> None:
    assert parse("2026-99-99", HERE).plain() == "2026-99-99"


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    assert read(path).plain() == {"a": 1}


def test_bytes_that_are_no_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: \xe4")
    with pytest.raises(UsageError, match=r"latin.yaml:2: not UTF-8"):
        read(path)


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        read(tmp_path / "none.yaml")
    assert caught.value.slug == "yaml-unreadable"


def test_the_largest_file_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (MAX_BYTES - 2) + b"\na")
    assert read(path).plain() == "a"
    path.write_bytes(b"#" * (MAX_BYTES - 1) + b"\na")
    with pytest.raises(UsageError, match="yaml-too-large"):
        read(path)


def test_the_deepest_value_is_read_and_one_level_more_is_not() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, HERE)
    with pytest.raises(UsageError, match="yaml-too-deep"):
        parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), HERE)


def test_a_hundred_thousand_brackets_do_not_reach_the_recursion_limit() -> None:
    with pytest.raises(UsageError, match="yaml-too-deep"):
        parse("[" * 100_000, HERE)


def test_as_many_aliases_as_allowed_and_one_more() -> None:
    text = "a: &a 1\nb: [" + ", ".join(["*a"] * MAX_ALIASES) + "]"
    assert len(parse(text, HERE).plain()["b"]) == MAX_ALIASES
    with pytest.raises(UsageError, match="yaml-alias"):
        parse(text.replace("[", "[*a, "), HERE)


def test_a_bomb_with_few_aliases_is_refused_in_little_memory() -> None:
    # 12 levels of 4 aliases are 48, below the limit, and would be 16 million values.
    levels = [f"l0: &l0 [{', '.join(['x'] * 4)}]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 4)}]" for n in range(1, 13)]
    tracemalloc.start()
    with pytest.raises(UsageError, match="yaml-alias"):
        parse("\n".join(levels), HERE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_an_alias_that_holds_itself_is_refused() -> None:
    with pytest.raises(UsageError, match="yaml-alias"):
        parse("a: &a [*a]", HERE)


def test_a_number_of_ten_thousand_digits_is_refused() -> None:
    with pytest.raises(UsageError, match="yaml-syntax"):
        parse("a: " + "9" * 10_000, HERE)
