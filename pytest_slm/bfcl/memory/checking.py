"""What BFCL's agentic checker says of a last answer: is one of the right ones in it?"""

from __future__ import annotations

import re
from collections.abc import Iterable

LEFT_OUT = re.compile(r"[,./\-_*^()]")


def names_one(text: str, answers: Iterable[str]) -> bool:
    """Whether one of the answers stands in the text, as whole words, wherever and however often.

    Both are compared without ``,./-_*^()``, in lower case, and with ``'`` as ``"``; spaces count.
    """
    said = _plain(text)
    return any(re.search(rf"\b{re.escape(_plain(answer))}\b", said) for answer in answers)


def _plain(text: str) -> str:
    return LEFT_OUT.sub("", text).lower().replace("'", '"')
