import json
import sys
from pathlib import Path

import numpy as np
from tests.compile import tiny_model

from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.candidates import Candidate
from sensorium_compile.peers.export import GRAPHS, run_peer, stacked
from sensorium_compile.peers.forms import OURS, SHARED, peer_offers
from sensorium_compile.peers.table import Row, front, table, verdict, verdicts


def row(name: str, accuracy: float, ms: float, owner: str = OURS, backend: str = "onnxruntime") -> Row:
    subsets = {"vision": 0.99, "audio": accuracy}
    return Row(name=name, owner=owner, backend=backend, subsets=subsets, n={"vision": 100, "audio": 200}, ms=ms)


def test_the_front_holds_what_nothing_beats() -> None:
    rows = [row("a", 0.9, 3.0), row("b", 0.8, 2.0), row("beaten", 0.8, 2.5), Row(name="x", owner="p", backend="")]
    assert [one.name for one in front(rows)] == ["b", "a"]


def test_a_form_as_good_and_as_fast_is_on_the_front() -> None:
    said = verdict([row("mine", 0.9, 3.0)], [row("theirs", 0.9, 3.0, "nncf"), row("worse", 0.8, 4.0, "nncf")], "Here")
    assert said == ["Here: ours is on or above the peers' front (theirs)."]


def test_a_point_that_nothing_of_ours_reaches_is_told_with_what_comes_nearest() -> None:
    ours = [row("fast", 0.85, 1.0), row("good", 0.95, 4.0)]
    said = verdict(ours, [row("theirs", 0.9, 2.0, "olive"), row("easy", 0.8, 1.5, "olive")], "Here")
    assert said[0] == "Here: ours is NOT on or above the peers' front at 1 of its 2 points."
    assert "fast, has 0.850 (audio) in 1.00 ms, 10 answers fewer" in said[1]
    assert "good, has 0.950 (audio) in 4.00 ms, 100% longer" in said[1]


def test_without_a_form_of_a_peer_there_is_no_front_to_be_above() -> None:
    assert "no peer made a form" in verdict([row("mine", 0.9, 3.0)], [], "Here")[0]


def test_another_runtime_counts_only_where_every_runtime_does() -> None:
    rows = [row("float", 0.9, 5.0, SHARED), row("nncf", 0.9, 2.0, "nncf"), row("litert", 0.9, 1.0, backend="litert")]
    one, _, every = verdicts(rows)
    assert one.startswith("On ONNX Runtime, quantization alone: ours is NOT")
    assert every.startswith("On every runtime: ours is on or above")


def test_the_table_says_why_a_form_could_not_be_made() -> None:
    failed = Row(name="olive static", owner="olive", backend="", call="OnnxStaticQuantization", error="ValueError: no")
    text = table([row("mine", 0.9, 3.0), failed])
    assert "- olive static (OnnxStaticQuantization): ValueError: no" in text
    assert "| mine | 0.990 | 0.900 | 0.900 | 3.00 |" in text


def test_feeds_are_stacked_by_input() -> None:
    made = stacked([{"sample": np.zeros((1, 3), np.float32)}, {"sample": np.ones((1, 3), np.float32)}])
    assert made["sample"].shape == (2, 1, 3)


def test_a_peer_runs_once_for_the_same_graphs(tmp_path: Path) -> None:
    (tmp_path / GRAPHS).mkdir()
    (tmp_path / GRAPHS / "vision.onnx").write_bytes(b"one")
    (tmp_path / "toy" / "bin").mkdir(parents=True)
    (tmp_path / "toy" / "bin" / "python").symlink_to(sys.executable)
    script = tmp_path / "peer_toy.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "out = Path(sys.argv[2]); (out / 'told.json').write_text('{}')\n"
        "with open(out / 'runs', 'a') as f: f.write('x')\n"
    )
    out = tmp_path / "toy"
    for _ in range(2):
        run_peer("toy", tmp_path, tmp_path, tmp_path)
    assert (out / "runs").read_text() == "x"
    (tmp_path / GRAPHS / "vision.onnx").write_bytes(b"two")
    run_peer("toy", tmp_path, tmp_path, tmp_path)
    assert (out / "runs").read_text() == "xx"


def written(folder: Path, graphs: dict[str, dict[str, object]]) -> None:
    setting = {"call": "quantize()", "backends": ["onnxruntime"], "suffix": ".onnx", "graphs": graphs}
    folder.mkdir()
    (folder / "told.json").write_text(json.dumps({"tools": {"toy": "1"}, "settings": {"static": setting}}))
    (folder / "static").mkdir()


def plain() -> Candidate:
    drafts = {
        name: GraphDraft(model, inputs=entry.inputs, outputs=entry.outputs)
        for name, (entry, model) in tiny_model.graphs().items()
    }
    return Candidate("onnxruntime", "float32", drafts, {})


def test_a_graph_that_a_peer_could_not_quantize_or_spoiled_stays_in_float_and_is_told(tmp_path: Path) -> None:
    done, failed = {"seconds": 1.0, "error": None}, {"seconds": 1.0, "error": "ValueError: no"}
    written(tmp_path / "toy", {"vision": done, "audio": failed, "fusion": done})
    (tmp_path / "toy" / "static" / "vision.onnx").write_bytes(tiny_model.model("vision"))
    (tmp_path / "toy" / "static" / "fusion.onnx").write_bytes(b"spoiled")
    (offer,), tools = peer_offers(tmp_path / "toy", plain())
    assert tools == {"toy": "1"}
    assert "audio: ValueError: no" in offer.note
    assert "fusion: fusion.onnx: onnxruntime refuses it" in offer.note
    assert offer.open().modalities == ("vision", "audio")
    assert offer.size_bytes == sum(len(tiny_model.model(name)) for name in ("vision", "audio", "fusion"))


def test_a_peer_that_quantized_nothing_is_a_row_with_its_reason(tmp_path: Path) -> None:
    failed = {"seconds": 1.0, "error": "ValueError: no"}
    written(tmp_path / "toy", dict.fromkeys(("vision", "audio", "fusion"), failed))
    (offer,), _ = peer_offers(tmp_path / "toy", plain())
    assert "ValueError: no" in offer.error
    (other,), _ = peer_offers(tmp_path / "absent", plain())
    assert other.error
