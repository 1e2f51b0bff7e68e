"""Files from the model hub. The only importer of huggingface_hub, whose cache, token and settings are honoured."""

from __future__ import annotations

import fnmatch
import http.client
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors import ConfigError, ModelUnavailable
from agent.llm.files.cards import HubFile
from agent.llm.files.fetch import AGENT, Progress, Refused, fetch_checked, quiet
from agent.llm.files.reference import HubReference

DEFAULT_QUANTISATION = "Q4_K_M"
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True)
class Listing:
    """What a repository holds at a revision: its GGUF files with size and sha256 (None where the hub does not say)."""

    revision: str
    license: str
    files: Mapping[str, tuple[int, str | None]]


@dataclass(frozen=True)
class Hub:
    """The model hub at an address. `offline` refuses every request; `token` is sent to that address only.

    `patience_s` is how long the hub may take to say what it has.
    """

    address: str
    offline: bool = False
    token: str | None = field(default=None, repr=False)
    patience_s: float = 5.0

    @classmethod
    def configured(cls) -> Hub:
        """The hub as HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and a login say."""
        import huggingface_hub
        from huggingface_hub import constants

        return cls(constants.ENDPOINT, constants.HF_HUB_OFFLINE, huggingface_hub.get_token())

    def cached(self, file: HubFile) -> Path | None:
        """The file where any program of this user has put it in the hub's own cache (HF_HOME)."""
        import huggingface_hub

        found = huggingface_hub.try_to_load_from_cache(file.repository, file.file, revision=file.revision)
        return Path(found) if isinstance(found, str) else None

    def listing(self, repository: str, revision: str) -> Listing:
        """What the repository holds. Raises ModelUnavailable within seconds when the hub does not answer."""
        self._refuse_offline(repository)
        place = f"{self.address}/api/models/{repository}/revision/{urllib.parse.quote(revision, safe='')}?blobs=true"
        said = self._ask(place, repository)
        try:
            files = {
                str(row["rfilename"]): (int(row.get("size") or 0), (row.get("lfs") or {}).get("sha256"))
                for row in said["siblings"]
                if _is_model_file(str(row["rfilename"]))
            }
            card = said.get("cardData") or {}
            return Listing(str(said.get("sha") or revision), str(card.get("license") or ""), files)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ModelUnavailable(f"the model hub's list of {repository} makes no sense", "Try again later") from error

    def fetch(self, file: HubFile, target: Path, sha256: str | None, progress: Progress = quiet) -> None:
        """Put the file into `target`, going on where an earlier try stopped. Raises WrongHash, ModelUnavailable."""
        self._refuse_offline(file.repository)
        revision = urllib.parse.quote(file.revision, safe="")
        url = f"{self.address}/{file.repository}/resolve/{revision}/{urllib.parse.quote(file.file)}"
        try:
            fetch_checked(
                url, target, sha256, doing=f"downloading {file.file}", progress=progress, headers=self._headers()
            )
        except Refused as error:
            raise _refusal(file.repository, error.status) from error

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _refuse_offline(self, repository: str) -> None:
        if self.offline:
            raise ModelUnavailable(
                f"{repository} is not fetched: HF_HUB_OFFLINE is set", "Unset it, or fetch the file before"
            )

    def _ask(self, url: str, repository: str) -> Any:
        request = urllib.request.Request(url, headers={"User-Agent": AGENT})  # noqa: S310  # the hub's own address
        for name, value in self._headers().items():
            request.add_unredirected_header(name, value)
        try:
            return json.loads(_answer_within(self.patience_s, request))
        except urllib.error.HTTPError as error:
            error.close()
            raise _refusal(repository, error.code) from error
        except (OSError, http.client.HTTPException, FutureTimeout) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            why = str(getattr(cause, "strerror", None) or cause) or "no answer in time"
            raise ModelUnavailable(f"the model hub cannot be reached: {why}", "Check the connection") from error
        except ValueError as error:
            raise ModelUnavailable(
                f"the model hub's answer about {repository} is not JSON", "Try again later"
            ) from error


def _is_model_file(name: str) -> bool:
    """Whether a listed name is a GGUF file inside its repository; one that leads out of it is not believed."""
    return (
        name.lower().endswith(".gguf")
        and not name.startswith("/")
        and not {"..", ""} & set(name.split("/"))
        and "\\" not in name
    )


def _answer_within(timeout_s: float, request: urllib.request.Request) -> bytes:
    """The body of the answer; looking up the name counts as well. Raises as urlopen does, FutureTimeout."""
    future: Future[bytes] = Future()

    def _ask() -> None:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                future.set_result(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            future.set_exception(error)

    threading.Thread(target=_ask, daemon=True).start()
    return future.result(timeout_s)


def _refusal(repository: str, status: int) -> ModelUnavailable:
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return ModelUnavailable(
            f"the model hub does not give {repository} to you ({status})",
            "Check the name; for a gated model accept its terms on the hub and set HF_TOKEN",
        )
    if status == http.HTTPStatus.NOT_FOUND:
        return ModelUnavailable(f"the model hub has no {repository} with that file or revision", "Check the spelling")
    return ModelUnavailable(f"the model hub answered {status} about {repository}", "Try again later")


def choose(reference: HubReference, files: Mapping[str, object]) -> str:
    """The one file of a repository that a reference means: by name, by pattern, by quantisation.

    With nothing asked for, the only file there is, else the Q4_K_M one. Raises ConfigError naming the choices where
    none or several fit, or where the model is cut in parts.
    """
    names = sorted(name for name in files if "mmproj" not in name.lower())
    found = _fitting(reference.wanted, names)
    if len(found) == 1 and not _SHARD.search(found[0]):
        return found[0]
    named = f"hf:{reference.repository}:{reference.wanted}".rstrip(":")
    choices = f"It holds: {', '.join(names[:12]) or 'no GGUF file'}"
    if any(_SHARD.search(name) for name in found):
        raise ConfigError(f"{named} is cut in several files", "Join them with llama-gguf-split and give ./file.gguf")
    raise ConfigError(f"{named} fits {len(found) or 'no'} file{'s' * (len(found) != 1)}", choices)


def _fitting(wanted: str, names: list[str]) -> list[str]:
    if not wanted:
        return names if len(names) == 1 else _fitting(DEFAULT_QUANTISATION, names)
    exact = [name for name in names if wanted in (name, name.rpartition("/")[2])]
    if exact or (wanted.lower().endswith(".gguf") and "*" not in wanted):
        return exact
    if "*" in wanted:
        return [name for name in names if fnmatch.fnmatchcase(name.lower(), wanted.lower())]
    word = re.compile(rf"(^|[-._/]){re.escape(wanted)}([-._/]|$)", re.IGNORECASE)
    return [name for name in names if word.search(name)]
