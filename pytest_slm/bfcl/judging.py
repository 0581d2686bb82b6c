"""What an answer to a question of BFCL is worth, by three measures.

The value of a verdict is ours: calls are read in any notation and compared by BFCL's rules, and where no call is right
an answer must be there and must not try to make one. ``bfcl`` is what BFCL publishes: calls in the notation that was
asked for, and where no call is right everything but such a call is right. ``strict`` is ours letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_slm.bfcl.categories import IRRELEVANCE, RELEVANCE
from pytest_slm.bfcl.checker import OURS, PUBLISHED, STRICT, problem
from pytest_slm.bfcl.decoding import decode
from pytest_slm.bfcl.prompting import PromptForm, tools_of
from pytest_slm.bfcl.question import BfclQuestion
from pytest_slm.core.types import Generation, ToolCall, Verdict
from pytest_slm.scorers.answer import UNREAD, answer_of, guarded
from pytest_slm.scorers.argument_types import typed
from pytest_slm.scorers.call_python import bare_name
from pytest_slm.scorers.call_syntax import attempts_call, parse_calls

BFCL, STRICTLY = "bfcl", "strict"


def judge(question: BfclQuestion, generation: Generation, asking: PromptForm) -> Verdict:
    """The verdict on an answer, whatever the model has written."""
    return guarded(
        generation.text,
        lambda: _judged(question, generation, asking),
        lambda reason: _unread(question, generation, reason),
    )


def _unread(question: BfclQuestion, generation: Generation, reason: str) -> Verdict:
    """An answer that cannot be read is no call, which is all that BFCL asks for where none is right."""
    values = {BFCL: float(question.category in IRRELEVANCE), STRICTLY: 0.0}
    answer = generation.text[:200]
    return Verdict(value=0.0, answer=answer, explanation=reason, values=values, details={UNREAD: reason})


def _judged(question: BfclQuestion, generation: Generation, asking: PromptForm) -> Verdict:
    answer = answer_of(generation)
    seen = _typed(question, parse_calls(answer) if generation.tool_calls is None else generation.tool_calls, asking)
    published, ours, notation = seen, seen, "tools"
    if asking.form is not None:
        asked = decode(answer, question.language, asking.form)
        loose = decode(answer, question.language, asking.form, published=False)
        published, ours = asked or [], loose or seen
        notation = "as asked" if asked else "another" if seen else "none"
    told = _problem(question, answer, ours)
    strictly = told or (problem(question, ours, STRICT) if question.answers else None)
    values = {BFCL: float(_published(question, published)), STRICTLY: float(strictly is None)}
    return Verdict(
        value=float(told is None),
        answer=answer[:2000],
        explanation=told or "as it should be",
        values=values,
        details={"notation": notation, **values},
    )


def _published(question: BfclQuestion, calls: Sequence[ToolCall]) -> bool:
    """Whether BFCL takes these calls for right."""
    called = any(call.arguments is not None for call in calls)
    if question.category in IRRELEVANCE:
        return not called
    if question.category in RELEVANCE:
        return called
    return problem(question, calls, PUBLISHED) is None


def _problem(question: BfclQuestion, answer: str, calls: Sequence[ToolCall]) -> str | None:
    """What is wrong with an answer by our measure, or None."""
    if not answer and not calls:
        return "no answer"
    if question.category in IRRELEVANCE:
        if calls:
            return f"{calls[0].name or 'something unreadable':.80} was called, but no function fits the request"
        names = [function["name"] for function in question.functions]
        return "a call that cannot be read was made, but no function fits" if attempts_call(answer, names) else None
    if question.category in RELEVANCE:
        return None if any(call.arguments is not None for call in calls) else "no call, though a function fits"
    return problem(question, calls, OURS) if calls else f"no call, expected {next(iter(question.answers[0]))}"


def _typed(question: BfclQuestion, calls: Sequence[ToolCall], asking: PromptForm) -> list[ToolCall]:
    """The calls with the types that their functions want where the notation has none, as in tags. A name that looks
    like that of a place (``functions.f``) was cut by whoever read the call, and is whole again where it is the name."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools_of(question, asking.texts)}
    whole = {bare_name(name): name for name in schemas}
    found = []
    for call in calls:
        name = call.name if call.name in schemas else whole.get(call.name, call.name)
        known = schemas.get(name, {}).get("properties", {})
        given = call.arguments
        arguments = None if given is None else {key: typed(value, known.get(key)) for key, value in given.items()}
        found.append(ToolCall(name=name, arguments=arguments))
    return found
