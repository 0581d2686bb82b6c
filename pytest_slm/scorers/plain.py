"""Text as it would be typed: LaTeX, typographic characters and full-width digits become what a keyboard has.

Two characters stand for what typing has no word for: ``BOX`` and ``BOX_END`` around what LaTeX puts into a box, and
``OPAQUE`` for an expression that is no number (a root, a fraction of letters).
"""

from __future__ import annotations

import re
import unicodedata
from itertools import chain

BOX, BOX_END, OPAQUE = "\u27e6", "\u27e7", "\ufffc"

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_RAISED = f"[{''.join(_SUPERSCRIPTS)}]++"
_RAISED_FRACTION = re.compile(rf"(?<!{_RAISED[:-2]})({_RAISED})[⁄/]([{''.join(_SUBSCRIPTS)}]++)")
_VULGAR = "".join(
    letter
    for letter in map(chr, chain(range(0xBC, 0xBF), range(0x2150, 0x215F), [0x2189]))
    if unicodedata.decomposition(letter).startswith("<fraction>")
)
_INVISIBLE = re.compile(r"[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]++")
_DASHES = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−﹣", "-"),
        **dict.fromkeys("⁄∕", "/"),
        **dict.fromkeys("∙⋅·", "×"),
        **dict.fromkeys("’ʼ", "'"),
        **{"٫": ".", "٬": ",", "√": OPAQUE},
    }
)

_SPELLED = re.compile(r"\\[A-Za-z]++\*?|\\.|[{}]|[^\\{}]++|\\", re.DOTALL)
_WRAPPERS = (
    "text",
    "mathrm",
    "textbf",
    "mathbf",
    "textit",
    "textrm",
    "mbox",
    "operatorname",
    "emph",
    "mathit",
    "mathsf",
)
_ARGUMENTS = {
    **dict.fromkeys(_WRAPPERS, 1),
    **dict.fromkeys(("boxed", "fbox", "sqrt"), 1),
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), 2),
}
"""How many arguments a command takes whose result is more than its name."""
_SIGNS = {
    **dict.fromkeys(("times", "cdot", "ast"), "×"),
    **dict.fromkeys(("circ", "degree"), "°"),
    **dict.fromkeys(("left", "right", "displaystyle", "textstyle", "!"), ""),
    **{"div": "÷", "pm": "±", "approx": "≈", "pi": "π", "infty": "∞", "percent": "%", "\\": "\n"},
    **{sign: sign for sign in "$%#&_{}"},
}
_NUMBER = re.compile(r"\s*[-−+]?\d[\d.,]*\s*")


def plain(text: str) -> str:
    """The text in the characters of a keyboard. Takes time in proportion to its length, whatever it is."""
    text = _INVISIBLE.sub("", text)
    # Before NFKC, which would make cm2 of cm², and 11/2 of 1½.
    text = _RAISED_FRACTION.sub(lambda found: f"{_read(found[1], _SUPERSCRIPTS)}/{_read(found[2], _SUBSCRIPTS)}", text)
    text = re.sub(_RAISED, lambda found: f"^{_read(found[0], _SUPERSCRIPTS)}", text)
    text = re.sub(
        rf"(\d?)([{_VULGAR}])",
        lambda found: f"{found[1]}{' ' if found[1] else ''}{unicodedata.normalize('NFKC', found[2])}",
        text,
    )
    text = unicodedata.normalize("NFKC", text).translate(_DASHES)
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    return re.sub(r"[ \t]{2,}+", " ", text.replace("$$", " ").replace("^°", "°"))


def _read(text: str, digits: dict[str, str]) -> str:
    return "".join(digits[letter] for letter in text)


class _Command:
    """A command whose arguments are still to come, or the whole text (without a name)."""

    def __init__(self, name: str) -> None:
        self.name, self.arguments = name, list[str]()
        self.braces = 0
        self.text: list[str] = []

    def result(self, before: str) -> str:
        first, second = (*self.arguments, "".join(self.text), "")[:2]
        if self.name in ("boxed", "fbox"):
            return f"{BOX}{first}{BOX_END}"
        if self.name.endswith("frac"):
            if not (_NUMBER.fullmatch(first) and _NUMBER.fullmatch(second)):
                return OPAQUE
            return f"{' ' if before[-1:].isdigit() else ''}{first.strip()}/{second.strip()}"
        return OPAQUE if self.name == "sqrt" else first


def _without_latex(text: str) -> str:
    # A stack of our own: a model that loops writes commands inside of commands, ten thousand deep.
    stack = [_Command("")]

    def emit(piece: str) -> None:
        """Give a piece of text, or the result of a command, to what is open now."""
        while stack[-1].name and not stack[-1].braces:
            command = stack[-1]
            command.arguments.append(piece)
            if len(command.arguments) < _ARGUMENTS[command.name]:
                return
            piece = close()
        stack[-1].text.append(piece)

    def close() -> str:
        command = stack.pop()
        return command.result(stack[-1].text[-1] if stack[-1].text else "")

    for found in _SPELLED.finditer(text):
        piece = found[0]
        top = stack[-1]
        waits = bool(top.name) and not top.braces
        if piece == "{":
            top.braces += 1
        elif piece == "}":
            top.braces = max(0, top.braces - 1)
            if top.name and top.braces == 0 and not waits:
                argument, top.text = "".join(top.text), []
                emit(argument)
        elif piece.startswith("\\") and len(piece) > 1:
            name = piece[1:].rstrip("*")
            if name in _ARGUMENTS:
                stack.append(_Command(name))
            else:
                emit(_SIGNS.get(name, " "))
        elif waits:  # \frac12, \boxed 5: the next letter is the argument
            at = len(piece) - len(piece.lstrip())
            while at < len(piece) and stack[-1].name and not stack[-1].braces:
                emit(piece[at])
                at += 1
            emit(piece[at:])
        else:
            emit(piece)
    while len(stack) > 1:
        emit(close())
    return "".join(stack[0].text)
