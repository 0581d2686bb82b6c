"""Did the answer come in time? A measurement of time on one machine, and no statement about what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bounded, no_answer


@dataclass(frozen=True, kw_only=True)
class LatencyOptions(Record):
    """The most that may pass from the request to the end of the answer (``seconds``), and to its first token
    (``ttft``), in seconds."""

    seconds: float | None = None
    ttft: float | None = None

    def __post_init__(self) -> None:
        given = {name: limit for name in ("seconds", "ttft") if (limit := getattr(self, name)) is not None}
        if not given:
            raise RecordError("a latency has a limit: give `seconds`, `ttft` or both")
        for name, limit in given.items():
            if limit <= 0:
                raise RecordError(f"{name}: expected seconds above 0, not {limit}")


@bounded
def latency(_sample: Sample, generation: Generation, options: LatencyOptions) -> Verdict:
    """Right if an answer came within the limits. What was not measured is not scored: an answer of an earlier run, or
    the end of one that was cut off before the time was over."""
    answer, times = answer_of(generation), generation.timings
    if times is None:
        told = "not scored: its time was not measured (the answer is kept from before, or the backend tells none)"
        return Verdict(value=None, answer=answer[:200], explanation=told)
    if not answer and generation.finish == "stop":
        return no_answer()
    took: list[tuple[str, float | None, float]] = []
    if options.seconds is not None:
        # Of an answer that was cut off only this much is known: it takes longer.
        known = generation.finish == "stop" or times.end_s > options.seconds
        took.append(("answer", times.end_s if known else None, options.seconds))
    if options.ttft is not None:
        took.append(("first token", times.token_s[0] if times.token_s else None, options.ttft))
    late = [seconds is not None and seconds > limit for _, seconds, limit in took]
    told = ", ".join(
        f"{what} after {seconds:.3f} s of {limit:g}"
        if seconds is not None
        else f"{what}: cut off, so its time is not known"
        for what, seconds, limit in took
    )
    unknown = any(seconds is None for _, seconds, _ in took)
    value = 0.0 if any(late) else None if unknown else 1.0
    times_told = {"seconds": times.end_s, "ttft": times.token_s[0] if times.token_s else None}
    return Verdict(value=value, answer=answer[:200], explanation=told, details={"times": times_told})


LATENCY = Rule(judge=latency, options=LatencyOptions, timed=lambda _options: True)
