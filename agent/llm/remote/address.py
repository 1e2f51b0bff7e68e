"""Judges the address and the key of an endpoint: whether they can be, and whether a key is needed at all."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from agent.errors import ConfigError

OPENAI_BASE_URL = "https://api.openai.com/v1"

_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
_EXAMPLE = "Write it as http://127.0.0.1:8080/v1"


def checked_key(api_key: SecretStr | str | None) -> SecretStr:
    """The key, empty where there is none. Raises ConfigError when it cannot be sent in a header."""
    key = (api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigError("the API key holds characters that no key has", "Copy the key again")
    return SecretStr(key)


def checked_address(base_url: str | None, key: SecretStr) -> str:
    """The address to ask, OpenAI's where only a key is given. Raises ConfigError: neither is, or the key is missing."""
    if base_url is None and not key.get_secret_value():
        raise ConfigError(
            "no endpoint is set: there is neither a base_url nor an API key",
            "Set OPENAI_BASE_URL for a server of yours (http://127.0.0.1:8080/v1), or OPENAI_API_KEY for OpenAI",
        )
    address = checked_base_url(base_url or OPENAI_BASE_URL)
    if not key.get_secret_value() and not is_local(address):
        raise ConfigError(f"the endpoint {address} needs an API key", "Set OPENAI_API_KEY, or endpoint.api_key")
    return address


def checked_base_url(base_url: str) -> str:
    """The address, no slash at its end. Raises ConfigError: not http(s), no host, a bad port, a name or password."""
    parts = _split(base_url)
    if "@" in (parts.netloc or base_url):
        raise ConfigError("base_url holds a user name or a password", "Give the key as api_key instead")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"base_url {base_url!r} is not an http or https address", _EXAMPLE)
    return base_url.strip().rstrip("/")


def is_local(base_url: str) -> bool:
    """Whether the host is this machine or a private network: no key is asked for there.

    True for addresses that are not routed on the internet (loopback, private, link-local), for names that end in
    .local, .localhost, .internal, .lan or .home.arpa, and for names without a dot. No name is looked up.
    """
    host = (_split(base_url).hostname or "").rstrip(".").lower()
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return "." not in host or host.endswith(_LOCAL_ENDINGS)


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url.strip())
        _ = parts.port  # is parsed, and may be refused, only when asked for
    except ValueError as error:
        raise ConfigError(f"base_url is not an address: {error}", _EXAMPLE) from error
    return parts
