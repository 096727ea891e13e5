import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.devices.helpers import numbered, write_video
from tests.edge.tiny_model import write_bundle
from typer.testing import CliRunner

from sensorium.errors import SensoriumError
from sensorium_apps.app import app
from sensorium_apps.benches.false_alarms import false_alarms
from sensorium_apps.benches.installed import closure, install_mb
from sensorium_apps.benches.material import Material, synthesised
from sensorium_apps.benches.pairing import pairing
from sensorium_apps.benches.recovery import recovery
from sensorium_apps.benches.stall import detect
from sensorium_apps.benches.startup import probe
from sensorium_devices.isolate import Isolate


def test_startup_tells_figures_floor_spread_and_machine(tmp_path: Path) -> None:
    out = tmp_path / "startup.json"
    result = CliRunner().invoke(app, ["bench", "startup", "--rounds", "1", "--json", str(out)])
    assert result.exit_code == 0
    told = json.loads(out.read_text())
    assert {"figures", "floor", "spread", "machine"} <= told.keys()
    assert told["figures"]["torch_imported"] is False
    assert told["figures"]["rss_mb"] <= 60  # the budget of a runtime without a model
    assert told["figures"]["install_mb"] <= 170  # with its inference engine
    assert "import sensorium" in result.stdout


def test_the_closure_holds_what_is_required_indirectly_and_no_extras() -> None:
    names = closure(("pydantic", "onnxruntime"))
    assert {"pydantic", "pydantic-core", "onnxruntime", "numpy"} <= set(names)
    assert "email-validator" not in names


def test_sizes_are_told_by_distribution() -> None:
    sizes = install_mb()
    assert sizes["numpy"] > 10
    assert 0 < sizes["sensorium"] < 20


def test_an_import_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(SensoriumError, match="No module named 'no_such_module'"):
        probe("import no_such_module")


def test_a_blocked_read_is_found_and_not_before_frames_are_missing() -> None:
    detected, _ = detect(5)
    assert len(detected) == 5
    assert min(detected) > 2 * 1000 / 30


def test_there_is_no_false_alarm_in_a_while_of_virtual_time() -> None:
    assert false_alarms(synthesised(), 60.0) == []


def test_a_fault_in_the_material_would_be_an_alarm() -> None:
    dark, offset = np.zeros((280, 360, 3), np.uint8), np.full(160_000, 0.5, np.float32)
    alarms = false_alarms(Material([dark], [offset], "faulty"), 12.0)
    assert {(alarm.modality, alarm.reason) for alarm in alarms} == {
        ("vision", "degraded: dark"),
        ("audio", "degraded: DC offset"),
    }


def test_videos_are_played_as_their_cameras_took_them_and_one_that_stands_still_is_an_alarm(tmp_path: Path) -> None:
    moving, still = write_video(tmp_path / "moving.avi", 100), tmp_path / "still.avi"
    writer = cv2.VideoWriter(str(still), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
    for _ in range(100):
        writer.write(numbered(1))
    writer.release()
    assert false_alarms(replace(synthesised(), videos=[moving]), 40.0) == []
    alarms = false_alarms(replace(synthesised(), videos=[moving, still]), 40.0)
    assert {(alarm.modality, alarm.reason) for alarm in alarms} == {("vision", "degraded: frozen")}
    still.write_bytes(moving.read_bytes()[:3000])
    with pytest.raises(SensoriumError, match=r"still\.avi"):
        false_alarms(replace(synthesised(), videos=[still]), 40.0)


def test_a_camera_that_was_cut_off_is_seen_again_and_nothing_is_left_behind() -> None:
    told = recovery(3, Isolate.NEVER)
    assert told["figures"]["recovery_p95_ms"] > 0
    assert {told["figures"][f"{what}_leaked"] for what in ("threads", "fds", "processes")} == {0}


def test_drift_is_corrected_until_a_clap_is_seen_and_heard_as_one() -> None:
    told = pairing(drift_ppm=100.0, minutes=10.0)
    assert told["figures"]["skew_p95_ms"] <= 20.0
    assert told["floor"]["uncorrected_skew_p95_ms"] > 50.0


def test_fallback_tells_every_graph_bare_and_replaceable(tmp_path: Path) -> None:
    bundle, out = write_bundle(tmp_path / "bundle"), tmp_path / "fallback.json"
    result = CliRunner().invoke(
        app, ["bench", "fallback", "--bundle", str(bundle), "--rounds", "20", "--json", str(out)]
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())["figures"]
    assert set(figures) == {"colours/vision", "colours/audio", "colours/fusion"}
    assert all(one["bare_ms"] > 0 and one["ratio"] > 0 for one in figures.values())
    assert "colours/vision" in result.stdout
