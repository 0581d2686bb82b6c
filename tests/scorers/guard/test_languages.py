"""In which language an answer may be, as far as that matters to whoever judges it."""

from __future__ import annotations

from pytest_slm.scorers.guard.languages import _languages, unknown


def sentence(language: str, signs: int, others: int) -> str:
    """Words that a language is known by, each once, and so many that nobody knows."""
    words = sorted(word for word in _languages().words[language] if word not in _languages().words["en"])
    return " ".join([*words[:signs], *(f"xqz{'abcdefghijklmnopqrstuvwxyz'[n % 26]}" for n in range(others))])


def test_a_language_is_known_by_three_of_its_words_if_they_are_a_tenth_of_all() -> None:
    language = next(name for name in _languages().words if name != "en")
    assert unknown(sentence(language, 3, 27)) == language
    assert unknown(sentence(language, 3, 28)) is None  # three of 31
    assert unknown(sentence(language, 2, 5)) is None
