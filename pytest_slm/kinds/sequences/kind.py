"""Tasks of samples whose answer is a chain of calls: scored as such, and run in the sandbox for what it comes to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.record import Inside, Record, RecordError
from pytest_slm.core.request import Talk
from pytest_slm.core.types import Generation, JudgedSample, Sample, ToolCall, Verdict
from pytest_slm.core.worlds import NO_CALL, Chain, ChainCall, ChainResult, FunctionLibrary
from pytest_slm.data.checkouts import Checkout, read
from pytest_slm.errors import BackendError
from pytest_slm.files import parse_json
from pytest_slm.kinds.checks import Checks, ChecksOptions
from pytest_slm.kinds.kind import Conclusion
from pytest_slm.sandbox import available
from pytest_slm.scorers.answer import answer_of, bad_sample, guarded
from pytest_slm.scorers.rules.call_sequence import MOST, calls_of

WIN = "win"
"""Among a verdict's values: 1 where the calls came to the gold answer, None where the gold calls do not either."""
_DEF = re.compile(rb"^def (\w+)\(", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class FunctionFiles(Record):
    """Functions in files of a ``checkout``: all of ``common``, and those that ``index`` has, JSON with the file of
    each; a name that both have is that of ``common``."""

    checkout: Checkout
    common: Inside
    index: Inside

    def library(self) -> FunctionLibrary:
        """The sources. Raises NotAvailableError (``checkout-missing``) where they were not fetched, BackendError
        (``checkout-foreign``) where they are not what they were."""
        files = read(self.checkout)
        try:
            common = dict.fromkeys((name.decode() for name in _DEF.findall(files[self.common])), self.common)
            functions = {**parse_json(files[self.index]), **common}
            modules = {file: files[file].decode() for file in dict.fromkeys(functions.values())}
            return FunctionLibrary(sha256=self.checkout.sha256, modules=modules, functions=functions)
        except (KeyError, ValueError, TypeError) as error:
            told = f"{self.checkout} does not have the functions that are wanted of it ({error!s:.200})"
            raise BackendError(told, slug="checkout-foreign") from None


@dataclass(frozen=True, kw_only=True)
class SequencesOptions(ChecksOptions):
    """As those of ``checks``; ``functions`` says where the functions are that answers call."""

    functions: FunctionFiles


class Sequences(Checks):
    """Chains of calls. A sample's ``target`` has the gold ones with their labels, its ``metadata`` the answer that they
    come to (``gold_answer``, JSON) and the name of each function's output (``outputs``)."""

    name = "sequences"
    options_type = SequencesOptions
    options: SequencesOptions

    def ready(self) -> None:
        """The sandbox, the functions, and whatever else samples need. Raises SlmError where they are not there."""
        available()
        self._library = self.options.functions.library()
        super().ready()

    def converse(self, sample: Sample) -> Talk:
        generation: Generation = yield self.asked(sample)
        verdict: Verdict = yield from self.judged(sample, generation)
        calls, problem = made(generation)
        outputs: Any = sample.metadata.get("outputs")
        reached: ChainResult = yield Chain(
            library=self._library.of(list(outputs)),
            outputs=outputs,
            calls=calls,
            gold=gold_of(sample),
            expected=_expected(sample),
        )
        if reached.ending == "failed" and problem:
            reached = replace(reached, explanation=problem)
        return replace(
            verdict,
            values={**verdict.values, WIN: None if reached.ending == "unreachable" else float(reached.won)},
            details={
                **verdict.details,
                "reached": "gold answer"
                if reached.won
                else reached.ending
                if reached.explanation
                else "another answer",
                "told": (reached.explanation or reached.result)[:300],
            },
        )

    def provenance(self, samples: Sequence[Sample]) -> Mapping[str, Any]:
        checkout = self.options.functions.checkout
        return {**super().provenance(samples), "functions": str(checkout), "functions_sha256": checkout.sha256}

    def conclude(self, judged: Sequence[JudgedSample]) -> Conclusion:
        """The declared metrics, and what the chains came to, in number."""
        concluded = super().conclude(judged)
        counts = Counter(str(one.verdict.details.get("reached")) for one in judged)
        told = (
            f"of {counts['unreachable']} of {len(judged)} samples the gold calls do not come to the gold answer in the "
            "sandbox (packages, files or a network that it lacks, or chance): they are left out of the win rate"
        )
        return replace(
            concluded,
            reason=told if counts["unreachable"] else "",
            provenance={**concluded.provenance, "reached": dict(sorted(counts.items()))},
        )


def made(generation: Generation) -> tuple[tuple[ChainCall, ...], str]:
    """The calls of an answer that can be run, all or none of them, and why it is none."""
    answer = answer_of(generation)
    return guarded(answer, lambda: _chain(calls_of(answer)), lambda reason: ((), reason))


def _chain(calls: Sequence[ToolCall]) -> tuple[tuple[ChainCall, ...], str]:
    chain = []
    for place, call in enumerate((call for call in calls if call.name != NO_CALL), 1):
        if call.id is None or call.arguments is None or place > MOST:
            lacks = (
                f"more than {MOST} calls"
                if place > MOST
                else f"it has no {'label' if call.id is None else 'arguments'}"
            )
            return (), f"call {place}, {call.name:.80}: {lacks}"
        try:
            chain.append(ChainCall(name=call.name, arguments=call.arguments, label=call.id.replace("$", "")))
        except RecordError as error:
            return (), f"call {place}, {call.name:.80}: {error}"
    return tuple(chain), ""


def gold_of(sample: Sample) -> tuple[ChainCall, ...]:
    """The gold calls of a sample. Raises UsageError where they cannot be run."""
    try:
        return tuple(
            ChainCall(name=call["name"], arguments=call["arguments"], label=call["label"].replace("$", ""))
            for call in sample.target
        )
    except (KeyError, TypeError, AttributeError, RecordError) as error:
        raise bad_sample(sample, f"its gold calls cannot be run ({error!s:.200})") from None


def _expected(sample: Sample) -> Any:
    try:
        return parse_json(str(sample.metadata["gold_answer"]))
    except (KeyError, ValueError) as error:
        raise bad_sample(sample, f"there is no gold answer ({error!s:.200})") from None
