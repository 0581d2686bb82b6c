"""Evalution's llama.cpp engine behind a pipe: run by its own interpreter with (GGUF, threads); lists of pairs in as
JSON lines, sums of log-probabilities out."""

import json
import os
import sys

answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from evalution.config import Model  # noqa: E402
from evalution.engines.base import LoglikelihoodRequest  # noqa: E402
from evalution.engines.llama_cpp_engine import LlamaCpp  # noqa: E402

path, threads = sys.argv[1], int(sys.argv[2])
session = LlamaCpp(n_threads=threads, n_threads_batch=threads, device="cpu").build(Model(path=path))
print("[]", file=answer, flush=True)
for line in sys.stdin:
    requests = [LoglikelihoodRequest(context=context, continuation=text) for context, text in json.loads(line)]
    print(json.dumps([float(output.logprob) for output in session.loglikelihood(requests)]), file=answer, flush=True)
