"""The bench of several streams on one runtime."""

import json
from pathlib import Path

import pytest
from tests.edge.tiny_model import write_bundle
from typer.testing import CliRunner

from sensorium.errors import BundleError
from sensorium_apps.app import app
from sensorium_apps.benches.batching import batching


def test_every_graph_that_takes_batches_is_measured_both_ways_at_both_loads(tmp_path: Path) -> None:
    bundle, figures = write_bundle(tmp_path / "bundle", ["vision"], any_batch=True), tmp_path / "figures.json"
    words = ["bench", "batching", "--bundle", str(bundle), "--rounds", "1", "--seconds", "0.1", "--json", str(figures)]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    told = json.loads(figures.read_text())
    assert set(told["figures"]) == set(told["floor"]) == {"colours/vision", "colours/fusion"}
    assert told["machine"]["cores"]
    for one in told["figures"].values():
        assert one["batch_mean"] >= 1
        for load in ("low", "high"):
            for way in ("one_by_one", "batched"):
                assert one[load][way]["per_s"] > 0
                assert 0 <= one[load][way]["missed_ratio"] <= 1
    assert "ratio" in ran.output


def test_a_bundle_without_such_graphs_is_answered_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match='batch = "any"'):
        batching(write_bundle(tmp_path), rounds=1, seconds=0.1, threads=1)
