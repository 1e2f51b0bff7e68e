"""A server process: its socket, its signals, and the order in which it begins and ends."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Timer
from types import FrameType
from typing import Any, NoReturn

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.errors import ConfigError
from agent.serve.keys import Keys
from agent.settings import Settings

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CUT_S = 1.0  # after a second signal: for answers to end, and for one that was only an echo of the first


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server on that host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_exposure(settings: Settings) -> None:
    """Do nothing where the server is out of others' reach or asks for keys. Raises ConfigError otherwise."""
    host = settings.serve.host
    if not is_local(host) and not Keys(settings.folder).all():
        raise ConfigError(
            f"on {host} anyone on the network could read and change every taste",
            "Add a key first: palate serve keys add NAME; or listen on 127.0.0.1",
        )


def bound(host: str, port: int) -> socket.socket:
    """A socket on that host and port, any free one for 0. Raises ConfigError where there is none to be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except socket.gaierror as error:
        raise ConfigError(
            f"there is no host {host!r}: {error.strerror}", "Try: palate serve --host 127.0.0.1"
        ) from error
    here = socket.socket(found[0], socket.SOCK_STREAM)
    try:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        here.bind(found[4])
    except OSError as error:
        here.close()
        hint = "Choose another: palate serve --port 0 takes any that is free"
        raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror or error}", hint) from error
    return here


def run(app: FastAPI, here: socket.socket, settings: Settings, announce: Callable[[str], None]) -> bool:
    """Answer until a signal comes; whether it was Ctrl-C. `announce` hears the address once requests are taken.

    Answers under way are waited for, at most as long as one may take, and so is a model that opens. A second signal
    cuts them off, and the process with them where that takes longer than a moment.
    """
    _open_many_files()
    config = uvicorn.Config(
        app,
        http=Line,  # h11 bounds the headers of a request
        loop="asyncio",
        ws="none",
        log_config=None,
        log_level="critical",  # paths and errors can name people
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.serve.timeout_s),
    )
    with closing(here):
        server = _Server(config, lambda: announce(address_of(here)))
        server.run(sockets=[here])
    return signal.SIGINT in server.heard


def address_of(here: socket.socket) -> str:
    """The address that a browser takes."""
    host, port = here.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # what is shown, not what is bound
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _open_many_files() -> None:
    """Let the process have as many connections as the system allows it."""
    with suppress(ImportError, ValueError, OSError):  # not everywhere, not beyond the system's own bounds
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Line(H11Protocol):
    """A connection that is closed where no request comes of it in time, or what was refused goes on coming.

    `request_s`: how long the head of a request may take, from the connection on or from the answer before; `rest_s` and
    `rest_bytes`: what is still read of a request that was answered before it was whole, so that the answer is seen.
    """

    request_s, rest_s, rest_bytes = 15.0, 2.0, 2**20

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._phase = ""
        self._patience: asyncio.TimerHandle | None = None
        self._rest = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See `asyncio.Protocol.connection_made`."""
        super().connection_made(transport)
        self._heed()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        if self._phase == "rest":
            self._rest += len(data)
            if self._rest > self.rest_bytes:
                self._hang_up()
                return
        super().data_received(data)
        self._heed()

    def on_response_complete(self) -> None:
        """See `H11Protocol.on_response_complete`."""
        super().on_response_complete()
        self._heed()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol.connection_lost`."""
        self._stop()
        super().connection_lost(exc)

    def _heed(self) -> None:
        """Give what is awaited from now on its time, where it is something else than before."""
        answering = self.cycle is not None and not self.cycle.response_complete
        rest = not answering and self.conn.their_state is h11.SEND_BODY
        phase = "" if answering else "rest" if rest else "request"
        if phase == self._phase:
            return
        self._stop()
        self._phase, self._rest = phase, 0
        if phase and not self.transport.is_closing():
            self._patience = self.loop.call_later(self.rest_s if rest else self.request_s, self._hang_up)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _hang_up(self) -> None:
        self._stop()
        if not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """One that announces itself and, after a signal, ends by returning."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @property
    def heard(self) -> tuple[int, ...]:
        """The signals that came."""
        return tuple(self._captured_signals)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See `uvicorn.Server.handle_exit`; a second signal ends the process after a moment, a third one at once."""
        if self.force_exit:
            _end(sig)
        if self.should_exit:
            self.force_exit = True
            ending = Timer(_CUT_S, _end, (sig,))
            ending.daemon = True
            ending.start()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server.startup`."""
        await super().startup(sockets)
        self._announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Heed signals within; what they meant before, they mean after."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end(number: int) -> NoReturn:
    """End the process, whatever its threads do, with the line and the code of one that a signal ended."""
    with suppress(OSError):
        os.write(2, b"palate: interrupted\n")
    os._exit(128 + number)
