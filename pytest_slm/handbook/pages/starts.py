"""Commands that run a model: only for files that its repository has, and whose names can stand in a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_slm.handbook.facts import HubModel, HubQuantization
from pytest_slm.handbook.pages.markdown import Md, fence
from pytest_slm.models.naming import quantization_name

PREFERRED = ("Q4_K_M", "Q8_0", "Q4_0", "Q5_K_M", "Q6_K")
"""Quantizations for the examples, the first that is there."""
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*")
"""A name of a file that needs no quotes in any shell, and is nothing else in Python."""
NOT_RUN = 'sh not-run="downloads the model"'


@dataclass(frozen=True, kw_only=True)
class Start:
    """One way to run a model: its title, and the commands."""

    title: str
    block: Md


def starts(model: HubModel) -> tuple[Start, ...]:
    """All ways that the files of a model allow, the shortest first."""
    return tuple(_starts(model))


def chosen(model: HubModel) -> HubQuantization | None:
    """The quantization that examples name: in one file with a plain name, and not larger than needed."""
    usable = {one.name: one for one in model.quantizations if one.parts == 1 and PLAIN.fullmatch(one.file)}
    named = (usable[name] for name in PREFERRED if name in usable)
    return next(named, next(iter(usable.values()), None))


def measuring(model: HubModel) -> Md:
    """The commands that measure it."""
    quantization = chosen(model)
    extras, quant = ("ik", f" --slm-quant={quantization.name}") if quantization else ("hf", "")
    named = quantization is None or PLAIN.fullmatch(quantization.name)
    return fence(
        NOT_RUN,
        (
            f"pip install 'pytest-slm[{extras},hub]'",
            f"pytest --slm-model={model.repo}{quant if named else ''} --slm-budget=15m",
        ),
    )


def runs_with_transformers(model: HubModel) -> bool:
    """Whether transformers can open it: safetensors, and a configuration at the top."""
    return model.has("config.json") and any(file.name.endswith(".safetensors") for file in model.files)


def onnx_files(model: HubModel) -> tuple[str, ...]:
    """The weights for transformers.js."""
    return tuple(file.name for file in model.files if re.fullmatch(r"onnx/[\w.-]+\.onnx", file.name, re.ASCII))


def _starts(model: HubModel) -> Iterator[Start]:
    quantization = chosen(model)
    repo = model.repo
    if quantization:
        # Both find the file by the quantization in its name.
        if quantization_name(quantization.file) == quantization.name:
            yield Start(title="Ollama", block=_shell(f"ollama run hf.co/{repo}:{quantization.name}"))
            yield Start(
                title="llama.cpp",
                block=_shell(
                    f"llama-cli -hf {repo}:{quantization.name}",
                    f"llama-server -hf {repo}:{quantization.name}   # an API like OpenAI's at port 8080",
                ),
            )
        yield Start(
            title="llama-cpp-python",
            block=_python(
                "pip install llama-cpp-python huggingface-hub",
                "from llama_cpp import Llama",
                "",
                f'model = Llama.from_pretrained("{repo}", filename="{quantization.file}", n_ctx=2048)',
                'answer = model.create_chat_completion([{"role": "user", "content": "What is a quantization?"}])',
                'print(answer["choices"][0]["message"]["content"])',
            ),
        )
    if runs_with_transformers(model) and model.pipeline in (None, "text-generation"):
        yield Start(
            title="transformers",
            block=_python(
                "pip install transformers torch",
                "from transformers import pipeline",
                "",
                f'ask = pipeline("text-generation", model="{repo}")',
                'print(ask("What is a quantization?", max_new_tokens=100)[0]["generated_text"])',
            ),
        )
        yield Start(title="vLLM", block=_shell(f"vllm serve {repo}"))
    if onnx_files(model):
        yield Start(
            title="transformers.js",
            block=fence(
                'js not-run="downloads the model"',
                (
                    'import { pipeline } from "@huggingface/transformers";',
                    f'const ask = await pipeline("text-generation", "{repo}");',
                    'console.log(await ask("What is a quantization?", { max_new_tokens: 100 }));',
                ),
            ),
        )


def _shell(*lines: str) -> Md:
    return fence(NOT_RUN, lines)


def _python(install: str, *lines: str) -> Md:
    return fence(NOT_RUN, (install, "python - <<'END'", *lines, "END"))
