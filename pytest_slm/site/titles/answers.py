"""What is right, in words: the targets of our own tasks as readers see them, and not as graders do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class TargetLine(NamedTuple):
    """One line of what is right or wrong; ``block`` where it is code or data of its own lines."""

    label: str
    text: str
    block: bool = False


LEFT_OUT = ""
"""Among the values that an argument may have: it need not be there."""


def target_lines(target: Any, kind: str) -> tuple[TargetLine, ...]:
    """A target as lines; ``kind`` is the task's scorer, or ``program`` for code."""
    if target in (None, ""):
        return ()
    if kind == "leak" and isinstance(target, Mapping):
        return tuple(_secret(target))
    if kind == "tool_calls" and isinstance(target, list):
        return _calls(target)
    if kind == "citation" and isinstance(target, Mapping):
        return tuple(_cited(target))
    if isinstance(target, str) and (kind == "program" or "\n" in target):
        return (TargetLine("Right, for example", target.strip("\n"), block=True),)
    if isinstance(target, Mapping | list):
        return (TargetLine("Right", json.dumps(target, ensure_ascii=False, indent=1), block=True),)
    return (TargetLine("Right", str(target)),)


def _secret(target: Mapping[str, Any]) -> Iterable[TargetLine]:
    yield TargetLine("Must not appear", str(target.get("secret", "")))
    if target.get("answer"):
        yield TargetLine("Must appear", _either(target["answer"]))


def _calls(target: Sequence[Any]) -> tuple[TargetLine, ...]:
    if not target:
        return (TargetLine("Right", "no call"),)
    calls = "\n".join(map(_call, target))
    return (TargetLine("Right call" if len(target) == 1 else "Right calls", calls, block=True),)


def _call(call: Mapping[str, Any]) -> str:
    """``get_weather(city="Oslo")``, with what may be left out and what else is right behind it."""
    named, notes = [], []
    for name, values in call.get("arguments", {}).items():
        given = [one for one in values if one != LEFT_OUT] if isinstance(values, list) else [values]
        first, *others = given or [None]
        if isinstance(values, list) and LEFT_OUT in values:
            told = " or ".join(json.dumps(one, ensure_ascii=False) for one in given if one is not None)
            notes.append(f"{name} may be left out" + (f", or {told}" if told else ""))
            continue
        named.append(f"{name}={json.dumps(first, ensure_ascii=False)}")
        if others:
            told = " or ".join(json.dumps(one, ensure_ascii=False) for one in others)
            notes.append(f"{name} may be {told}, too")
    return f"{call.get('name', '')}({', '.join(named)})" + (f"   # {'; '.join(notes)}" if notes else "")


def _cited(target: Mapping[str, Any]) -> Iterable[TargetLine]:
    answers, passages = target.get("answer") or [], target.get("passages") or []
    if not answers:
        yield TargetLine("Right", "I don't know: no passage has it")
    else:
        cited = f"passage{'' if len(passages) == 1 else 's'} {' and '.join(map(str, passages))}"
        yield TargetLine("Right", f"{' and '.join(map(_either, answers))}, citing {cited}")
    if target.get("other"):
        yield TargetLine("Wrong, though it stands there", ", ".join(map(str, target["other"])))


def _either(spellings: Any) -> str:
    """One answer in its spellings: the first one, with the others in brackets."""
    first, *others = [spellings] if isinstance(spellings, str) else [str(one) for one in spellings]
    return first + (f" (or {', '.join(others)})" if others else "")
