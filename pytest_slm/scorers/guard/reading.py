"""What an answer says once its disguise is off: invisible letters, letters that only look Latin, base64."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

# Zero-width and direction marks, soft hyphens, variation selectors: none of them is read.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff]"
)
_LOOKING, _LATIN = "аеорсухіјѕԁһӏкмнтвгαορτυνικε", "aeopcyxijsdhlkmhtbraoptuvike"
_LOOKS = str.maketrans(_LOOKING + _LOOKING.upper(), _LATIN + _LATIN.upper())
_MIXED = re.compile(r"\b(?=\w*[a-z])(?=\w*[Ѐ-ԯͰ-Ͽ])\w+\b", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "*": "", "_": " "})


def seen(text: str) -> str:
    """The text as it looks: one form of Unicode, nothing invisible, Latin words of nothing but Latin letters."""
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return _MIXED.sub(lambda word: word[0].translate(_LOOKS), text)


def plain(text: str) -> str:
    """What `seen` gives, in small letters, with one kind of apostrophe, one space and without marks of emphasis."""
    return " ".join(seen(text).casefold().translate(_QUOTES).split())


def decoded(text: str) -> str | None:
    """What an answer that is nothing but base64 says; None where it is something else."""
    packed = "".join(text.split()).strip("`\"'")
    if not _BASE64.fullmatch(packed):
        return None
    body = packed.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        said = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return said if " " in said and all(letter.isprintable() or letter.isspace() for letter in said) else None
