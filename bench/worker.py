"""Serves the cases of one contender: `worker.py MODULE CONTENDER`, started by `harness.Worker`.

Protocol: one JSON object a line on standard input, `{"case": name, "args": {...}}`, answered by
one a line on standard output, `{"result": ...}` or `{"error": traceback}`. Runs under the project's
interpreter and under the peers' (`-I`), so it imports nothing but the contender.
"""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path


def main() -> None:
    module, contender = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among the answers

    def reply(answer: dict) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        cases = importlib.import_module(f"workers.{module}").CONTENDERS[contender]()
    except Exception:
        return reply({"error": traceback.format_exc()})
    reply({"result": sorted(cases)})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply({"result": cases[request["case"]](**request["args"])})
        except Exception:
            reply({"error": traceback.format_exc()})


if __name__ == "__main__":
    main()
