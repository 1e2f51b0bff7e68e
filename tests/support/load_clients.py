"""Clients that ask a server for recommendations, many at once, in a process of their own so as not to wait for it.

`python -m tests.support.load_clients HOST PORT CLIENTS SECONDS`: each client asks on a connection of its own, waits a
second after being sent away, whatever it is told (up to a half more, so that they do not march in step), and asks
anew; at the end all of them hang up at once. Writes one JSON list of [status, seconds, retry-after or null] on stdout,
status 0 for a connection that broke, -1 for a request that had no answer yet at the end, with its age.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from contextlib import suppress

Row = tuple[int, float, str | None]
PAUSE_S = 1.0


async def main(host: str, port: str, clients: str, seconds: str) -> None:
    rows: list[Row] = []
    tasks = [asyncio.create_task(_asks_on(host, int(port), n, rows)) for n in range(int(clients))]
    await asyncio.sleep(float(seconds))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    sys.stdout.write(json.dumps(rows) + "\n")


async def _asks_on(host: str, port: int, n: int, rows: list[Row]) -> None:
    draws = random.Random(n)
    await asyncio.sleep(draws.random() * PAUSE_S)
    body = json.dumps({"user": f"user{n % 4}", "wish": "a dark film", "k": 5}).encode()
    head = f"POST /v1/recommend HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    while True:
        begun = time.perf_counter()
        try:
            status, again = await _asked(host, port, request)
        except asyncio.CancelledError:
            rows.append((-1, time.perf_counter() - begun, None))
            raise
        rows.append((status, time.perf_counter() - begun, again))
        if status != 200:
            await asyncio.sleep(PAUSE_S * (1 + draws.random() / 2))


async def _asked(host: str, port: int, request: bytes) -> tuple[int, str | None]:
    """The status of the answer, once it is whole, and when to ask again."""
    writer = None
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(request)
        answer = await reader.read()
    except OSError:
        return 0, None
    finally:
        if writer is not None:
            with suppress(OSError):
                writer.close()
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]) if lines[0] else 0, fields.get("retry-after")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
