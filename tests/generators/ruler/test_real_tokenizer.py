"""With a real tokenizer every prompt has its length, and the pieces tell it without counting prompts as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_slm.backends.protocol import ModelSpec
from pytest_slm.core.types import Request
from pytest_slm.generators.ruler import RULER


@pytest.fixture(scope="module")
def tokenizer(real_model):
    from pytest_slm.backends.llamacpp import LlamaCpp

    backend = LlamaCpp(ModelSpec(path=str(real_model), format="gguf"))
    yield backend
    backend.close()


def test_prompts_with_their_answers_fit_and_are_full(names, task, context, tokenizer):
    slack = {"niah_multikey_3": 90, "qa_1": 60, "qa_2": 120, "niah_multikey_2": 40, "vt": 40, "niah_single_1": 40}
    for name in names:
        wholes = []

        def whole(messages, wholes=wholes):
            wholes.append(tokenizer.count_tokens([Request(messages=messages, max_tokens=1)])[0])
            return wholes[-1]

        one = replace(
            context(name, 2048, 8),
            count_tokens=whole,
            count_texts=lambda texts: tokenizer.count_tokens([Request(prompt=text, max_tokens=1) for text in texts]),
        )
        samples = list(RULER.make(one))
        assert len(wholes) <= 1 + 6, f"{name}: one frame, and as many as 10,000 tokens are; the others are added up"
        free = [2048 - task(name).options["max_tokens"] - whole(sample.messages()) for sample in samples]
        assert min(free) >= 0, name
        assert max(free) <= slack.get(name, 30), name
