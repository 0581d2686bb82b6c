"""transformers on torch: safetensors folders, and GGUF files as the float32 reference, in process.

Only the process that holds a model imports this package (see ``pytest_slm.hosts.host``).

- ``weights``     which files are loaded, and what is refused before anything is
- ``model``       the network on its device, and its logits
- ``tokenizer``   text to ids and back
- ``gguf``        what transformers does not read from a GGUF
- ``packed``      many texts in one batch, common beginnings once, where the architecture allows it
- ``scoring``     log-likelihoods of given continuations
- ``generation``  text, token by token, with the time of each
- ``sampling``    which token comes next
- ``backend``     the ``Backend`` made of these
"""

from pytest_slm.backends.hf.backend import Transformers

__all__ = ["Transformers"]
