"""Pictures from the web, never from this machine or a private network, whatever a catalogue says.

A host name is looked up once, every address it has must be public, and the connection goes to the very address that
was judged: a name that changes its mind in between gains nothing. Redirects are judged anew. Proxies are not used.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from urllib.parse import SplitResult, urljoin, urlsplit

from agent.deadline import Deadline
from agent.images.picture import Refused

MAX_REDIRECTS = 3
_CHUNK_BYTES = 65_536
_MOVED = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Allowed = Callable[[Address], bool]


def is_public(address: Address) -> bool:
    """Whether an address lies on the internet, also one of IPv4 inside one of IPv6: neither private nor multicast."""
    if isinstance(address, ipaddress.IPv6Address) and (inner := _inside(address)):
        return is_public(inner)
    return address.is_global and not address.is_multicast


def fetched(url: str, max_bytes: int, timeout_s: float, allowed: Allowed = is_public) -> bytes:
    """What lies at an http or https address, of at most `max_bytes`, all within `timeout_s`.

    Raises Refused: another scheme, a user name in it, a host that is not `allowed`, a status other than 200, too
    large, too late, or out of reach.
    """
    deadline = Deadline(timeout_s)
    for _ in range(MAX_REDIRECTS + 1):
        try:
            body, moved = _asked(_judged(url), deadline, max_bytes, allowed)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = deadline.expired or isinstance(error, TimeoutError)
            reason = f"did not come within {timeout_s:g} s" if late else f"cannot be fetched ({_short(error)})"
            raise Refused(reason) from error
        if body is not None:
            return body
        url = urljoin(url, moved)
    raise Refused(f"is moved more than {MAX_REDIRECTS} times")


def _judged(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("is no http or https address")
    if "@" in parts.netloc:
        raise Refused("holds a user name")
    if not url.isprintable() or not url.isascii() or " " in url:
        raise Refused("holds characters that an address must escape")
    return parts


def _asked(parts: SplitResult, deadline: Deadline, max_bytes: int, allowed: Allowed) -> tuple[bytes | None, str]:
    """The body, or None and where it was moved to."""
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _allowed_address(host, port, allowed)
    plain = socket.create_connection((str(address), port), timeout=_left(deadline))
    with closing(_secured(plain, host) if parts.scheme == "https" else plain) as opened:
        cut = threading.Timer(_left(deadline), _cut, [opened])  # a server that drips would outlast every time-out
        cut.daemon = True
        cut.start()
        try:
            if isinstance(opened, ssl.SSLSocket):
                opened.do_handshake()
            return _answered(opened, parts, max_bytes, deadline)
        finally:
            cut.cancel()


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    """The connection under TLS, its hands not yet shaken; the plain one is then part of it."""
    tls = ssl.create_default_context()
    return tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)


def _answered(
    opened: socket.socket, parts: SplitResult, max_bytes: int, deadline: Deadline
) -> tuple[bytes | None, str]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = opened
    headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "palate", "Connection": "close"}
    connection.request("GET", target, headers=headers)
    reply = connection.getresponse()
    if reply.status in _MOVED and (moved := reply.getheader("Location")):
        return None, moved
    if reply.status != http.client.OK:
        raise Refused(f"answers with HTTP {reply.status}")
    return _body(reply, max_bytes, deadline), ""


def _body(reply: http.client.HTTPResponse, max_bytes: int, deadline: Deadline) -> bytes:
    body = bytearray()
    while chunk := reply.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise Refused(f"is larger than {max_bytes:,} bytes")
    if deadline.expired:
        raise TimeoutError
    return bytes(body)


def _allowed_address(host: str, port: int, allowed: Allowed) -> Address:
    """The first address of a host, all of them being allowed. Raises Refused, OSError where it has none."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = [ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows]
    if not found or not all(allowed(address) for address in found):
        raise Refused("leads to this machine or a private network")
    return found[0]


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that one of IPv6 stands for, if it does."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def _left(deadline: Deadline) -> float:
    if deadline.expired:
        raise TimeoutError
    return deadline.remaining_s


def _cut(opened: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)


def _short(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
