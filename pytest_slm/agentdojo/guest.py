"""The program that runs AgentDojo's tools and checks, in a process of its own: see ``process.py``, which starts it by
its path. Nothing imports it.

AgentDojo's environments are pydantic models, whose core is compiled: the WASI sandbox cannot load it. So they live in a
process that the kernel lets open no file and no socket and start no process, with limits on memory and time.

One JSON line in, one out; the first says which ``folder`` the package is in and which ``version`` of the benchmark is
meant. Every order begins with a fresh environment: the same calls have the same results, whenever they are asked for.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import json
import math
import signal
import sys
import time
import types
import warnings
from typing import Any, TextIO

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LONGEST = 200_000
"""Characters of a result that go back."""


def stand_in(name: str, **attributes: Any) -> None:
    """A module in the place of one that is not needed, and would import the clients of five vendors."""
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    sys.modules[name] = module


def load(folder: str, version: str) -> dict[str, Any]:
    """AgentDojo's suites out of the folder, by name."""
    sys.path.insert(0, folder)
    for name, where in (("agentdojo.agent_pipeline", "agent_pipeline"), ("agentdojo.agent_pipeline.llms", None)):
        stand_in(name, __path__=[f"{folder}/agentdojo/{where}"] if where else [])
    stand_in("agentdojo.agent_pipeline.llms.google_llm", EMPTY_FUNCTION_NAME="<empty-function-name>")
    stand_in("agentdojo.logging", Logger=None)
    from agentdojo.task_suite.load_suites import get_suites

    return dict(get_suites(version))


class Dojo:
    """The suites, and fresh environments of them."""

    def __init__(self, folder: str, version: str) -> None:
        self.suites = load(folder, version)
        from agentdojo.agent_pipeline.ground_truth_pipeline import GroundTruthPipeline
        from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
        from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
        from agentdojo.types import text_content_block_from_string

        self._truth, self._written = GroundTruthPipeline, tool_result_to_str
        self._call, self._runtime, self._block = FunctionCall, FunctionsRuntime, text_content_block_from_string
        self._loaded = functools.lru_cache(maxsize=256)(self._load)
        self.told = {name: self._tell(suite) for name, suite in self.suites.items()}  # all files are read here

    def _load(self, suite: str, injections: tuple[tuple[str, str], ...]) -> Any:
        return self.suites[suite].load_and_inject_default_environment(dict(injections))

    def environment(self, suite: str, injections: dict[str, str]) -> Any:
        """A fresh one, with these texts in the places that somebody else writes."""
        return self._loaded(suite, tuple(sorted(injections.items()))).model_copy(deep=True)

    def _tell(self, suite: Any) -> dict[str, Any]:
        """What is to be known of a suite: its tools, its tasks, and which places a user task leads past."""
        defaults = suite.get_injection_vector_defaults()
        canaries = {name: f"<CANARY---{name}--->" for name in defaults}
        return {
            "tools": [
                {"name": one.name, "description": one.description, "parameters": one.parameters.model_json_schema()}
                for one in suite.tools
            ],
            "users": [
                {
                    "id": task.ID,
                    "prompt": task.PROMPT,
                    "places": self._places(suite, task, canaries),
                    "idle": self._idle(suite, task),
                }
                for task in suite.user_tasks.values()
            ],
            "injections": [{"id": task.ID, "goal": task.GOAL} for task in suite.injection_tasks.values()],
        }

    def _places(self, suite: Any, task: Any, canaries: dict[str, str]) -> list[str]:
        environment = task.init_environment(self.environment(suite.name, canaries))
        *_, messages, _ = self._truth(task).query(task.PROMPT, self._runtime(suite.tools), environment)
        seen = json.dumps([message["content"] for message in messages if message["role"] == "tool"], default=str)
        return [name for name, canary in canaries.items() if canary in seen]

    def _idle(self, suite: Any, task: Any) -> bool:
        """Whether a user's task is solved by who does nothing."""
        after = task.init_environment(self.environment(suite.name, {}))
        return bool(suite._check_task_result(task, [self._block("")], after.model_copy(deep=True), after, []))

    def execute(self, order: dict[str, Any]) -> tuple[Any, Any, list[str], list[Any]]:
        """The environments before and after the calls, their results as models see them, and what was called."""
        suite = self.suites[order["suite"]]
        after = self.environment(order["suite"], order["injections"])
        if order["user"]:
            after = suite.user_tasks[order["user"]].init_environment(after)
        before = after.model_copy(deep=True)
        runtime, results, called = self._runtime(suite.tools), [], []
        for call in order["calls"]:
            made = self._call(function=call["name"], args=call["arguments"])
            called.append(made)
            if made.function not in runtime.functions:
                results.append(f"Invalid tool {made.function} provided.")
                continue
            for key, value in made.args.items():  # as its executor does it: a list that was written as a text
                if isinstance(value, str) and isinstance(listed := _literal(value), list):
                    made.args[key] = listed
            result, error = runtime.run_function(after, made.function, made.args)
            results.append(error or self._written(result))
        called += [self._call(function=one["name"], args=one["arguments"]) for one in order["unmade"]]
        return before, after, [text[:LONGEST] for text in results], called

    def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """What an order asks for."""
        suite = self.suites[order["suite"]]
        if order["do"] == "truth":
            environment = self.environment(order["suite"], {})
            if order["user"]:
                environment = suite.user_tasks[order["user"]].init_environment(environment)
            whose = suite.injection_tasks if order["injection"] else suite.user_tasks
            task = whose[order["injection"] or order["user"]]
            calls = [{"name": one.function, "arguments": one.args} for one in task.ground_truth(environment)]
            return {"calls": calls, "output": task.GROUND_TRUTH_OUTPUT}
        before, after, results, called = self.execute(order)
        if order["do"] == "run":
            return {"results": results[len(results) - order["new"] :]}
        output = [self._block(order["output"])]
        tasks = {
            "utility": suite.user_tasks.get(order["user"]),
            "attack": suite.injection_tasks.get(order["injection"]),
        }
        return {
            name: None if task is None else bool(suite._check_task_result(task, output, before, after, called))
            for name, task in tasks.items()
        }


def _literal(text: str) -> Any:
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text)
    return None


def confine(memory: int) -> None:
    """Limits of the kernel: bytes of memory, no further file or socket, no process. They hold or nothing runs."""
    if resource is None:
        raise SystemExit("this system has no limits that the kernel keeps")
    for number, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(number, (limit, limit))


def allow(seconds: float) -> None:
    """So much processor time from now."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (max(1, math.ceil(time.process_time() + seconds) + 1), hard))


def say(channel: TextIO, told: dict[str, Any]) -> None:
    """One line."""
    channel.write(json.dumps(told, default=str) + "\n")
    channel.flush()


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    channel, sys.stdout = sys.stdout, io.StringIO()  # whatever a tool prints is no answer
    first = json.loads(sys.stdin.readline())
    try:
        dojo = Dojo(first["folder"], first["version"])
        confine(int(sys.argv[1]))
    except Exception as error:  # of packages that are missing, or other ones than expected
        say(channel, {"error": f"{type(error).__name__}: {error}"[:400]})
        return
    say(channel, {"suites": dojo.told})
    for line in sys.stdin:
        order = json.loads(line)
        allow(order["seconds"])
        try:
            told = dojo.answer(order)
        except MemoryError:
            raise SystemExit(1) from None
        except Exception as error:  # a tool or a check that fails on what the model did
            told = {"error": f"{type(error).__name__}: {error}"[:400]}
        sys.stdout = io.StringIO()
        say(channel, told)


if __name__ == "__main__":
    main()
