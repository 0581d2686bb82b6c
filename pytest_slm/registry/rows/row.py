"""One row: a model in one quantization, as one machine measured it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_slm.core.record import FileName, Name, Record, Repo, Revision, Slug
from pytest_slm.registry.entry import AggregateScore, Claim, UseCase
from pytest_slm.registry.speeds import Quantity, QuantizationSpeed

PEAK, ANY_PEAK = "peak_rss_2k", "peak_rss"
"""Peak memory with the context that devices are compared by, and with whatever context there was."""


@dataclass(frozen=True, kw_only=True)
class Row(Record):
    """One (model, quantization, machine): everything that was measured of a file on one machine, and of no other.

    Scores are points from 0 to 100, sizes bytes. What was not measured is None, or not in its mapping.
    """

    model: Slug
    """The id of its entry in the registry."""
    name: Name
    quantization: FileName
    machine: str
    """Fingerprint; empty where nobody knows the machine: a server's, say."""
    machine_title: str
    """``AMD EPYC 9R14, 2 cores``; empty where the machine is not known."""
    headline: bool
    """Whether its quantization is the one that its entry shows first."""
    format: str
    hf_repo: Repo | None = None
    revision: Revision | None = None
    family: str | None = None
    architecture: str | None = None
    license: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    tags: tuple[str, ...] = ()
    date_added: str = ""
    size_bytes: int | None = None
    bits_per_weight: float | None = None
    weights_sha256: str | None = None
    made_from: str | None = None
    """The quantization that the file was made from by whoever measured it; None for published files."""
    server: str | None = None
    """The address of the server that answered; None for weights that were opened where they were measured."""
    scores: Mapping[Name, UseCase] = field(default_factory=dict)
    """By use case, each with interval, n, chance, mode and coverage."""
    titles: Mapping[Name, str] = field(default_factory=dict)
    """The titles of these use cases."""
    aggregates: Mapping[Name, AggregateScore] = field(default_factory=dict)
    """By profile, each with its rank and rank interval, or why there is none."""
    speed: QuantizationSpeed | None = None
    claims: tuple[Claim, ...] = ()
    """What others have published of it, and nobody here has measured."""
    fits: Mapping[str, bool] = field(default_factory=dict)
    """Whether it fits, by device; empty where its peak memory was not measured with the context for that."""

    @property
    def id(self) -> str:
        """``model@quantization``, with the machine behind another ``@`` where it is known."""
        return "@".join(filter(None, (self.model, self.quantization, self.machine)))

    @property
    def tps(self) -> Quantity | None:
        """Tokens a second while writing 500 tokens, or the measured length that is nearest: ``of`` says which."""
        return self.speed.tps_output if self.speed else None

    @property
    def ttft(self) -> Quantity | None:
        """Milliseconds to the first token of a prompt of 2,048 tokens, or the measured length that is nearest."""
        return self.speed.ttft_ms if self.speed else None

    @property
    def prompt_processing(self) -> Quantity | None:
        """Tokens a second of a prompt, by the engine alone (llama-bench's pp512, or the length that is nearest)."""
        return self.speed.prefill_tps if self.speed else None

    @property
    def generation(self) -> Quantity | None:
        """Tokens a second that the engine alone generates (llama-bench's tg128, or the length that is nearest)."""
        return self.speed.generate_tps if self.speed else None

    @property
    def peak(self) -> Quantity | None:
        """Peak memory of the model's process in bytes, with the context of devices (2,048 tokens) where that was
        measured; ``of`` says which context."""
        memory = self.speed.memory if self.speed else {}
        return memory.get(PEAK) or memory.get(ANY_PEAK)

    @property
    def verdict(self) -> str | None:
        """``noisy`` if one of the speeds above is, ``stable`` if all are that have a verdict, None if none has."""
        told = {one.verdict for one in self._speeds if one.verdict}
        return "noisy" if "noisy" in told else "stable" if told else None

    @property
    def noise(self) -> tuple[str, ...]:
        """Why speeds are noisy, each reason once."""
        return tuple(dict.fromkeys(one.reason for one in self._speeds if one.verdict == "noisy" and one.reason))

    @property
    def _speeds(self) -> tuple[Quantity, ...]:
        return tuple(filter(None, (self.tps, self.ttft, self.prompt_processing, self.generation)))

    @property
    def engine(self) -> str | None:
        """Name and version of the engine that was timed, or that the scores are of where nothing was."""
        timed = self.speed.engine if self.speed else None
        return timed or next((case.engine for case in self.scores.values() if case.engine), None)

    @property
    def unverified(self) -> str:
        """Why nobody here can know that its numbers are those of its weights; empty where the weights were read."""
        if self.server:
            return f"a server answered ({self.server}), whose weights nobody has verified"
        measured = self.scores or self.aggregates or self.speed
        return "unverified: numbers of others, which nobody has measured here" if self.claims and not measured else ""

    def score(self, name: str) -> UseCase | AggregateScore | None:
        """The score of a use case, or of a profile."""
        return self.scores.get(name) or self.aggregates.get(name)

    def lower(self, name: str) -> float | None:
        """The lower end of the interval of a score: what files are chosen by. None where there is no interval."""
        score = self.score(name)
        return score.interval[0] if score and score.interval else None

    def basis(self, profile: str) -> tuple[object, ...]:
        """What the aggregates of two rows have in common if one may be called better than the other: machine, mode,
        limit, settings, and the versions and variants of all tasks in it, with how many questions they had where those
        were a part."""
        total = self.aggregates[profile]
        of = (total.machine, total.mode, total.limit, total.settings)
        tasks = ((task, *known, *filter(None, [total.parts.get(task)])) for task, known in total.tasks.items())
        return (*map(str, of), total.coverage, *sorted(tasks))
