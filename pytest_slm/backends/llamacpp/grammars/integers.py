"""Whole numbers between two bounds, as a grammar reads them: digit by digit."""

from __future__ import annotations

DIGITS = 16
"""A whole number has no more: beyond it a JSON reader may round."""


def integers(least: int | None, most: int | None) -> str:
    """The expression for all whole numbers from ``least`` to ``most``, of at most ``DIGITS`` digits, without zeros in
    front. Raises ValueError where there is none."""
    bound: int = 10**DIGITS - 1
    low, high = max(-bound, -bound if least is None else least), min(bound, bound if most is None else most)
    if low > high:
        raise ValueError(f"no whole number of {DIGITS} digits is between {least} and {most}")
    found = [f'"-" ({_positive(max(1, -high), -low)})'] if low < 0 else []
    found += ['"0"'] if low <= 0 <= high else []
    found += [_positive(max(1, low), high)] if high > 0 else []
    return " | ".join(found)


def _positive(low: int, high: int) -> str:
    """Those from ``low`` to ``high``, both at least 1, by their length."""
    first, last = len(str(low)), len(str(high))
    parts = []
    for length in range(first, last + 1):
        begin = str(low) if length == first else "1" + "0" * (length - 1)
        end = str(high) if length == last else "9" * length
        if begin[0] == "1" and end[0] == "9" and not begin[1:].strip("0") and not end[1:].strip("9"):
            # Neighbours without a bound are one part.
            parts.append((length, ""))
        else:
            parts.append((0, _between(begin, end)))
    whole = [length for length, text in parts if not text]
    found = [text for _, text in parts if text]
    if whole:
        more = f" [0-9]{{{whole[0] - 1},{whole[-1] - 1}}}" if whole[-1] > 1 else ""
        found.append(f"[1-9]{more}")
    return " | ".join(found)


def _between(low: str, high: str) -> str:
    """Digits from ``low`` to ``high``, which are as long as each other."""
    if not low:
        return ""
    if not low.strip("0") and not high.strip("9"):
        return f"[0-9]{{{len(low)}}}"
    if low[0] == high[0]:
        return f'"{low[0]}" {_between(low[1:], high[1:])}'.rstrip()
    rest = len(low) - 1
    if not rest:
        return f"[{low}-{high}]"
    begins, ends = int(low[0]), int(high[0])
    found = []
    if low[1:].strip("0"):
        found.append(f'"{begins}" {_between(low[1:], "9" * rest)}')
        begins += 1
    if high[1:].strip("9"):
        found.append(f'"{ends}" {_between("0" * rest, high[1:])}')
        ends -= 1
    if begins <= ends:
        found.append(f"[{begins}-{ends}] [0-9]{{{rest}}}")
    return f"({' | '.join(found)})"
