"""Records with a checkpoint what targets need to quantize its graphs and its variants' where there are no data:

python -m sensorium_compile.targets.ranges keypad --data DIR
python -m sensorium_compile.targets.ranges my.toml --data DIR --checkpoint FOLDER
"""

import argparse
from itertools import product
from pathlib import Path

from sensorium_compile import checkpoint
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import backends, lower, missing, precisions
from sensorium_compile.lower.candidates import Lowering
from sensorium_compile.material import Material, find_material
from sensorium_compile.recipe import ModelRecipe, load_recipe
from sensorium_compile.stages import Stages, cache_folder
from sensorium_compile.targets import npu_graph, qnn_graph
from sensorium_compile.targets.source import sources_of
from sensorium_compile.variants import variant_material
from sensorium_compile.zoo import Weights

STATIC = "int8-static"  # the other precisions need no ranges, or those of this one


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path)
    args = parser.parse_args()
    recipe = load_recipe(args.recipe)
    if not isinstance(recipe, ModelRecipe):
        raise CompileError(f"recipe {args.recipe} has no checkpoint: it is made of ready parts")
    stages = Stages(cache_folder())
    material = find_material(
        recipe,
        args.data,
        args.checkpoint,
        retrain=False,
        weights=Weights(),
        stages=stages,
        progress=lambda *_: None,
    )
    print(record_ranges(material, stages))  # noqa: T201


def record_ranges(material: Material, stages: Stages) -> Path:
    """The checkpoint's calibrations, written again with all that targets need; raises CompileError without samples.

    The student's for Ethos-U and Hexagon; those of variants with weights of their own for every backend, since which
    form ships is chosen on the machine that compiles.
    """
    digest = checkpoint.digest(material.folder)
    lowering = Lowering(material.exportables(), digest, material.calibration, stages)
    for source in sources_of(lowering, stages).values():
        npu_graph.ranges_of(source)
        qnn_graph.ranges_of(source)
    path = material.folder / checkpoint.CALIBRATION
    path.write_text(material.calibration.to_json(), encoding="utf-8")
    for name, plan in material.recipe.variants.items():
        if plan.steps:
            own = variant_material(material, name)
            for graph, backend in product(own.exportables().values(), backends()):
                if missing(backend) is None and STATIC in precisions(backend):
                    lower(backend, graph, STATIC, own.calibration)
            ranges = material.folder / checkpoint.variant_ranges(name)
            ranges.write_text(own.calibration.to_json(), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
