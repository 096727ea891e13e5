"""ONNX Runtime's own quantizers: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.

Its page says: pre-process first; QDQ with signed int8 is the default and the first to try; on x86-64 without VNNI
unsigned activations or a reduced range; per channel where accuracy is lost; dynamic for transformers.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from peer import Setting, main


class Reader(CalibrationDataReader):
    """Feeds one after the other."""

    def __init__(self, feeds: list[dict[str, Any]]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next feed, None after the last."""
        return next(self._feeds, None)


def static(**options: Any) -> Callable[[Path, list[dict[str, Any]], Path], None]:
    """quantize_static in QDQ format with these options."""

    def quantize(path: Path, feeds: list[dict[str, Any]], out: Path) -> None:
        _prepared(
            path, lambda ready: quantize_static(ready, out, Reader(feeds), quant_format=QuantFormat.QDQ, **options)
        )

    return quantize


def dynamic(**options: Any) -> Callable[[Path, list[dict[str, Any]], Path], None]:
    """quantize_dynamic with these options."""

    def quantize(path: Path, _: list[dict[str, Any]], out: Path) -> None:
        _prepared(path, lambda ready: quantize_dynamic(ready, out, **options))

    return quantize


def _prepared(path: Path, then: Callable[[Path], None]) -> None:
    """After quant_pre_process, which may fail on graphs of torch's exporter: then without its symbolic shapes."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        try:
            quant_pre_process(path, ready)
        except Exception as err:
            print(f"quant_pre_process: {type(err).__name__}: {err}; again without symbolic shapes")
            quant_pre_process(path, ready, skip_symbolic_shape=True)
        then(ready)


UNSIGNED = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}

if __name__ == "__main__":
    main(
        ("onnxruntime", "onnx"),
        [
            Setting("static", "quantize_static(QDQ)", static()),
            Setting("static-channel", "quantize_static(QDQ, per_channel=True)", static(per_channel=True)),
            Setting(
                "static-unsigned",
                "quantize_static(QDQ, per_channel=True, reduce_range=True, activation_type=QUInt8)",
                static(per_channel=True, reduce_range=True, **UNSIGNED),
            ),
            Setting("dynamic", "quantize_dynamic()", dynamic()),
            Setting(
                "dynamic-linear",
                "quantize_dynamic(op_types_to_quantize=[MatMul, Gemm], per_channel=True)",
                dynamic(op_types_to_quantize=["MatMul", "Gemm"], per_channel=True),
            ),
        ],
    )
