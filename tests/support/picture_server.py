"""A real endpoint, as a process of its own, with a stand-in for a model: it knows nothing of pictures but colours.

`/v1/embeddings` answers with a histogram of colours, for pictures in either documented shape; `/v1/chat/completions`
says which colour is commonest; `/asked` lists what was asked. It refuses pictures that it cannot read, as servers do.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMES = {0: "red", 1: "green", 2: "blue"}


@contextmanager
def serving_pictures() -> Iterator[str]:
    """The address of a server that embeds and describes, up to the end of the `with`."""
    command = [sys.executable, "-m", "tests.support.picture_server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"  # type: ignore[union-attr]
        finally:
            server.terminate()


def asked(address: str) -> list[dict[str, Any]]:
    """The bodies of all requests so far, each with its path."""
    with urllib.request.urlopen(address.removesuffix("/v1") + "/asked", timeout=5) as reply:
        found: list[dict[str, Any]] = json.load(reply)
        return found


def _histogram(content: bytes) -> list[float]:
    """How many pixels fall into each of 4 x 4 x 4 boxes of colours, shared out over near boxes, plus a constant."""
    from tests.support.pictures import pixels_of

    boxes = [0.1] * 64
    for pixel in pixels_of(content):
        for box in range(64):
            centre = (32 + 64 * (box // 16), 32 + 64 * (box // 4 % 4), 32 + 64 * (box % 4))
            boxes[box] += max(0.0, 1 - sum(abs(a - b) for a, b in zip(pixel, centre, strict=True)) / 160)
    return boxes


def _picture_in(body: dict[str, Any]) -> bytes:
    if "messages" in body:
        content = body["messages"][0]["content"]
        address = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
    else:
        address = body["input"][0]["image"]
    return base64.b64decode(address.partition("base64,")[2])


def _answer(path: str, body: dict[str, Any]) -> dict[str, Any]:
    content = _picture_in(body)
    if path == "/v1/embeddings":
        return {"object": "list", "data": [{"index": 0, "embedding": _histogram(content)}], "model": body["model"]}
    from tests.support.pictures import pixels_of

    commonest = Counter(NAMES[pixel.index(max(pixel))] for pixel in pixels_of(content)).most_common(1)[0][0]
    message = {"role": "assistant", "content": f"A plain {commonest} square,\nnothing but {commonest}."}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {}}


class _Handler(BaseHTTPRequestHandler):
    bodies: list[dict[str, Any]] = []  # noqa: RUF012  # of the one server of this process

    def do_GET(self) -> None:
        self._say(200, self.bodies)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies.append({"path": self.path, **body})
        try:
            self._say(200, _answer(self.path, body))
        except (ValueError, KeyError, IndexError) as error:
            self._say(400, {"error": {"message": f"cannot read the image ({error})"}})

    def _say(self, status: int, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"{listening.server_address[1]}\n")
    sys.stdout.flush()
    listening.serve_forever()
