"""NNCF's post-training quantization: https://docs.openvino.ai/2026/openvino-workflow/model-optimization.html.

On the ONNX graph, which ONNX Runtime and OpenVINO both run, and on OpenVINO's own graph, where NNCF is at home.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nncf
import onnx
import openvino
from peer import Setting, main

CALL = "nncf.quantize(model, dataset"


def quantizer(*, native: bool, **options: Any) -> Callable[[Path, list[dict[str, Any]], Path], None]:
    """nncf.quantize with these options, on OpenVINO's graph where ``native``."""

    def quantize(path: Path, feeds: list[dict[str, Any]], out: Path) -> None:
        dataset = nncf.Dataset(feeds)
        if native:
            openvino.save_model(nncf.quantize(openvino.convert_model(path), dataset, **options), out)
        else:
            onnx.save(nncf.quantize(onnx.load(path), dataset, **options), out)

    return quantize


TRANSFORMER = {"model_type": nncf.ModelType.TRANSFORMER}
BOTH, OWN = ("onnxruntime", "openvino"), ("openvino",)

if __name__ == "__main__":
    main(
        ("nncf", "openvino", "onnx"),
        [
            Setting("default", f"{CALL}) on ONNX", quantizer(native=False), BOTH),
            Setting(
                "transformer",
                f"{CALL}, model_type=TRANSFORMER) on ONNX",
                quantizer(native=False, **TRANSFORMER),
                BOTH,
            ),
            Setting("native-default", f"{CALL}) on OpenVINO's graph", quantizer(native=True), OWN, ".xml"),
            Setting(
                "native-transformer",
                f"{CALL}, model_type=TRANSFORMER) on OpenVINO's graph",
                quantizer(native=True, **TRANSFORMER),
                OWN,
                ".xml",
            ),
        ],
    )
