"""The child process that holds llama.cpp: `python -m agents.models.local.llamacpp_server`.

It reads one line of JSON (the options) from stdin, loads the model, prints one line of JSON
(`{"url": …}`) and serves until stdin closes. A child, because a crash in native code must not take the
experiment with it, and because OpenMP reads its settings once, when a process starts. It ends when its
parent does, however the parent ends: the pipe closes, and should another process have inherited the
pipe, the parent's id changes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, NoReturn


def common_params(options: dict[str, Any]) -> Any:
    """The options as llama.cpp's parameters."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.model_alias = {options["alias"]}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [options["key"]]
    # Its default mirrors any Origin and allows credentials. The header cannot be left out; empty, no browser takes it as leave.
    params.cors_origins, params.cors_origins_explicit, params.cors_credentials = "", True, False
    params.cors_methods = params.cors_headers = ""
    params.endpoint_slots = False
    # At scale 0, because a request that names no adapter gets each at its start scale.
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in options["adapters"]]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]
    params.cpuparams.n_threads = options["threads"]
    params.cpuparams_batch.n_threads = options["threads"]
    # Each kept-alive connection holds one of its threads.
    params.n_threads_http = options["slots"] + 4
    params.cache_ram_mib = options["cache_mib"]
    # A reply that starts over in the middle of its own text is worse than one that ends.
    params.ctx_shift = False
    params.ui = False
    params.verbosity = 1
    return params


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def main() -> NoReturn:
    parent = os.getppid()
    options = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    import xllamacpp

    server = xllamacpp.Server(common_params(options))
    print(json.dumps({"url": server.listening_address}), flush=True)
    sys.stdin.read()
    # Without the destructors: they wait for requests that nobody reads any more.
    os._exit(0)


if __name__ == "__main__":
    main()
