"""Markdown in which the texts of strangers are texts and nothing else, in every dialect that a page may be read in.

What could mean something becomes a numeric character reference: CommonMark takes none of these for a mark, and
Python-Markdown, which knows fewer backslash escapes, does not look into them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import yaml

from pytest_slm.core.record import is_name

LONGEST = 100
"""Characters of a stranger's text that are shown; each may become six."""
MARKS = re.compile(r"[^\w ,.()%!?;/'’–—…·×≤-]|_|(?<=www)\.|(?<=WWW)\.", re.ASCII | re.IGNORECASE)
"""What is no letter, digit or harmless punctuation. Letters of other scripts are none of ASCII, and stay."""
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@:-]{0,199}")
"""What may stand between two backticks as it is."""


class Md(str):
    """Markdown of ours, which is not escaped again."""

    __slots__ = ()


def md(value: object) -> Md:
    """A value as Markdown that shows it: one line, in which nothing is a mark, a link or HTML."""
    if isinstance(value, Md):
        return value
    given = str(value)
    seen = "".join(letter if _visible(letter) else "?" for letter in given[:LONGEST])
    text = re.sub(" +", " ", seen) + ("…" if len(given) > LONGEST else "")
    return Md(MARKS.sub(_reference, text))


def _visible(letter: str) -> bool:
    return letter.isascii() and letter.isprintable() if letter < "\x80" else is_name(letter)


def _reference(match: re.Match[str]) -> str:
    letter = match[0]
    return letter if ord(letter) > 0x7F else f"&#{ord(letter)};"


def say(template: str, **values: object) -> Md:
    """A sentence of ours with values in it: ``template`` is Markdown, the values are not."""
    return Md(template.format(**{name: md(value) for name, value in values.items()}))


def joined(parts: Iterable[object], between: str = ", ") -> Md:
    """Several values in one line."""
    return Md(between.join(map(md, parts)))


def counted(n: int, what: str) -> str:
    """``1 model``, ``2 models``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def code(text: str) -> Md:
    """A name between backticks, where it is plain enough to stand there; else as a text."""
    return Md(f"`{text}`") if CODE.fullmatch(text) else md(text)


def link(text: object, target: str) -> Md:
    """A link to a page of ours or to a repository on the Hub. Raises ValueError for any other target."""
    if not re.fullmatch(r"(https://huggingface\.co/)?[A-Za-z0-9._/-]+(#[a-z0-9-]+)?", target):
        raise ValueError(f"no target of a link of ours: {target!r:.100}")
    return Md(f"[{md(text)}]({target})")


def fence(language: str, lines: Iterable[str]) -> Md:
    """A block of code. Raises ValueError where a line could end it."""
    text = "\n".join(lines)
    if "```" in text or not all(letter.isprintable() or letter == "\n" for letter in text):
        raise ValueError(f"no code of ours: {text!r:.100}")
    return Md(f"```{language}\n{text}\n```")


def front_matter(**values: object) -> Md:
    """The head of a page as YAML, with its fences."""
    text = yaml.safe_dump(values, allow_unicode=False, sort_keys=False, width=10_000, default_flow_style=False)
    return Md(f"---\n{text}---\n")
