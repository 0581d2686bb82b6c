"""The facts of models in several files: of those only the ones in which a model changed are made again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pytest_slm import files
from pytest_slm.site.facts.files import ModelFacts, packed, unpacked
from pytest_slm.site.facts.summary import Summary, merged, summary_of
from pytest_slm.site.kept import keeping
from pytest_slm.site.left_out import ODD
from pytest_slm.workers import uncollected


class FactsShard(NamedTuple):
    """What is known of some models, for JSON: their packed facts by id, and what they add up to."""

    facts: Mapping[str, Any]
    summary: Any


class Parts(NamedTuple):
    """What each of them adds, by id: what the sum is made of again where one of them changed."""

    found: Mapping[str, Summary]


def shard_of(
    made: Mapping[str, tuple[ModelFacts, Summary]], old: tuple[FactsShard, Parts] | None, kept: Iterable[str]
) -> tuple[FactsShard, Parts]:
    """The shard of models that were ``made``, and of those that are ``kept`` of the ``old`` one."""
    facts = {name: packed(found) for name, (found, _) in made.items()}
    parts = {name: part for name, (_, part) in made.items()}
    if old is not None:
        for name in kept:
            facts[name], parts[name] = old[0].facts[name], old[1].found[name]
    names = sorted(facts)
    summary = merged(parts[name] for name in names).to_json()
    return FactsShard({name: facts[name] for name in names}, summary), Parts({name: parts[name] for name in names})


def models_of(shards: Iterable[FactsShard]) -> dict[str, ModelFacts]:
    """All models of some shards, by id. Raises ValueError, TypeError or LookupError for what is none."""
    return {one.id: one for one in unpacked(facts for shard in shards for facts in shard.facts.values())}


def summary_of_all(shards: Iterable[FactsShard]) -> Summary:
    """What all of them add up to. Raises as above."""
    return merged(summary_of(shard.summary) for shard in shards)


# -- kept ---------------------------------------------------------------------------------------------------------


def put_shard(folder: Path, name: str, shard: FactsShard, parts: Parts) -> str:
    """Keep it; returns what it is asked for by. Raises OSError."""
    first = keeping.put(folder, f"{name}.json", _text(shard))
    rest = {name: part.to_json() for name, part in parts.found.items()}
    return f"{first} {keeping.put(folder, f'{name}.parts.json', _text(rest))}"


def kept_shard(folder: Path, name: str, asked: str) -> FactsShard:
    """The shard that was kept. Raises ValueError where it is not what is asked for."""
    return FactsShard(*_read(folder / f"{name}.json", asked.partition(" ")[0]))


def kept_shards(folder: Path | None, asked: Mapping[str, str]) -> dict[str, FactsShard]:
    """Those that were kept and are what is asked for, by name."""
    found = {}
    if folder is not None:
        for name, digest in asked.items():
            with contextlib.suppress(*ODD):
                found[name] = kept_shard(folder, name, digest)
    return found


def kept_parts(folder: Path, name: str, asked: str) -> Parts:
    """What its models add. Raises as above."""
    found = _read(folder / f"{name}.parts.json", asked.partition(" ")[2])
    return Parts({name: summary_of(part) for name, part in found.items()})


def _text(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode("ascii")


def _read(path: Path, digest: str) -> Any:
    try:
        content = files.read_bytes(path, files.LINES)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"{path.name} is not what was kept")
    with uncollected():
        return json.loads(content)
