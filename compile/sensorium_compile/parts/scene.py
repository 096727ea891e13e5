"""The scene model: pictures and sounds as places in the text embedder's space, in int8, from the student that ships.

How it was made and what it reaches: sensorium_compile.scene. Its figures are in compile/checkpoints/scene/record.json.
"""

from sensorium_compile.checkpoint import CALIBRATION, read_record, shipped
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, lower
from sensorium_compile.lower.candidates import Candidate
from sensorium_compile.model import MultimodalModel
from sensorium_compile.model.build import graphs_of
from sensorium_compile.parts.detector import NAMES as COCO
from sensorium_compile.parts.detector import coco_names
from sensorium_compile.parts.sound import YAMNET
from sensorium_compile.scene.checkpoint import load_scene
from sensorium_compile.scene.model import LABELS, STUDENT, ScenePlan, example_samples, scene_config
from sensorium_compile.verify.eager import open_eager
from sensorium_compile.verify.golden import check_parity, golden_samples
from sensorium_compile.zoo import Weights

NAME = "scene"
# Backend and precision of each graph. Static ranges cost the sound tower all (.93 -> .11 on ESC-10 fold 4), for
# what lies between its factors reaches far.
FORMS = {
    "vision": ("onnxruntime", "int8-mixed"),
    "audio": ("litert", "int8-dynamic"),
    "fusion": ("onnxruntime", "float32"),
}
COSINE = 0.9  # at least, of int8 to PyTorch on made-up samples; on real ones the record tells what is lost


def build(weights: Weights) -> PartDraft:
    """Load the student, lower it by the ranges that travel with it, compare it with PyTorch."""
    folder = shipped(NAME)
    if folder is None:
        raise CompileError(f"the checkpoint {NAME} is not here: it is in the repository, not in the wheel; use a clone")
    model = load_scene(folder)
    calibration = Calibration.from_json((folder / CALIBRATION).read_text(encoding="utf-8"))
    graphs = lowered(model, STUDENT, calibration)
    config = scene_config(STUDENT, LABELS, read_record(folder).temperature)
    reference = open_eager(model, config.modalities)
    form = Candidate("mixed", "mixed", graphs, {}).open()
    parity = check_parity(reference, form, golden_samples(config.modalities))
    if not parity.finite or parity.cosine < COSINE:
        raise CompileError(
            f"the scene model in int8 has a cosine of {parity.cosine:.3f} with its original; {parity.where}"
        )
    return PartDraft(
        role="model",
        graphs=graphs,
        files={"coco": ("coco.txt", "\n".join(coco_names(weights.path(COCO).read_text("utf-8"))).encode())},
        config=config.model_dump(mode="json"),
        origins=(weights.origin("efficientnet-lite0"), weights.origin("imagenet-names"), weights.origin(COCO), YAMNET),
        figures={"int8_cosine_to_original": parity.cosine},
    )


def lowered(model: MultimodalModel, plan: ScenePlan, calibration: Calibration) -> dict[str, GraphDraft]:
    """Every graph in its form."""
    return {
        name: lower(FORMS[name][0], graph, FORMS[name][1], calibration)
        for name, graph in exportables(model, plan).items()
    }


def exportables(model: MultimodalModel, plan: ScenePlan) -> dict[str, Exportable]:
    """The model's graphs by name, the fusion last."""
    made = graphs_of(model, example_samples(plan))
    return {name: Exportable(name, module, inputs, outputs) for name, (module, inputs, outputs) in made.items()}
