"""The figures of any bundle whose model gives places in text space, on any folder that holds the sets."""

from collections.abc import Callable
from pathlib import Path

from sensorium.bundle import Bundle, Part
from sensorium.components.embedder import TextEmbedder
from sensorium.learned.config import parse_config
from sensorium_compile.errors import CompileError
from sensorium_compile.scene.evaluate import FOLD, Embed, Looker, pairs, pictures, sounds
from sensorium_compile.scene.space import centred
from sensorium_compile.verify.gate import SubsetScores
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.verify.temperature import divided

COCO = "coco"  # the part's file of COCO's names
PHOTOS_THAT_TRAINED = Path("photos", "coco_ccby")


def scene_scores(
    bundle: Bundle, part: Part, data: Path, *, held_out: bool = False, threads: int = 1
) -> tuple[dict[str, SubsetScores], dict[str, str]]:
    """By subset of senses, and why a sense is left out.

    vision: average precision of each of COCO's categories; audio: ESC-10's phrases (``held_out``: its fold 4 alone);
    vision+audio: photos and sounds of the same thing. Raises CompileError where the folder holds none of it.
    """
    config = parse_config(part)
    looker = Looker(OpenedModel.of_part(part, threads=threads), config.modalities)
    embed, fold = _space(bundle), FOLD if held_out else ""
    names = part.read(COCO).decode().splitlines()
    tasks: dict[str, Callable[[], SubsetScores]] = {
        "vision": lambda: pictures(looker, embed, data, names, data / PHOTOS_THAT_TRAINED),
        "audio": lambda: sounds(looker, embed, data, fold),
        "vision+audio": lambda: pairs(looker, embed, data, fold)["vision+audio"],
    }
    scores, missing = {}, {}
    for subset, task in tasks.items():
        try:
            scores[subset] = task()
        except CompileError as err:
            missing[subset] = str(err)
    if not scores:
        raise CompileError(f"nothing in {data} can be measured: " + "; ".join(missing.values()))
    return divided(scores, {subset: (value, value) for subset, value in config.temperature.items()}), missing


def _space(bundle: Bundle) -> Embed:
    part = bundle.find("embedder")
    if part is None:
        raise CompileError(f"{bundle.path} has no part of role embedder, so texts cannot be compared with its model")
    embedder = TextEmbedder(part, 1)
    return lambda texts: centred(embedder.embed(texts), embedder.centre)
