"""A needle in a haystack of an exact length: one random code hidden in plain sentences (Kamradt 2023; RULER, Hsieh et
al. 2024).

The length is that of the whole prompt in the model's own tokens: chat template, instruction, haystack, needle and
question. The code is random and the haystack has no digits, so that neither guessing nor echoing the question can be
right.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count

from pytest_slm.core.record import Record, RecordError, stays_inside
from pytest_slm.core.types import Message, Sample
from pytest_slm.errors import BackendError, UsageError
from pytest_slm.files import inside, read_bytes
from pytest_slm.generators import Generator, GeneratorContext
from pytest_slm.generators.fitting import fit_sentences, fit_words, missing_of

DEPTHS = (0, 25, 50, 75, 100)
_MAX_COUNTS = 25

_ADJECTIVES = ("amber", "brisk", "copper", "dusty", "emerald", "frosty", "golden", "hollow", "ivory", "jagged", "lilac")
_NOUNS = (
    "lantern",
    "anchor",
    "beacon",
    "cabinet",
    "drawer",
    "engine",
    "falcon",
    "gallery",
    "harbour",
    "kettle",
    "vault",
)
_PADDING = (
    *("oak", "sun", "cup", "map", "red", "hat", "ink", "box", "fox", "pen", "jar", "owl", "tin", "key", "bow", "pot"),
    *(
        "web",
        "fan",
        "nut",
        "egg",
        "log",
        "bag",
        "an",
        "it",
        "no",
        "so",
        "bell",
        "hill",
        "lamp",
        "road",
        "stone",
        "river",
    ),
)
# From the second round on, the sentences come back under these; none is repeated word by word in the first 21 rounds.
_LEAD_INS = (
    "In the next town,", "A year later,", "On the other coast,", "As the letters tell,", "In a second report,",
    "Further north,", "During the rainy season,", "In another valley,", "On quiet days,", "According to the guide,",
    "Across the river,", "As the older people say,", "In the spring after that,", "On the islands,", "Near the border,",
    "As far as anyone remembers,", "In the new district,", "At the end of the month,", "By all accounts,", "Elsewhere,",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NiahOptions(Record):
    """Depths of the needle in percent, and a text file of sentences, one a line, relative to the suite."""

    depths: tuple[int, ...] = DEPTHS
    haystack: str = "data/haystack.txt"

    def __post_init__(self) -> None:
        if not stays_inside(self.haystack):
            raise RecordError(f"haystack: expected a path inside the suite's folder, not {self.haystack!r:.80}")
        if not self.depths or not all(0 <= depth <= 100 for depth in self.depths):
            raise RecordError(f"depths: expected percentages from 0 to 100, not {list(self.depths)}")


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """``context.limit`` samples of exactly ``variant.context_tokens`` tokens; depths take turns from 0 to 100 %.

    Options: ``haystack`` (a text file, one sentence a line, relative to the suite), ``sha256`` of it, ``depths``.
    Raises BackendError (niah-fit) if the tokenizer allows no exact fit within 25 counts.
    """
    depths = context.own(NiahOptions).depths
    tokens = context.variant.get("context_tokens")
    if not isinstance(tokens, int) or isinstance(tokens, bool):
        raise UsageError(
            'niah: every variant needs a whole number of tokens, as in `variants: {"1024": {context_tokens: 1024}}`',
            slug="niah-variant",
        )
    sentences = read_haystack(context)
    for index in range(context.n_samples):
        depth = depths[index % len(depths)]
        rng = random.Random(f"niah {context.seed} {tokens} {index}")
        prompt = _Prompt(sentences, depth, rng)
        text = _fit(prompt, tokens, context, rng)
        yield Sample(
            id=f"niah-{tokens}-{depth:03d}-{index:03d}",
            input=text,
            target=prompt.code,
            metadata={"depth": depth, "context_tokens": tokens},
        )


def read_haystack(context: GeneratorContext) -> tuple[str, ...]:
    """The sentences of the haystack file. Raises UsageError if it is missing, changed, or holds a digit."""
    name = context.own(NiahOptions).haystack
    path = context.folder / name
    try:
        data = read_bytes(inside(context.folder, name))
    except OSError as error:
        raise UsageError(f"{path}: the haystack cannot be read ({error.strerror})", slug="samples-missing") from error
    wanted, got = context.options.get("sha256"), hashlib.sha256(data).hexdigest()
    if wanted is not None and got != wanted:
        raise UsageError(
            f"{path}: SHA-256 is {got}, the task declares {wanted}. If the change is meant, declare the new hash and "
            "raise the task's version",
            slug="samples-changed",
        )
    sentences = tuple(line.strip() for line in data.decode("utf-8").splitlines() if line.strip())
    if not sentences or any(letter.isdigit() for sentence in sentences for letter in sentence):
        raise UsageError(
            f"{path}: expected sentences without digits, one a line: a number in the haystack could be a needle",
            slug="niah-haystack",
        )
    return sentences


class _Prompt:
    """The prompt of one sample as a function of two sizes: sentences of haystack and words of padding."""

    def __init__(self, sentences: Sequence[str], depth: float, rng: random.Random) -> None:
        self.depth = depth
        self.code = str(rng.randint(10_000, 99_999))
        key = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
        self._needle = f"The access code for the {key} is {self.code}."
        self._question = f"What is the access code for the {key}? Answer with the code only."
        # A generator of its own: how often the tokenizer asked must not change which padding words come.
        self._haystack = _endless(sentences, random.Random(rng.random()))
        self._drawn: list[str] = []

    def text(self, n_sentences: int, padding: Sequence[str]) -> str:
        """The needle between two sentences, ``depth`` percent of the letters before it; padding at the far end."""
        while len(self._drawn) < n_sentences:
            self._drawn.append(next(self._haystack))
        parts = self._drawn[:n_sentences]
        if padding:
            filler = " ".join(padding).capitalize() + "."
            parts = [*parts, filler] if self.depth < 50 else [filler, *parts]
        # By letters, not by sentences: those of later rounds are longer, which would move the needle forward.
        ends = [0, *accumulate(len(part) for part in parts)]
        place = min(range(len(ends)), key=lambda index: abs(ends[index] - self.depth / 100 * ends[-1]))
        haystack = " ".join([*parts[:place], self._needle, *parts[place:]])
        return f"Read the text and answer the question after it.\n\n{haystack}\n\n{self._question}"


def _endless(sentences: Sequence[str], rng: random.Random) -> Iterator[str]:
    for turn in count():
        for index in rng.sample(range(len(sentences)), len(sentences)):
            sentence = sentences[index]
            lead_in = _LEAD_INS[(turn + index) % len(_LEAD_INS)]
            yield f"{lead_in} {sentence[0].lower()}{sentence[1:]}" if turn else sentence


def _fit(prompt: _Prompt, tokens: int, context: GeneratorContext, rng: random.Random) -> str:
    """The text whose whole prompt has exactly ``tokens`` tokens."""
    failure = BackendError(
        f"niah: no prompt of exactly {tokens} tokens found in {_MAX_COUNTS} counts (depth {prompt.depth}): the "
        "tokenizer does not take the padding words one by one. Choose another context_tokens",
        slug="niah-fit",
    )
    missing_in = missing_of(
        tokens,
        lambda text: context.count_tokens((Message(role="user", content=text),)),
        most=_MAX_COUNTS,
        failure=failure,
    )
    room = missing_in(prompt.text(0, ()))
    if room < 0:
        raise BackendError(
            f"niah: needle and question alone take {tokens - room} tokens, more than the {tokens} of the whole prompt. "
            "Choose a greater context_tokens",
            slug="niah-fit",
        )
    n_sentences, room = fit_sentences(lambda n: missing_in(prompt.text(n, ())), room)
    padding = fit_words(lambda words: missing_in(prompt.text(n_sentences, words)), room, rng, _PADDING)
    return prompt.text(n_sentences, padding)


NIAH = Generator(make=generate, options=NiahOptions)
