"""Speeds of one length: a short answer is written faster than a long one, and a short prompt is read sooner, so that
only numbers of one length can be put in an order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pytest_slm.site.facts.files import FileFacts
from pytest_slm.site.home.columns import BY_KEY, PLACES


def at_common_lengths(files: Iterable[FileFacts]) -> tuple[FileFacts, ...]:
    """The same files, each with its speeds at the length that most files of its machine share; ``at`` says which length
    that is, and its place in the order of lengths, where a file was timed with others only."""
    files = tuple(files)
    counted: dict[tuple[str, str], Counter[str]] = {}
    timed: Counter[tuple[str, str]] = Counter()
    for file in files:
        for key, found in file.lengths.items():
            counted.setdefault((file.machine_title, key), Counter()).update(found.keys())
            timed[file.machine_title, key] += 1
    orders = {
        (machine, key): _ordered(counts, timed[machine, key], BY_KEY[key].standard)
        for (machine, key), counts in counted.items()
    }
    return tuple(_at(file, orders) for file in files)


def _ordered(counts: Mapping[str, int], files: int, standard: int) -> list[str]:
    """The common length first. Of those that more than half of the files share it is the standard one, or else the
    longest; where there are none, the one that the most files share."""
    lengths = sorted(counts, key=lambda of: (-counts[of], -_tokens(of), of))
    most = [of for of in lengths if 2 * counts[of] > files]
    common = max(most, key=lambda of: (_tokens(of) == standard, _tokens(of)), default=lengths[0])
    return [common, *(of for of in lengths if of != common)]


def _tokens(of: str) -> int:
    """``500 tokens`` -> 500; 0 for what is no length."""
    count = of.partition(" ")[0]
    return int(count) if count.isdecimal() and len(count) < 12 else 0


def _at(file: FileFacts, orders: Mapping[tuple[str, str], Sequence[str]]) -> FileFacts:
    # Nearly all stand at the common length already.
    if all(key in file.at and file.at[key][1] == orders[file.machine_title, key][0] for key in file.lengths):
        return file
    values, notes, at = [*file.values], [*file.notes], {}
    for key, found in file.lengths.items():
        place, of = next((n, of) for n, of in enumerate(orders[file.machine_title, key]) if of in found)
        values[PLACES[key]], notes[PLACES[key]] = found[of]
        at[key] = (place, of)
    return file._replace(values=values, notes=notes, at=at)
