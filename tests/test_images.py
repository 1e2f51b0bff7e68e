"""Where pictures come from: kinds by their bytes, files under one folder, and a web that is not this machine."""

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from agent.deadline import Deadline
from agent.errors import ModelReplyInvalid, ModelUnavailable
from agent.images.eye import Reason, Remembering, Seen, unit
from agent.images.fetch import fetched, is_public
from agent.images.gather import Gatherer
from agent.images.openclip import OpenClip, decoded
from agent.images.picture import Picture, Refused
from agent.images.source import Source, is_address
from agent.recall.chroma import OpenCLIPEmbeddingFunction
from agent.store.cache import Cache
from agent.types import Item
from tests.support.file_server import FileServer, serving, silence
from tests.support.pictures import BLUE, RED, png

NEVER = Deadline.never()


def anyone(_: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png(RED), "png"),
        (b"\xff\xd8\xff\xe0rest", "jpeg"),
        (b"GIF89arest", "gif"),
        (b"GIF87arest", "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
    ],
)
def test_a_picture_is_known_by_its_first_bytes(content: bytes, kind: str) -> None:
    picture = Picture.of(content)
    assert picture.kind == kind
    assert picture.address.startswith(f"data:image/{kind};base64,")


@pytest.mark.parametrize(
    "content", [b"", b"<svg xmlns='x'/>", b"%PDF-1.7", b"RIFF\x10\0\0\0WAVE", b"\x89PN", b"<html>"]
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match=r"empty|no PNG"):
        Picture.of(content)


def test_equal_bytes_have_one_mark_and_others_another() -> None:
    assert Picture.of(png(RED)).mark == Picture.of(png(RED)).mark
    assert Picture.of(png(RED)).mark != Picture.of(png(RED, comment="x")).mark


@pytest.fixture
def source(tmp_path: Path) -> Source:
    home = tmp_path / "catalogue"
    (home / "covers").mkdir(parents=True)
    (home / "covers" / "red.png").write_bytes(png(RED))
    (tmp_path / "secret.png").write_bytes(png(BLUE))
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    (home / "page.png").write_text("<html>", encoding="utf-8")
    (home / "big.png").write_bytes(png(RED) + b"\0" * 2_000)
    return Source(home, max_bytes=1_000)


def test_an_item_names_a_file_under_the_folder(source: Source) -> None:
    assert source.of_item("covers/red.png").content == png(RED)
    assert source.of_item(str(source.folder / "covers" / "red.png")).content == png(RED)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("../secret.png", "does not lie under"),
        ("link.png", "does not lie under"),
        ("/etc/passwd", "does not lie under"),
        ("covers/../../secret.png", "does not lie under"),
        ("none.png", "is no file"),
        ("covers", "is no file"),
        ("page.png", "is no PNG"),
        ("big.png", "is larger than 1,000 bytes"),
        ("a\0b", "no path|no file|cannot be read"),
        ("http://example.org/x.png", "images.fetch is off"),
        ("file:///etc/passwd", "images.fetch is off"),
        ("data:image/png;base64,AAAA", "images.fetch is off"),
    ],
)
def test_an_item_cannot_name_anything_else(source: Source, named: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        source.of_item(named)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.5.5",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
        ),
        *("255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "ff02::1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_no_address_of_this_machine_or_a_private_network_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0"],
)
def test_a_catalogue_cannot_make_palate_ask_this_machine(host: str) -> None:
    with serving() as server:
        port = server.address.rpartition(":")[2]
        server.files["/x.png"] = png(RED)
        with pytest.raises(Refused, match=r"private network|cannot be fetched"):
            fetched(f"http://{host}:{port}/x.png", 1_000, 2.0)
        assert not server.asked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/x.png", "no http"),
        ("file:///etc/passwd", "no http"),
        ("http://user:word@example.org/x.png", "user name"),
        ("http:///x.png", "no http"),
        ("http://example.org/a b.png", "escape"),
        ("http://example.org/a\r\nHost: x", "escape"),
        ("http://example.org:99999/x.png", "cannot be fetched"),
    ],
)
def test_odd_addresses_are_refused_before_anyone_is_asked(url: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        fetched(url, 1_000, 2.0)


@pytest.fixture
def web() -> object:
    with serving() as server:
        server.files["/red.png"] = png(RED)
        server.redirects["/moved.png"] = "/red.png"
        server.redirects["/round.png"] = "/round.png"
        server.redirects["/inside.png"] = "http://localhost:1/x.png"
        server.files["/big.png"] = png(RED) + b"\0" * 5_000
        server.statuses["/gone.png"] = 410
        yield server


def test_a_picture_comes_from_the_web_where_its_host_is_allowed(web: FileServer, tmp_path: Path) -> None:
    source = Source(tmp_path, 1_000, fetch=True, allowed=anyone)
    assert source.of_item(f"{web.address}/red.png").content == png(RED)
    assert source.of_item(f"{web.address}/moved.png").content == png(RED)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/big.png", "larger than"),
        ("/gone.png", "HTTP 410"),
        ("/none.png", "HTTP 404"),
        ("/round.png", "moved more"),
    ],
)
def test_what_the_web_gives_is_bounded(web: FileServer, path: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        fetched(web.address + path, 1_000, 5.0, anyone)


def test_a_redirect_is_judged_anew(web: FileServer) -> None:
    judged = []

    def only_once(address: object) -> bool:
        judged.append(address)
        return len(judged) == 1

    with pytest.raises(Refused, match="private network"):
        fetched(f"{web.address}/inside.png", 1_000, 5.0, only_once)


def test_silence_ends_with_the_time() -> None:
    with silence() as address:
        begun = time.monotonic()
        with pytest.raises(Refused, match=r"did not come within 0\.3 s"):
            fetched(f"{address}/x.png", 1_000, 0.3, anyone)
        assert time.monotonic() - begun < 3


def test_a_server_that_drips_ends_with_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            with suppress(OSError), listener.accept()[0] as opened:
                opened.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                for _ in range(60):
                    opened.sendall(b"x")
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(Refused, match=r"did not come within 0\.5 s"):
            fetched(f"http://127.0.0.1:{listener.getsockname()[1]}/x.png", 1_000, 0.5, anyone)
        assert time.monotonic() - begun < 4


def test_addresses_are_told_from_paths() -> None:
    assert is_address("https://a/b.png")
    assert is_address("data:image/png;base64,AA")
    assert not is_address("covers/red.png")
    assert not is_address("C:/covers/red.png")


def test_a_vector_has_length_1_or_is_refused() -> None:
    assert np.allclose(unit([3.0, 4.0], "it"), [0.6, 0.8])
    for odd in ([0.0, 0.0], [float("nan")], [], None, "text", [[1.0]], {"a": 1}):
        with pytest.raises(ModelReplyInvalid, match="no vector"):
            unit(odd, "it")


def test_without_open_clip_the_eye_says_what_to_install() -> None:
    eye = OpenClip("ViT-B-32", "laion2b_s34b_b79k", OpenCLIPEmbeddingFunction, decoded)
    with pytest.raises(ModelUnavailable, match=r"OpenCLIP cannot be used.*pip install open-clip-torch"):
        eye.look([Picture.of(png(RED))], NEVER)


def test_open_clip_is_loaded_once_and_given_pixels() -> None:
    loaded = []

    def load(model: str, checkpoint: str) -> object:
        loaded.append((model, checkpoint))
        return lambda pixels: [pixels[0].mean(axis=(0, 1))]

    def decode(content: bytes) -> np.ndarray:
        if content == png(BLUE):
            raise Refused("cannot be decoded")
        return np.full((2, 2, 3), (0, 30, 40), dtype=np.uint8)

    eye = OpenClip("M", "C", load, decode)
    first = eye.look([Picture.of(png(RED)), Picture.of(png(BLUE))], NEVER)
    eye.look([Picture.of(png(RED))], NEVER)
    assert np.allclose(first[0], [0, 0.6, 0.8])
    assert isinstance(first[1], Reason)
    assert loaded == [("M", "C")]


def test_a_cache_of_something_else_is_not_taken_for_vectors() -> None:
    cache = Cache(None)
    cache.put_many("pictures/openclip/M/C", {"a": b"odd", "b": np.ones(4, np.float32).tobytes()})
    known = Remembering(OpenClip("M", "C", OpenCLIPEmbeddingFunction, decoded), cache).known(["a", "b", "c"])
    assert known == {}


class Brightness:
    """An eye that sees how bright the bytes are, and can be told to see nothing."""

    name, at_once = "brightness", 2

    def __init__(self, refuses: bool = False) -> None:
        self.looks = 0
        self.refuses = refuses

    def look(self, pictures: Sequence[Picture], deadline: Deadline) -> list[Seen]:
        deadline.check("looking")
        self.looks += len(pictures)
        return [Reason("is refused") if self.refuses else unit([1.0, p.content[-20]], "it") for p in pictures]

    def close(self) -> None:
        pass


def test_addresses_are_asked_once_and_again_when_told(web: FileServer, tmp_path: Path) -> None:
    source, eye = Source(tmp_path, 1_000, fetch=True, allowed=anyone), Brightness()
    gatherer = Gatherer(source, Remembering(eye, cache := Cache(None)), cache)
    items = [
        Item(item_id=name, title=name, image=f"{web.address}/{name}.png") for name in ("red", "moved", "none", "big")
    ]
    first = gatherer.gather(items, 5.0)
    assert first.marks.keys() == {"red", "moved"}
    assert first.refused == {"none": "answers with HTTP 404", "big": "is larger than 1,000 bytes"}
    assert set(first.marks.values()) == first.vectors.keys() == {Picture.of(png(RED)).mark}
    assert (eye.looks, len(web.asked_for("/red.png"))) == (1, 2)
    again = gatherer.gather(items[:2], 5.0)
    assert (again.marks, again.vectors.keys()) == (first.marks, first.vectors.keys())
    assert len(web.asked_for("/red.png")) == 2
    gatherer.gather(items[:2], 5.0, again=True)
    assert (eye.looks, len(web.asked_for("/red.png"))) == (1, 4)


def test_a_model_that_refuses_every_picture_is_told_of(source: Source) -> None:
    gatherer = Gatherer(source, Remembering(Brightness(refuses=True), cache := Cache(None)), cache)
    with pytest.raises(ModelUnavailable, match="no picture could be looked at: the first is refused"):
        gatherer.gather([Item(item_id="red", title="Red", image="covers/red.png")], 5.0)


def test_weights_that_cannot_be_loaded_are_told_of() -> None:
    def load(_model: str, _checkpoint: str) -> object:
        raise RuntimeError("no such weights")

    with pytest.raises(ModelUnavailable, match=r"openclip/M/C cannot be loaded: no such weights"):
        OpenClip("M", "C", load, decoded).look([Picture.of(png(RED))], NEVER)
