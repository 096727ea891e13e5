import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sensorium.errors import SensoriumError
from sensorium_apps.app import app
from sensorium_apps.benches import absent, overhead, overload, peers
from sensorium_apps.benches.beside import beside, summary
from sensorium_apps.benches.comparison_table import BEGIN, END, drawn, put, table
from sensorium_apps.benches.floor import floor
from sensorium_apps.benches.peers import (
    PEERS,
    Answers,
    Load,
    Passes,
    PeerError,
    environments,
    interpreter,
    parse,
    run_peer,
)
from sensorium_apps.benches.soak.soak import soak
from sensorium_apps.benches.soak.world import PERIODS_NS

STAGES = {"version": "1.0", "result": {"us": [1.0, 2.0, 3.0]}}


def one(**figures: float | None) -> dict[str, Any]:
    return summary([figures])


TOLD: dict[str, Any] = {
    "overhead": {
        **summary([{"p50_us": 18.0, "p99_us": 60.0}, {"p50_us": 20.0, "p99_us": 70.0}]),
        "peers": {"mediapipe": {"version": "0.10.21", **one(p50_us=28.0, p99_us=97.0)}},
        "floor": {"queue_hop_p50_us": 13.0, "queue_hop_p99_us": 41.0},
        "rounds": 2,
    },
    "overload": {
        **one(age_p99_ms=134.0, rss_growth_mb=0.0),
        "peers": {"pipecat": {"version": "1.14.0", **one(age_p99_ms=19_800.0, rss_growth_mb=174.0)}},
    },
    "absent": {**one(answered_ratio=1.0), "peers": {"ros": {"version": "1.15.15", **one(answered_ratio=0.0)}}},
    "stall": {
        **one(p50_ms=93.0, watched_s=11.0),
        "peers": {"roboflow": {"version": "1.8.3", **one(p50_ms=None, watched_s=11.0)}},
    },
    "recovery": {**one(p50_ms=60.0, watched_s=60.0), "peers": {"roboflow": {"error": "killed"}}},
    "startup": {**one(import_s=0.1, rss_mb=45.0), "peers": {"roboflow": {"error": "killed"}}},
    "machine": {"processor": "a processor", "cores": 2, "load_1min": 0.1},
}


def test_the_floor_is_told_of_sleeps_and_queues() -> None:
    assert all(value > 0 for value in floor().values())
    assert set(floor()) == {f"{what}_p{p}_us" for what in ("sleep_overshoot", "queue_hop") for p in (50, 99)}


def test_every_frame_is_timed_through_a_whole_session() -> None:
    passes, ticks = overhead.ours(20)
    assert len(passes.us) == 20
    assert min(passes.us) > 0
    assert min(ticks) > 0


def test_more_frames_than_a_stage_can_take_are_done_or_dropped_exactly() -> None:
    load = overload.ours(1.0)
    figures = overload.figures(load)
    assert load.given == 30 == load.done + load.dropped
    assert load.dropped > 0
    assert (figures["waiting"], figures["unaccounted"]) == (0, 0)
    assert min(load.ages_ms) >= overload.STAGE_MS


def test_a_peer_that_does_not_tell_what_it_dropped_has_no_account() -> None:
    load = Load(given=10, done=3, dropped=None, waiting=0, ages_ms=[1.0, 2.0, 3.0], rss_growth_mb=0.0)
    assert overload.figures(load)["unaccounted"] is None


def test_each_sense_alone_and_all_at_once_are_absent_and_what_is_told_of_it_is_true() -> None:
    faults = absent.outages(5.0)
    together = {fault.start_ns: {f.modality for f in faults if f.start_ns == fault.start_ns} for fault in faults}
    assert list(together.values()) == [*({name} for name in PERIODS_NS), set(PERIODS_NS)]
    told = soak(absent.plan(faults, virtual=True), faults=faults)
    assert told["violations"] == []
    assert told["figures"]["answered_ratio"] == 1.0
    assert told["figures"]["faults_judged"] == len(faults)


def test_what_a_peer_wrote_is_parsed_at_the_door() -> None:
    assert parse(json.dumps(STAGES), Passes) == (Passes(us=[1.0, 2.0, 3.0]), "1.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ('{"version": "1.0"}', "neither a result nor an error"),
        ('{"version": "1.0", "error": "ImportError: no such thing"}', "ImportError: no such thing"),
        ('{"version": "1.0", "result": {"us": []}}', "us: List should have at least 1"),
        ('{"version": "1.0", "result": {"ticks": 3, "answered": 3}}', "us: Field required"),
    ],
)
def test_a_peer_that_wrote_something_else_has_a_reason(text: str, reason: str) -> None:
    with pytest.raises(PeerError, match=reason):
        parse(text, Passes)


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for peers whose scripts are ours, run by this Python."""
    for name in PEERS:
        (tmp_path / "peers" / name / "bin").mkdir(parents=True)
        (tmp_path / "peers" / name / "bin" / "python").symlink_to(sys.executable)
        (tmp_path / "peers" / name / "ready").touch()
    (tmp_path / "scripts").mkdir()
    monkeypatch.setattr(peers, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.setenv(peers.VARIABLE, str(tmp_path / "peers"))
    return tmp_path


def write(scripted: Path, name: str, body: str) -> None:
    text = f"import json, pathlib, sys\nprobe, options, out = sys.argv[1:]\nout = pathlib.Path(out)\n{body}\n"
    (scripted / "scripts" / f"peer_{name}.py").write_text(text)


def test_peers_are_run_in_turn_and_one_that_fails_is_told_with_its_reason(scripted: Path) -> None:
    write(scripted, "mediapipe", f"out.write_text('{json.dumps(STAGES)}')")
    write(scripted, "pipecat", "raise ImportError('no such thing')")
    told = beside(
        lambda: Passes(us=[1.0]), overhead.figures, Passes, "overhead", {"frames": 1}, rounds=2, names=tuple(PEERS)
    )
    assert told["peers"]["mediapipe"] == {"version": "1.0", **summary([{"p50_us": 2.0, "p99_us": 3.0}] * 2)}
    assert told["peers"]["pipecat"] == {"error": "ImportError: no such thing"}
    assert "no peer_gstreamer.py here" in told["peers"]["gstreamer"]["error"]
    assert set(told["peers"]) == {"mediapipe", "pipecat", "gstreamer"}  # the others have no stages


def test_a_peer_without_an_environment_says_what_its_installation_said(scripted: Path) -> None:
    (scripted / "peers" / "ros" / "ready").unlink()
    with pytest.raises(PeerError, match="scripts/compare-peers"):
        run_peer("ros", "absent", {"ticks": 1}, Answers)
    (scripted / "peers" / "ros.log").write_text("...\nE: Unable to locate package\n")
    with pytest.raises(PeerError, match="cannot be installed: E: Unable to locate package"):
        run_peer("ros", "absent", {"ticks": 1}, Answers)


@pytest.mark.parametrize("name", ["mediapipe", "ros"])
def test_peers_give_no_answer_while_a_sense_is_absent(name: str) -> None:
    try:
        interpreter(name, environments())
    except PeerError as err:
        pytest.skip(str(err))
    answers, version = run_peer(name, "absent", {"ticks": 5}, Answers)
    assert (answers.ticks, answers.answered) == (5, 0)
    assert version


def test_the_command_runs_ours_alone_and_says_how_to_get_the_peers(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    command = ["bench", "overhead", "--frames", "10", "--rounds", "1", "--peers", "none", "--json", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    told = json.loads(out.read_text())
    assert {"figures", "spread", "floor", "peers", "machine"} <= told.keys()
    assert told["figures"]["p99_us"] >= told["figures"]["p50_us"] > 0
    assert "the floor" in result.stdout.splitlines()[0]
    assert "scripts/compare-peers" in result.stdout


def test_a_peer_that_is_not_known_is_refused_with_those_that_are() -> None:
    result = CliRunner().invoke(app, ["bench", "overload", "--peers", "mediapip"])
    assert result.exit_code != 0
    assert "mediapip" in result.output
    assert "gstreamer" in result.output


def test_the_table_has_every_figure_of_ours_and_of_the_peers_and_says_who_is_missing_why() -> None:
    lines = table(TOLD).splitlines()
    cells = {row[1]: row[2:-1] for line in lines if len(row := [cell.strip() for cell in line.split("|")]) > 2}
    assert cells[""] == ["Sensorium", "MediaPipe 0.10.21", "Pipecat 1.14.0", "Roboflow inference 1.8.3", "GStreamer",
                         "ROS ApproximateTime 1.15.15"]  # fmt: skip
    assert cells["five stages, 640x480: p50, us"] == ["19 (18-20)", "28", "·", "·", "·", "·"]
    assert cells["30 fps into a stage of 100 ms: age of a frame, p99"][:3] == ["134 ms", "·", "19.8 s"]
    assert cells["a sense is absent: answered"] == ["100%", "·", "·", "·", "·", "0%"]
    assert cells["a read never returns: told after"] == ["93 ms", "·", "·", "not within 11 s", "·", "·"]
    assert cells["unplugged: back after its return"][3] == "not run"
    assert "Roboflow inference, recovery: killed." in lines


def test_the_table_goes_between_its_marks_again_and_again() -> None:
    page = f"# A page\n\n{BEGIN}\n{END}\n\nMore."
    assert put(put(page, "| old |"), "| new |") == f"# A page\n\n{BEGIN}\n| new |\n{END}\n\nMore."
    with pytest.raises(SensoriumError, match="no place for the table"):
        put("# A page", "| new |")


def test_the_picture_is_drawn_from_the_same_figures(tmp_path: Path) -> None:
    drawn(TOLD, tmp_path / "comparison.png")
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
