"""A model's server in a process of its own that takes its time: `python -m tests.support.slow_model SECONDS`.

Says its address on stdout, and answers every chat with the order of 13 labels turned round.
"""

from __future__ import annotations

import sys
import threading

from tests.support.faulty_server import FaultyServer, says

ORDER = '{"order": [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]}'


def main(seconds: str) -> None:
    with FaultyServer(says(ORDER, after_s=float(seconds))) as server:
        sys.stdout.write(f"Slow model at {server.base_url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
