"""BFCL's own checker of conversations, in an environment that has its package: cases in, verdicts out, as JSON.

python bfcl_worker.py < cases.json > verdicts.json
"""

import contextlib
import io
import json
import sys

with contextlib.redirect_stdout(io.StringIO()):
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker

    verdicts = []
    for number, case in enumerate(json.load(sys.stdin)):
        # Instances are kept by the model's name for as long as the process lives: each case is a model of its own.
        found = multi_turn_checker(case["turns"], case["gold"], case["entry"], "", f"case_{number}")
        verdicts.append({"valid": found["valid"], "error": found.get("error_type", "").removeprefix("multi_turn:")})
json.dump(verdicts, sys.stdout)
