"""The native runner, built here: the same decisions as Python's, an installed package, clean under the sanitizers."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.native.script import near_silence, record
from tests.native.tiny_bundle import make

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium_apps.benches.native import native
from sensorium_apps.journal import RecordedSession
from sensorium_compile.zoo import Weights
from sensorium_devices.images import read_image
from sensorium_devices.sound import read_audio
from sensorium_devices.wire import pack_message

ROOT = Path(__file__).parents[2]
LIMIT_S = 800
SYSROOT = os.environ.get("SENSORIUM_SYSROOT", "")
PHOTOS = ("cat", "coffee", "palace", "uniform", "cheetah", "lion")
# The libraries of ExecuTorch were built without the sanitizer's containers, which only looks like an overflow.
SANE = {"ASAN_OPTIONS": "detect_container_overflow=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def missing() -> str | None:
    """What this machine lacks to build it, or None."""
    lacking = [program for program in ("cmake", "ninja", "g++") if shutil.which(program) is None]
    lacking += [] if find_spec("executorch") else ["executorch"]
    headers = {"nlohmann-json3-dev": "/usr/include/nlohmann/json.hpp", "libmd-dev": "/usr/include/sha2.h"}
    lacking += [package for package, header in headers.items() if not Path(header).exists()]
    return f"missing: {', '.join(lacking)}; scripts/test installs them" if lacking else None


def lacking_for_arm() -> str | None:
    """What this machine lacks to build it for aarch64 and run it there, or None."""
    lacking = [program for program in ("aarch64-linux-gnu-g++", "qemu-aarch64") if shutil.which(program) is None]
    lacking += [] if SYSROOT else ["SENSORIUM_SYSROOT, the folder that cmake/sysroot-aarch64 has filled"]
    return f"missing: {', '.join(lacking)}" if lacking else None


pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.timeout(900),  # most of it is the compiler's, where the machine is busy
]


def run(*command: object, cwd: Path | None = None, given: bytes | None = None) -> str:
    """What a command prints; an error that shows all of it where it fails."""
    environment = {
        **os.environ,
        **SANE,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, input=given, capture_output=True, env=environment, timeout=LIMIT_S
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-4000:]
    return done.stdout.decode()


@pytest.fixture(scope="module")
def built() -> Path:
    """The checkout's build folder, with the sanitizers on: what passes with them passes without.

    Whoever comes first builds, the others wait; what is built already is not built again.
    """
    folder = ROOT / "build" / "sanitizers"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "one-at-a-time").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "--preset", "sanitizers", cwd=ROOT / "cmake")
        run("cmake", "--build", folder)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, weights: Weights) -> Path:
    return make(tmp_path_factory.mktemp("bundle") / "tiny.bundle", weights)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, bundle: Path, weights: Weights) -> tuple[Path, list[str]]:
    """A recorded session of photos and speech, and what Python told of it."""
    pictures = [read_image(weights.path(f"photo-{name}"))[::3, ::3] for name in PHOTOS]
    speech, _ = read_audio(weights.path("speech-jfk"))
    sound = near_silence([speech[:48_000], speech[64_000:80_000]])
    file = tmp_path_factory.mktemp("recording") / "session.mcap"
    with Bundle(bundle) as opened:
        return file, record(assemble(opened, threads=1), file, pictures, sound)


def messages(recording: Path) -> bytes:
    with RecordedSession(recording) as recorded:
        return b"".join(recorded.messages())


def kinds(lines: Sequence[str]) -> set[str]:
    return {line.split('"')[3] for line in lines}


def test_its_own_tests_pass_under_the_sanitizers(built: Path) -> None:
    run("ctest", "--output-on-failure", cwd=built)


def test_a_recorded_session_is_decided_as_python_decides_it_to_the_byte(
    built: Path, bundle: Path, recording: tuple[Path, list[str]]
) -> None:
    file, told = recording
    assert kinds(told) == {"percept", "health", "rung", "fault", "utterance"}
    lines = run(built / "sensorium-native", bundle, given=messages(file)).splitlines()
    assert lines == told


@pytest.mark.skipif(lacking_for_arm() is not None, reason=str(lacking_for_arm()))
def test_built_for_aarch64_and_emulated_it_decides_the_same(
    weights: Weights, recording: tuple[Path, list[str]], tmp_path: Path
) -> None:
    folder = ROOT / "build" / "aarch64"
    run("cmake", "--preset", "aarch64", f"-DSENSORIUM_SYSROOT={SYSROOT}", cwd=ROOT / "cmake")
    run("cmake", "--build", folder, "--target", "sensorium-native")
    bundle = make(tmp_path / "tiny.bundle", weights, "arm-cpu")
    emulator = ("qemu-aarch64", "-cpu", "cortex-a76", "-L", "/usr/aarch64-linux-gnu")
    lines = run(*emulator, folder / "sensorium-native", bundle, given=messages(recording[0])).splitlines()
    assert lines == recording[1]


def test_the_bench_compares_it_with_python_on_one_recording(
    built: Path, bundle: Path, recording: tuple[Path, list[str]]
) -> None:
    told = native(built / "sensorium-native", bundle, recording[0], rounds=1)["figures"]
    assert told["same"]
    assert told["events"] == len(recording[1])
    assert min(told["native_rss_mb"], told["native_start_s"]) > 0


def test_live_samples_become_percepts_over_a_socket(built: Path, bundle: Path) -> None:
    command = [built / "sensorium-native", bundle, "--listen", "0", "--tick-ms", "10"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **SANE}
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        port = int(process.stderr.readline().decode().rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
            header = {"type": "frame", "modality": "vision", "shape": image.shape}
            connection.sendall(_frame(header, image))
            first = process.stdout.readline()
            while b'"vision": {"state": "live"' not in first or b'"evidence": true' not in first:
                first = process.stdout.readline()
                assert first, process.stderr.read().decode()
        rest = process.stdout.read().decode().splitlines()
        assert process.wait(LIMIT_S) == 0, process.stderr.read().decode()
    assert '"reason": "vision has ended"' in rest[-1]


def _frame(header: dict[str, object], image: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    """A message without a time: it was captured when it comes."""
    head = pack_message(header)
    return head[:4] + len(image.tobytes()).to_bytes(4, "little") + head[8:] + image.tobytes()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "no stream of messages"),
        (pack_message({"settings": {"modalities": ["vision"]}}), "settings.ladder is missing"),
        (pack_message({"type": "smell", "modality": "vision"}), "no sample type 'smell'"),
        (pack_message({"type": "line", "text": "x", "modality": "nose"}), "no modality 'nose'; known: audio, text"),
        (pack_message({"step": "Tick"})[:-2], "cut off in the middle"),
    ],
)
def test_a_stream_that_is_none_is_refused(built: Path, bundle: Path, given: bytes, told: str) -> None:
    done = subprocess.run(
        [built / "sensorium-native", bundle],
        input=given,
        capture_output=True,
        timeout=LIMIT_S,
        env={**os.environ, **SANE},
    )
    assert done.returncode == 1
    assert told in done.stderr.decode()


@pytest.mark.parametrize("what", ["damaged", "linked", "other target", "onnx"])
def test_a_bundle_that_is_not_for_it_is_refused(built: Path, bundle: Path, tmp_path: Path, what: str) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "copy"))
    graph, manifest = copy / "model" / "vision.pte", copy / "manifest.json"
    text = manifest.read_text()
    if what == "damaged":
        graph.write_bytes(graph.read_bytes()[:-1] + b"\0")
    elif what == "linked":
        shutil.move(graph, tmp_path / "vision.pte")
        graph.symlink_to(tmp_path / "vision.pte")
    elif what == "other target":
        manifest.write_text(text.replace('"target": "', '"target": "jetson-'))
    else:
        manifest.write_text(text.replace('"executorch"', '"onnxruntime"'))
    told = {
        "damaged": "model/vision.pte is damaged",
        "linked": "a link that leaves the bundle's folder",
        "other target": "it was compiled for jetson-",
        "onnx": "compile the bundle with --backend executorch",
    }
    done = subprocess.run(
        [built / "sensorium-native", copy], input=pack_message({}), capture_output=True, env={**os.environ, **SANE}
    )
    assert done.returncode == 1
    assert told[what] in done.stderr.decode()


def test_an_app_finds_the_installed_package_and_runs_without_python(built: Path, bundle: Path, tmp_path: Path) -> None:
    prefix, app = tmp_path / "prefix", tmp_path / "app"
    run("cmake", "--install", built, "--prefix", prefix)
    assert {path.name for path in (prefix / "lib").glob("libexecutorch*")} >= {"libexecutorch.so"}
    flags = "-fsanitize=address,undefined"  # as the library was built
    run("cmake", "-G", "Ninja", "-S", ROOT / "tests" / "native" / "app", "-B", app,
        f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_C_FLAGS={flags}")  # fmt: skip
    run("cmake", "--build", app)
    lines = run(app / "app", bundle).splitlines()
    assert kinds(lines) == {"health", "percept"}
    assert '"vision": {"state": "absent", "reason": "unplugged"' in lines[-1]
    libraries = run("ldd", app / "app")
    assert str(prefix / "lib" / "libexecutorch.so") in libraries.replace("/./", "/").replace("app/../", "")
    assert "python" not in libraries.lower().replace(str(prefix).lower(), "")
