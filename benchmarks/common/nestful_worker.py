"""What NESTful's own scorer says of answers: run by an interpreter that has what it imports, with the `src` folder of a
checkout as its first argument and that of the functions as its second. A line of JSON for each case comes in, and one
goes out; the last line in asks for the F1 of all. It executes the calls that it is given: give it none of a model.
"""

import contextlib
import io
import json
import signal
import sys
import types
import warnings

warnings.filterwarnings("ignore")
sys.modules.setdefault("jsonlines", types.ModuleType("jsonlines"))  # it reads and writes files, of which there are none
sys.path.insert(0, sys.argv[1])
import scorer  # noqa: E402  # the checkout's

won_or_not = scorer.calculate_win_score


def in_time(*given):
    """Its alarm is set for every chain and never taken back: ten seconds after the last it would end whatever runs."""
    try:
        return won_or_not(*given)
    finally:
        signal.alarm(0)


scorer.calculate_win_score = in_time
PARSER = "granite-3.1-8b-instruct"
"""The parser that takes a text as JSON, as it is."""


def scored(items, *, won):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return scorer.calculate_scores(items, PARSER, sys.argv[2], win_rate_flag=won)


cases = []
for line in sys.stdin:
    case = json.loads(line)
    if case.get("all"):
        read = [one for one, told in cases if not told["num_pred_examples_w_parsing_errors"]]
        print(json.dumps(scored(read, won=False)), flush=True)
        break
    told = scored([case], won="gold_answer" in case)
    cases.append((case, told))
    print(json.dumps(told), flush=True)
