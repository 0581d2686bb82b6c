"""How much of the expected text is in the answer? Similarity of letters (rapidfuzz), ROUGE (rouge-score), BLEU
(sacrebleu): shares from 0 to 1, or right and wrong by a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError
from pytest_slm.core.types import Generation, Sample, Verdict
from pytest_slm.scorers import Rule
from pytest_slm.scorers.answer import answer_of, bad_sample, bounded, no_answer, spellings
from pytest_slm.scorers.match import plain_text
from pytest_slm.scorers.rules.process import LimitError, limited, require, unscored


def _check_threshold(threshold: float | None) -> None:
    if threshold is not None and not 0 < threshold <= 1:
        raise RecordError(f"threshold: expected a share above 0 and up to 1, not {threshold}")


@dataclass(frozen=True, kw_only=True)
class SimilarityOptions(Record):
    """Which ``method`` of rapidfuzz; with a ``threshold`` an answer is right from there on, and wrong below."""

    method: Literal["ratio", "levenshtein", "jaro_winkler", "partial_ratio", "token_sort_ratio", "token_set_ratio"] = (
        "ratio"
    )
    threshold: float | None = None
    ignore_case: bool = True

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)


@dataclass(frozen=True, kw_only=True)
class RougeOptions(Record):
    """Which ROUGE (Lin 2004). ``tokens``: ``latin`` are those of the library, the letters a to z and digits; ``words``
    are letters and digits of any script."""

    variant: Literal["rouge1", "rouge2", "rougeL", "rougeLsum"] = "rougeL"
    measure: Literal["f", "precision", "recall"] = "f"
    stem: bool = False
    tokens: Literal["latin", "words"] = "latin"
    threshold: float | None = None

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        if self.stem and self.tokens == "words":
            raise RecordError("stem: stems are English ones, so it needs `tokens: latin`")


@dataclass(frozen=True, kw_only=True)
class BleuOptions(Record):
    """How sacrebleu cuts a sentence into tokens, and whether case counts (it does, as a rule)."""

    tokenize: Literal["13a", "intl", "char", "zh", "none"] = "13a"
    ignore_case: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)


@bounded
def similarity(sample: Sample, generation: Generation, options: SimilarityOptions) -> Verdict:
    """How similar the answer is to the nearest spelling of the target, letter by letter."""

    def plain(text: str) -> str:
        return plain_text(text, ignore_case=options.ignore_case)

    targets = [plain(text) for text in spellings(sample)]
    order = {"method": options.method, "text": plain(answer_of(generation)), "targets": targets}
    return _share(generation, "similarity", order, options.threshold)


@bounded
def rouge(sample: Sample, generation: Generation, options: RougeOptions) -> Verdict:
    """ROUGE of the answer against the nearest spelling of the target."""
    order = {
        "text": answer_of(generation),
        "targets": spellings(sample),
        "variant": options.variant,
        "measure": options.measure,
        "stem": options.stem,
        "words": options.tokens == "words",
    }
    return _share(generation, "rouge", order, options.threshold)


@bounded
def bleu(sample: Sample, generation: Generation, options: BleuOptions) -> Verdict:
    """BLEU of the answer as one sentence (smoothed, Chen and Cherry 2014), with all spellings of the target as its
    references. The mean over answers is not the BLEU of a corpus."""
    order = {
        "text": answer_of(generation),
        "targets": spellings(sample),
        "tokenize": options.tokenize,
        "ignore_case": options.ignore_case,
    }
    return _share(generation, "bleu", order, options.threshold)


def _share(generation: Generation, name: str, order: dict[str, Any], threshold: float | None) -> Verdict:
    answer = answer_of(generation)
    if not answer:
        return no_answer()
    try:
        share = min(1.0, max(0.0, *limited(name, **order)))
    except LimitError as error:
        return unscored(answer, name, error)
    told = f"{name} {share:.3f}"
    if threshold is not None:
        told += f", {'at least' if share >= threshold else 'below'} {threshold:g}"
    value = share if threshold is None else float(share >= threshold)
    return Verdict(value=value, answer=answer, explanation=told, values={name: share})


def check(sample: Sample, _options: object) -> None:
    """Raise UsageError for a sample without a target."""
    spellings(sample)


def check_rouge(sample: Sample, options: RougeOptions) -> None:
    """Raise UsageError for a target that ROUGE's own tokens would lose letters of."""
    for text in spellings(sample):
        if options.tokens == "latin" and any(letter.isalnum() and not letter.isascii() for letter in text):
            raise bad_sample(sample, f"ROUGE loses letters of {text!r:.60}. Set `tokens: words`, or take `similarity`")
        if not any(letter.isalnum() for letter in text):
            raise bad_sample(sample, f"the target {text!r:.60} has no word")


def _right(sample: Sample, _options: object) -> tuple[str, ...]:
    return spellings(sample)


SIMILARITY = Rule(
    judge=similarity,
    options=SimilarityOptions,
    check=check,
    ready=lambda _: require("similarity", "rapidfuzz"),
    right=_right,
)
ROUGE = Rule(
    judge=rouge, options=RougeOptions, check=check_rouge, ready=lambda _: require("rouge", "rouge_score"), right=_right
)
BLEU = Rule(judge=bleu, options=BleuOptions, check=check, ready=lambda _: require("bleu", "sacrebleu"), right=_right)
