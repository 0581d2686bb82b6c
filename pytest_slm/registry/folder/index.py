"""What stands in the files of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_slm.core.aggregation import ScoreRules
from pytest_slm.core.record import FileName, Inside, Name, Record, RecordError, Sha256, Slug, Time, is_file_name
from pytest_slm.core.statistics import Interval
from pytest_slm.registry.entry import RegistryEntry, RegistryMetadata

INDEX = "index.json"
MODELS = "models"


def model_path(model: str) -> str:
    """Where a model stands, relative to the folder of the registry."""
    return f"{MODELS}/{model}.json"


@dataclass(frozen=True, kw_only=True)
class IndexedModel(Record):
    """A model of the registry, its file's hash, and the reports that the file was made from, by path with their hash;
    those are looked at again only where they changed."""

    id: Slug
    name: Name
    sha256: Sha256
    files: int
    """Rows: quantizations on machines."""
    reports: Mapping[Inside, Sha256]
    names: tuple[str, ...] = ()
    """The ids that its reports alone would have."""
    weights: tuple[Sha256, ...] = ()
    """The hashes of all its weights: by them further reports find it."""
    claims: int = 0
    sample_bytes: int = 0
    """Of all sample files beside its reports, of which scores of questions are read."""
    samples: Sha256 = ""
    """The hash of what is in these files; empty where there are none."""
    finished: Time | None = None
    """When its newest report was."""
    machines: Mapping[str, str] = field(default_factory=dict)
    """What its machines are, by fingerprint."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not is_file_name(f"{self.id}.json"):
            raise RecordError(f"id: {self.id!r:.80} can be no name of a file")


@dataclass(frozen=True, kw_only=True)
class Standing(Record):
    """The place of a file in a profile, as in ``AggregateScore``: with a rank, or why there is none."""

    model: Slug
    quantization: FileName
    machine: str
    score: float
    interval: Interval | None
    coverage: float
    chance: float | None
    corrected: float | None
    rank: int | None
    ranked: int | None
    rank_interval: tuple[int, int] | None
    tier: int | None
    unranked: str
    outdated: bool = False
    """Whether what is ``unranked`` depends on the others: it was measured with an older version of a task, or with
    fewer of its questions."""
    versions: int = -1
    """The place of the versions of its tasks in ``Index.versions``."""
    parts: int = -1
    """The place in ``Index.parts`` of how many questions its tasks had; -1 where they had all."""
    basis: int = -1
    """The place in ``Index.bases`` of what its aggregate is made of."""


@dataclass(frozen=True, kw_only=True)
class RefusedReport(Record):
    """A report that is in no entry: its path below the reports folder, and why, with the slug of the error."""

    path: str
    sha256: Sha256
    reason: str
    slug: str


@dataclass(frozen=True, kw_only=True)
class Index(Record):
    """``index.json``: all models with the hashes of their files, the ranking of each profile, and refused reports.

    ``made_by`` is the version of pytest-slm: what another one has made is made anew. ``versions``, ``parts``
    and ``bases`` are what many standings have in common, so that all are ranked again without a look at their
    models."""

    metadata: RegistryMetadata
    rules: ScoreRules
    models: tuple[IndexedModel, ...]
    ranking: Mapping[Name, tuple[Standing, ...]] = field(default_factory=dict)
    refused: tuple[RefusedReport, ...] = ()
    made_by: str = ""
    versions: tuple[Mapping[str, int], ...] = ()
    parts: tuple[Mapping[str, int], ...] = ()
    bases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        ids = [model.id for model in self.models]
        if len(set(ids)) != len(ids):
            raise RecordError("models: two of one id")
        for one in (one for found in self.ranking.values() for one in found):
            places = ((one.versions, self.versions), (one.parts, self.parts), (one.basis, self.bases))
            if not all(-1 <= place < len(table) for place, table in places):
                raise RecordError(f"ranking: {one.model} refers to what is not in the index")

    def __str__(self) -> str:
        models, reports = len(self.models), sum(len(model.reports) for model in self.models)
        return f"{models} model{'' if models == 1 else 's'} from {reports} report{'' if reports == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class ModelFile(Record):
    """``models/<id>.json``: one entry. Ranks are no part of it, since they depend on all others."""

    schema_version: Literal["3.0.0"] = "3.0.0"
    model: RegistryEntry
