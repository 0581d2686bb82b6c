"""llama.cpp through the low-level functions of llama-cpp-python: any GGUF, any quantization, in process.

Only the process that holds a model imports this package (see ``pytest_slm.hosts.host``).

- ``model``       weights, vocabulary, tokens: text to ids and back
- ``context``     the KV memory and the evaluation of batches
- ``scoring``     log-likelihoods of given continuations
- ``generation``  text, token by token, with the time of each
- ``drafts``      what a text will say next, because it has said it before
- ``beside``      adapters, a model that drafts, GPUs
- ``backend``     the ``Backend`` made of these
"""

from pytest_slm.backends.llamacpp.backend import LlamaCpp

__all__ = ["LlamaCpp"]
