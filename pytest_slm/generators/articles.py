"""Questions with the articles that answer them: from the rows of a data set, and the mirror's files of Wikipedia.

Articles that are longer together than the room that is left are cut at their ends, by lines: none gets more than its
share of the room as long as another lacks some. Whether a sample's are whole is one of its groups.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_slm.core.record import RecordError
from pytest_slm.core.types import Dataset, Message, Sample
from pytest_slm.errors import BackendError, NotAvailableError, UsageError
from pytest_slm.generators import Generator, GeneratorContext, Row, own_options
from pytest_slm.generators.rows import RowsOptions, samples_of

WHOLE, CUT = "articles whole", "articles cut"
"""The groups."""
LETTERS = 16
"""Letters of a token at most, on average over thousands: what of an article is looked at."""
SPARE = 16
"""Tokens that stay free, since texts may be a token longer at their seams."""


@dataclass(frozen=True, kw_only=True)
class ArticlesOptions(RowsOptions):
    """As those of ``rows``; the column ``links`` has the articles' addresses, as a list or as the text of one.
    ``input`` has ``{articles}`` where they come, each under its title; ``max_tokens`` is left free for the answer."""

    links: str
    max_tokens: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if "{articles}" not in str(self.sample.get("input")):
            raise RecordError("sample: input has no {articles}, where they are to stand")


def links_of(options: ArticlesOptions, row: Row) -> list[str]:
    """The addresses of a row. Raises RecordError where they cannot be read."""
    value = row.get(options.links)
    try:
        found = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise RecordError(f"{options.links}: no list of addresses ({error!s:.200})") from None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise RecordError(f"{options.links}: no list of addresses")
    return list(dict.fromkeys(found))


def links(said: Mapping[str, Any], rows: Callable[[Dataset], Sequence[Row]]) -> list[str]:
    """All addresses of a task's rows, for ``pytest-slm data pull``."""
    options = own_options(ArticlesOptions, said)
    return [address for row in rows(options.dataset) for address in links_of(options, row)]


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """As many samples as the limit allows, of rows drawn by the seed whose articles are all there.

    Raises NotAvailableError (``articles-missing``) where there is none, UsageError for a variant without a length, and
    BackendError (``data-broken``) for a row that cannot be read.
    """
    options = context.own(ArticlesOptions)
    length = context.variant.get("max_seq_length")
    if not isinstance(length, int) or isinstance(length, bool) or length <= options.max_tokens:
        told = 'every variant needs the length of prompt and answer in tokens: `"8192": {max_seq_length: 8192}`'
        raise UsageError(f"the generator articles: {told}", slug="articles-variant")
    rows = list(enumerate(context.rows(options.dataset)))
    random.Random(f"articles {context.seed}").shuffle(rows)
    taken, lacking, digest = 0, 0, hashlib.sha256()
    for number, row in rows:
        if taken == context.n_samples:
            break
        try:
            found = [context.article(address) for address in links_of(options, row)]
        except RecordError as error:
            raise BackendError(f"{options.dataset.path}, row {number}: {error}", slug="data-broken") from None
        articles = [one for one in found if one is not None]
        if len(articles) < len(found):
            lacking += 1
            continue
        taken += 1
        digest.update(json.dumps(articles).encode())
        context.facts.update(articles_sha256=digest.hexdigest(), questions_without_articles=lacking)
        yield _sample(context, options, {"row": number, **row}, articles, length - options.max_tokens)
    if not taken:
        told = f"none of the {len(rows)} questions has all of its articles in the mirror"
        raise NotAvailableError(
            f"{options.dataset.path}: {told}; `pytest-slm data pull DIR` fetches them from Wikipedia, then give "
            "--slm-data=DIR",
            slug="articles-missing",
        )


def _sample(
    context: GeneratorContext, options: ArticlesOptions, row: Row, articles: Sequence[tuple[str, str]], most: int
) -> Sample:
    """The sample of a row with as much of its articles as fits into so many tokens."""

    def made(texts: Sequence[str]) -> Sample:
        told = "\n\n".join(f"{title}\n{text}" for (title, _), text in zip(articles, texts, strict=True))
        (sample,) = samples_of(options, [{**row, "articles": told}])
        return sample

    def length(texts: Sequence[str]) -> int:
        return context.count_tokens((Message(role="user", content=str(made(texts).input)),))

    room = most - length([""] * len(articles)) - SPARE
    lines = [_lines(text, room * LETTERS) for _, text in articles]
    counts = list(context.count_texts([f"{line}\n" for one in lines for line in one]))
    places = itertools.accumulate(map(len, lines), initial=0)
    sizes = [counts[start : start + len(one)] for start, one in zip(places, lines, strict=False)]
    shares = shared([sum(one) for one in sizes], room)
    while True:
        kept = [one[: _fitting(size, share)] for one, size, share in zip(lines, sizes, shares, strict=True)]
        texts = ["\n".join(one) for one in kept]
        if (over := length(texts) - most) <= 0 or not any(kept):
            break
        longest = shares.index(max(shares))
        shares[longest] -= over
    cut = any(shown != text for shown, (_, text) in zip(texts, articles, strict=True))
    sample = made(texts)
    about = {
        "articles": len(articles),
        "letters": sum(len(text) for _, text in articles),
        "letters_shown": sum(map(len, texts)),
    }
    return replace(sample, groups=(*sample.groups, CUT if cut else WHOLE), metadata={**sample.metadata, **about})


def _lines(text: str, letters: int) -> list[str]:
    return text[: max(0, letters)].split("\n")


def _fitting(sizes: Sequence[int], share: int) -> int:
    """How many lines have so many tokens together."""
    return sum(total <= share for total in itertools.accumulate(sizes))


def shared(wanted: Sequence[int], room: int) -> list[int]:
    """A share of the room for each: what it wants, or as much as any other that does not get that."""
    shares = [0] * len(wanted)
    left = max(0, room)
    for done, place in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        shares[place] = min(wanted[place], left // (len(wanted) - done))
        left -= shares[place]
    return shares


ARTICLES = Generator(
    make=generate,
    options=ArticlesOptions,
    datasets=lambda options: [Dataset.from_json(options["dataset"])],
    links=links,
)
