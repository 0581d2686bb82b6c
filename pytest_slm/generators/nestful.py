"""NESTful (Basu et al. 2025, https://arxiv.org/abs/2409.03797): calls that use the results of earlier ones.

Version 1 has 300 rows in three parts, and the functions of a part in a table of its own: a question shows those that it
needs and some others of the part, drawn by the row, since all of them take ten thousand tokens. Version 2 has the
functions of each question in its row, and the answer that its calls come to. The call ``var_result`` that ends a row of
version 1, which is no function, is left out, as in version 2.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_slm.core.record import Record, RecordError, Repo
from pytest_slm.core.types import Dataset, Sample, ToolCall
from pytest_slm.core.worlds import NO_CALL, grounded
from pytest_slm.errors import BackendError
from pytest_slm.generators import Generator, GeneratorContext, Row, own_options

PATH = "ibm-research/nestful"
VERSION_1 = """
the Hub has version 2 under this name. Version 1 is at https://github.com/IBM/NESTFUL, data_v1: write the rows of a part
as the configuration that is called like it (executable, glaive, sgd; "input" as it is, "output" as JSON text), and its
functions as spec_executable, spec_glaive and spec_sgd ("name", and "spec" with all of a function as JSON text) of
DIR/ibm-research/nestful, and give --slm-data=DIR"""
PARAMETERS = ("path_parameters", "query_parameters", "parameters", "arguments")
OUTPUTS = ("output_parameters", "output_parameter")
PROMPT = """Functions:
{tools}

Answer the request with a JSON list of the calls it needs, in order. The first call has the label "{first}", the second
"{second}", and so on; "${reference}.name$" as an argument is the output "name" of the first call. Write nothing else.
Form: [{{"name": "function", "arguments": {{"argument": "value"}}, "label": "{first}"}}]

Request: {request}"""


@dataclass(frozen=True, kw_only=True)
class NestfulOptions(Record):
    """``version`` of the data set, the ``parts`` of version 1, and how many functions it shows that are not needed."""

    path: Repo = PATH
    version: Literal["v1", "v2"] = "v1"
    parts: tuple[str, ...] = ("executable", "glaive", "sgd")
    others: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.others < 0:
            raise RecordError(f"others: expected a whole number from 0, not {self.others}")

    def tables(self) -> Sequence[Dataset]:
        """The tables that are read."""
        if self.version == "v2":
            return [Dataset(path=self.path, split="train")]
        names = [name for part in self.parts for name in (part, f"spec_{part}")]
        return [Dataset(path=self.path, config=name, split="train", elsewhere=VERSION_1) for name in names]


def generate(context: GeneratorContext) -> Iterator[Sample]:
    """A sample of each row. Raises BackendError (``data-broken``) for one that cannot be read."""
    options = context.own(NestfulOptions)
    tables = [context.rows(dataset) for dataset in options.tables()]
    try:
        if options.version == "v2":
            for row in tables[0]:
                yield _sample(str(row["sample_id"]), "v2", row, json.loads(row["tools"]), "$var_1", "$var_2")
            return
        for part, rows, specs in zip(options.parts, tables[::2], tables[1::2], strict=True):
            known = {spec["name"]: json.loads(spec["spec"]) for spec in specs}
            for number, row in enumerate(rows):
                needed = list(dict.fromkeys(call["name"] for call in _calls(row)))
                rest = random.Random(f"nestful {part} {number}")
                others = rest.sample(sorted(known.keys() - set(needed)), min(options.others, len(known)))
                shown = rest.sample([*needed, *others], len(needed) + len(others))
                tools = [known.get(name, {"name": name}) for name in shown]
                yield _sample(f"{part}-{number:03d}", part, row, tools, "var1", "var2")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackendError(
            f"{options.path} ({options.version}): a row cannot be read ({type(error).__name__}: {error!s:.200}); get "
            "it again with `pytest-slm data pull`, or set `version` to that of the data",
            slug="data-broken",
        ) from None


def _sample(id_: str, part: str, row: Row, tools: Sequence[Any], first: str, second: str) -> Sample:
    said = _calls(row)
    calls = grounded([ToolCall(name=str(one["name"]), arguments=one["arguments"], id=one["label"]) for one in said])
    answer = row.get("gold_answer")
    return Sample(
        id=id_,
        input=PROMPT.format(
            tools="\n".join(map(signature, tools)),
            first=first,
            second=second,
            reference=first.removeprefix("$"),
            request=row["input"],
        ),
        target=said,
        metadata={
            "group": part,
            "calls": len(calls),
            "functions": {"": [call.name for call in calls]},
            "parameters": {
                call.name: [f"{key} = {value}" for key, value in (call.arguments or {}).items()] for call in calls
            },
            **({} if answer is None else {"gold_answer": answer, "outputs": _outputs(tools)}),
        },
        right_answers=(json.dumps(said),),
    )


def _outputs(tools: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The name of the output of each function that has one, and not several."""
    named = {tool["name"]: list(_told_outputs(tool)) for tool in tools}
    return {name: outputs[0] for name, outputs in named.items() if len(outputs) == 1}


def _calls(row: Row) -> list[Mapping[str, Any]]:
    return [call for call in json.loads(row["output"]) if call["name"] != NO_CALL]


def signature(spec: Mapping[str, Any]) -> str:
    """A function in one line: ``name(argument: type, other?: type) -> output, ...: what it does``."""
    parameters = {name: kind for key in PARAMETERS for name, kind in (spec.get(key) or {}).items()}
    told = ", ".join(
        f"{name}{'' if not isinstance(kind, Mapping) or kind.get('required', True) else '?'}: {_type(kind)}"
        for name, kind in parameters.items()
    )
    outputs = ", ".join(list(_told_outputs(spec))[:8])
    return f"{spec['name']}({told}) -> {outputs}: {' '.join(str(spec.get('description', '')).split())[:160]}"


def _told_outputs(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((spec[key] for key in OUTPUTS if spec.get(key)), {})


def _type(kind: object) -> str:
    return str(kind.get("type", "string")) if isinstance(kind, Mapping) else "any"


NESTFUL = Generator(
    make=generate,
    options=NestfulOptions,
    datasets=lambda options: own_options(NestfulOptions, options).tables(),
    finite=True,
)
