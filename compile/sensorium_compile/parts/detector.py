"""The detector: CenterNet, from TensorFlow.js to ONNX.

It stays float: static int8 makes it 1.25 (heads kept float) or 1.5 times as fast, and takes its mAP50 on 192
COCO photos from .51 to .29 or .27.
"""

import re

from sensorium_compile.convert import parity, tfjs
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Weights

GRAPH, WEIGHTS, NAMES = "centernet-graph", "centernet-weights", "coco-names"
SIZE = 512  # the model's own
CLASSES = 80  # COCO's
ERROR = 0.01  # allowed: boxes [pixels] and scores; seen 0.0001

# Found on 192 COCO photos: letterbox .51 mAP50, stretched to a square .48; black around it .51, grey .50.
FILL = 0
OVERLAP = 0.5  # .45 to .65 give the same mAP50; without suppression .50
THRESHOLD = 0.3  # precision .71, recall .40; at .25 .60 and .46, at .35 .79 and .34


def build(weights: Weights) -> PartDraft:
    """Convert, and compare with what the original said of the same picture."""
    outputs = {"detections": "tower_0/detections"}
    model = tfjs.convert(weights.path(GRAPH), weights.path(WEIGHTS), outputs, "tower_0/images")
    picture = {"pixels": parity.pattern(SIZE)[None]}
    said, expected = (
        d["detections"].reshape(-1, 6) for d in (parity.run(model, picture), parity.reference("centernet"))
    )
    # Rows are sorted by score; from the ninth on, scores are so near that rounding may swap rows.
    error = parity.check_error("the detector's first rows", said[:8], expected[:8], ERROR)
    parity.check_error("the detector's scores", said[:, 4], expected[:, 4], ERROR)
    return PartDraft(
        role="detector",
        graphs={"model": GraphDraft(model.SerializeToString(deterministic=True), golden={"pattern": picture})},
        files={"labels": ("labels.txt", "\n".join(coco_names(weights.path(NAMES).read_text("utf-8"))).encode())},
        config={"size": SIZE, "fill": FILL, "threshold": THRESHOLD, "overlap": OVERLAP},
        origins=tuple(weights.origin(entry) for entry in (GRAPH, WEIGHTS, NAMES)),
        figures={"error_to_original": error},
    )


def coco_names(source: str) -> tuple[str, ...]:
    """The names by class number, out of a TypeScript array of ``{ class: 1, label: 'person' }``."""
    found = {int(number): name for number, name in re.findall(r"class: (\d+), label: '([^']+)'", source)}
    if sorted(found) != list(range(1, CLASSES + 1)):
        raise CompileError(f"{NAMES} names {len(found)} classes; a detector of COCO has {CLASSES}")
    return tuple(found[number] for number in sorted(found))
