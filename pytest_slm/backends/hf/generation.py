"""Text from a model, token by token, with the time at which each token was known."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from pytest_slm.backends.hf.model import Model
from pytest_slm.backends.hf.sampling import Sampler
from pytest_slm.backends.local import Prompt
from pytest_slm.core.types import Generation, GenerationTimes
from pytest_slm.errors import BackendError


def generate(
    model: Model, prompt: Prompt, beat: Callable[[], None], seen: Callable[[Any], None] = lambda _: None
) -> Generation:
    """Write what follows a prompt, from an empty memory; ``beat`` tells every token, ``seen`` gets the last memory.

    The last token is never shown to the model, and needs no room. Raises BackendError (context-too-long) for a prompt
    that does not fit.
    """
    clock = time.perf_counter
    request, ids = prompt.request, prompt.ids
    room = min(prompt.most, model.n_ctx - len(ids) + 1)
    if room < 1:
        raise BackendError(
            f"the prompt has {len(ids)} tokens, the context of the model {model.n_ctx}: choose a shorter variant",
            slug="context-too-long",
        )
    sampler = Sampler(request)
    text = prompt.writing()
    pieces = model.tokenizer.continuing(ids)
    finish: Literal["stop", "length", "context"] = "length" if room == prompt.most else "context"
    stamps: list[float] = []
    memory: Any = None
    shown = ids
    prepared = clock()
    prefilled = sampled = 0.0
    while len(stamps) < room:
        logits, memory = model.step(shown, memory)
        logits = logits.cpu()  # waits for the device, so that the times below are those of the computation
        if not stamps:
            prefilled = clock()
        forced, favourite = text.forced(), model.favourite(logits, shown[-1])
        token = sampler.pick(logits, favourite) if forced is None else forced
        if not stamps:
            sampled = clock()
        goes_on = request.forced_length or forced is not None
        if token in model.ends and not goes_on and not text.closes(model.tokenizer.spelled(token)):
            finish = "stop"
            break
        stopped = text.add(pieces.add(token).encode())
        stamps.append(clock() - prompt.started)
        beat()
        if stopped and not request.forced_length:
            finish = "stop"
            break
        if text.full:
            finish = "length"
            break
        ids = [*ids, token] if memory is None else ids
        shown = [token] if memory is not None else ids
    seen(memory)
    return Generation(
        **text.finish(pieces.finish().encode() if finish != "stop" else b"").to_json(),
        n_prompt=len(prompt.ids),
        n_unshown=prompt.n_unshown,
        n_output=len(stamps),
        finish=finish,
        timings=GenerationTimes(
            prepare_s=prepared - prompt.started,
            prefill_s=prefilled - prepared,
            sample_s=sampled - prefilled,
            token_s=tuple(stamps),
            end_s=clock() - prompt.started,
            n_evaluated=len(prompt.ids),
            detokenize_s=max(0.0, stamps[0] - (sampled - prompt.started)) if stamps else 0.0,
        ),
    )
