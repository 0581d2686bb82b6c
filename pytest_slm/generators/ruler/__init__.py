"""RULER's 13 tasks (Hsieh et al. 2024, https://arxiv.org/abs/2404.06654), as NVIDIA's repository defines them.

A prompt is as long as its variant says, answer prefix and the tokens of the answer included, in the model's own tokens;
docs/ruler.md says what differs from the original scripts. The same sample in another length has the same needles,
variables, words or question, so that lengths are compared on the same things.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pytest_slm.core.types import Dataset, Sample
from pytest_slm.generators import Generator, GeneratorContext, own_options
from pytest_slm.generators.ruler import words
from pytest_slm.generators.ruler.chains import AssignmentChain, example_lines
from pytest_slm.generators.ruler.counting import Filling, TextPieces
from pytest_slm.generators.ruler.drafts import Draft, Length, samples
from pytest_slm.generators.ruler.frequent import CommonWords, FrequentWords
from pytest_slm.generators.ruler.haystacks import sentences
from pytest_slm.generators.ruler.needles import Needles, essays, noise
from pytest_slm.generators.ruler.options import RulerOptions
from pytest_slm.generators.ruler.questions import DocumentQuestion, read

SHORT_NAMES = {
    "variable_tracking": "vt",
    "common_words_extraction": "cwe",
    "freq_words_extraction": "fwe",
}


def make(context: GeneratorContext) -> Iterator[Sample]:
    """``context.limit`` samples of a task whose prompts have at most ``variant.max_seq_length`` tokens with their
    answer. Raises NotAvailableError where words, rows or room are missing, UsageError for a variant without a
    length."""
    options = context.own(RulerOptions)
    return samples(_drafts(options, context), context, SHORT_NAMES.get(options.task, options.task))


def _drafts(options: RulerOptions, context: GeneratorContext) -> Iterator[Draft]:
    length = Length.of(context)
    about = {key: value for key, value in options.to_json().items() if key not in ("rows", "essays", "haystack")}
    seed = f"ruler {json.dumps(about)} {context.seed}"
    if options.task == "qa":
        corpus = read(options, context)
        order = random.Random(seed).sample(corpus.questions, len(corpus.questions))
        yield from (DocumentQuestion(corpus, question, f"{seed} {question.id}") for question in order)
        return
    seeds = [f"{seed} {index}" for index in range(context.n_samples)]
    if options.task == "niah":
        if "words" in (options.type_needle_k, options.type_needle_v):
            context.facts.update(words.facts())

        @cache
        def hay() -> Filling:
            if options.type_haystack == "noise":
                return noise()
            return essays(sentences(context, options.essays, options.haystack))

        yield from (Needles(options, one, hay) for one in seeds)
    elif options.task == "variable_tracking":
        lines, filling = example_lines(options, seeds[0], TextPieces(context.count_texts)), noise()
        yield from (AssignmentChain(options, one, lines, filling) for one in seeds)
    elif options.task == "common_words_extraction":
        context.facts.update(words.facts())
        yield from (CommonWords(options, one, length) for one in seeds)
    else:
        yield from (FrequentWords(one, length) for one in seeds)


def _datasets(options: Mapping[str, Any]) -> Sequence[Dataset]:
    told = own_options(RulerOptions, options)
    return [told.data] if told.task == "qa" else []


RULER = Generator(make=make, options=RulerOptions, datasets=_datasets)
