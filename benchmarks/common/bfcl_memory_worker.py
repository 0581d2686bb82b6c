"""BFCL's own memories and agentic checker, in an environment that has its package: cases in, findings out, as JSON.

python bfcl_memory_worker.py < cases.json > findings.json
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

with contextlib.redirect_stdout(io.StringIO()):
    from bfcl_eval.eval_checker.agentic_eval.agentic_checker import agentic_checker
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import execute_multi_turn_func_call


def kept(number, case, folder):
    """The results of all calls, and what the memory shows at the end of each conversation: each begins with what the
    one before has saved."""
    name, results, shown = case["class"], [], []
    category = name.replace("MemoryAPI_", "memory_")
    for place, calls in enumerate(case["conversations"]):
        entry = f"{category}_prereq_{place}-student-{place}"
        config = {name: {"model_result_dir": folder, "test_id": entry, "scenario": "student"}}
        found, instances = execute_multi_turn_func_call(calls, config, [name], f"case_{number}", entry)
        results += found
        (memory,) = instances.values()
        shown.append(memory._dump_core_memory_to_context())
        memory._flush_memory_to_local_file()
    return {"results": results, "shown": shown}


with contextlib.redirect_stdout(io.StringIO()):
    asked = json.load(sys.stdin)
    verdicts = [agentic_checker(text, answers)["valid"] for text, answers in asked["answers"]]
    memories = []
    for number, case in enumerate(asked["memories"]):
        with tempfile.TemporaryDirectory() as folder:
            memories.append(kept(number, case, Path(folder)))
json.dump({"answers": verdicts, "memories": memories}, sys.stdout)
