"""lm-eval's ``hf`` model, told beforehand what we wrote, so that 500 long answers take minutes rather than hours.

Greedy decoding has one outcome, so a guess of it can be checked in one pass: where the likeliest token after every
prefix of the guess is the guess's own next token, stepping would have written just that (speculative decoding,
Leviathan et al. 2023, with our text as the draft). From the first token that differs on, the model writes alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from tqdm import tqdm
from transformers import DynamicCache

from pytest_slm.answers.store import AnswerStore, digest


class DraftedHFLM(HFLM):
    """``HFLM`` whose greedy ``generate_until`` reads ``drafts[prompt]`` first; the answers are those of ``HFLM``.

    ``compared`` and ``equal`` count the prompts that were answered by ``HFLM.generate_until`` too (the first
    ``checked`` of every call), and those of them whose two texts are the same.
    """

    def __init__(self, *arguments: Any, checked: int = 8, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.drafts: dict[str, str] = {}
        self.kept: AnswerStore | None = None
        """What was written already, so that an interrupted measurement goes on."""
        self.checked = checked
        self.compared = self.equal = 0
        self._held: list[int] = []  # the tokens whose keys and values are in `_past`
        self._past = DynamicCache()

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        if not self.drafts:
            return super().generate_until(requests, disable_tqdm)
        texts: dict[int, str] = {}
        # Neighbours in this order begin alike, and what they share stays in the cache.
        order = sorted(range(len(requests)), key=lambda number: requests[number].args[0])
        for number in tqdm(order, disable=disable_tqdm, desc="reading drafts"):
            texts[number] = self._kept(*requests[number].args)
        first = order[: self.checked]
        own = super().generate_until([requests[number] for number in first], disable_tqdm=True)
        self.compared += len(first)
        self.equal += sum(text == texts[number] for text, number in zip(own, first, strict=True))
        return [texts[number] for number in range(len(requests))]

    def _kept(self, prompt: str, how: Mapping[str, Any]) -> str:
        name = digest([prompt, how])
        known = self.kept.get(name) if self.kept else None
        text = str(known[0]) if known else self._answer(prompt, how)
        if self.kept and not known:
            self.kept.add(name, [text])
        return text

    def _answer(self, prompt: str, how: Mapping[str, Any]) -> str:
        named = normalize_gen_kwargs(dict(how), self.max_gen_toks)
        eos = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        until = handle_stop_sequences(named["until"], eos=eos)
        ids = self.tok_encode(prompt)
        most = named["max_gen_toks"]
        if named.get("do_sample") or len(ids) > self.max_length - most:
            raise ValueError("drafts are for greedy requests that fit into the model's context")
        whole = self.tok_encode(prompt + self.drafts.get(prompt, ""))
        draft = whole[len(ids) :][:most] if whole[: len(ids)] == ids else []
        written = self._write(ids, draft, until, most)
        return postprocess_generated_text(generation=self.tok_decode(written), stop=until, think_end_token=None)

    @torch.inference_mode()
    def _write(self, ids: list[int], draft: list[int], until: Sequence[str], most: int) -> list[int]:
        """The greedy tokens after ``ids``: those of the draft as far as they are, then one by one."""
        best = self._best(ids, draft)
        agreed = next((at for at, token in enumerate(draft) if best[at] != token), len(draft))
        written, following = draft[:agreed], best[agreed]
        while len(written) < most:
            written.append(following)
            if following == self.eot_token_id or any(term in self.tok_decode(written) for term in until):
                break
            if len(written) < most:
                following = self._best(ids + written, [])[0]
        return written

    def _best(self, ids: list[int], draft: list[int]) -> list[int]:
        """The likeliest token after ``ids`` and after each token of ``draft``; what the cache holds is not read."""
        shared = next((at for at, (a, b) in enumerate(zip(self._held, ids, strict=False)) if a != b), len(self._held))
        shared = min(shared, len(ids) - 1)
        surplus = len(self._held) - shared
        if not shared:
            self._past = DynamicCache()
        elif surplus:
            self._past.crop(-surplus)
        self._held = ids + draft
        fresh = torch.tensor([self._held[shared:]], device=self.device)
        logits = self.model(fresh, past_key_values=self._past, use_cache=True, logits_to_keep=len(draft) + 1).logits
        return logits[0].argmax(-1).tolist()
