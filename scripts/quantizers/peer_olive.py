"""Olive's passes: https://microsoft.github.io/Olive/reference/pass.html, by its documented ``olive.run(config)``."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from olive import run
from olive.data.component.dataset import BaseDataset
from olive.data.registry import Registry
from peer import Setting, feeds_of, main

ROWS = "sensorium_feeds"


@Registry.register_dataset(ROWS)
def rows(path: str, **_: Any) -> BaseDataset:
    """The calibration feeds without their batch of one, which Olive's loader adds again; nothing reads the label 0."""
    return BaseDataset([({name: a[0] for name, a in feed.items()}, 0) for feed in feeds_of(Path(path))])


def olive_pass(kind: str, *, calibrated: bool = False, **options: Any) -> Callable[[Path, Any, Path], None]:
    """A workflow of this one pass."""

    def quantize(path: Path, _: Any, out: Path) -> None:
        one: dict[str, Any] = {"type": kind, **options}
        if calibrated:
            one["data_config"] = "feeds"
        with tempfile.TemporaryDirectory() as folder:
            run(
                {
                    "input_model": {"type": "ONNXModel", "model_path": str(path)},
                    "systems": {
                        "here": {
                            "type": "LocalSystem",
                            "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
                        }
                    },
                    "data_configs": [
                        {
                            "name": "feeds",
                            "type": "DataContainer",
                            "load_dataset_config": {"type": ROWS, "params": {"path": str(path)}},
                            "pre_process_data_config": {"type": "skip_pre_process"},
                            "post_process_data_config": {"type": "skip_post_process"},
                            "dataloader_config": {"type": "default_dataloader", "params": {"batch_size": 1}},
                        }
                    ],
                    "passes": {"quantize": one},
                    "target": "here",
                    "host": "here",
                    "cache_dir": f"{folder}/cache",
                    "output_dir": f"{folder}/out",
                    "evaluate_input_model": False,
                }
            )
            made = sorted(Path(folder, "out").rglob("*.onnx"))
            if made:
                shutil.copyfile(made[0], out)

    return quantize


if __name__ == "__main__":
    main(
        ("olive-ai", "onnxruntime", "onnx", "torch"),
        [
            Setting("static", "OnnxStaticQuantization", olive_pass("OnnxStaticQuantization", calibrated=True)),
            Setting(
                "static-channel",
                "OnnxStaticQuantization, per_channel",
                olive_pass("OnnxStaticQuantization", calibrated=True, per_channel=True),
            ),
            Setting(
                "static-few",
                "OnnxStaticQuantization, per_channel, without prepare_qdq_config",
                olive_pass("OnnxStaticQuantization", calibrated=True, per_channel=True, prepare_qdq_config=False),
            ),
            Setting("dynamic", "OnnxDynamicQuantization", olive_pass("OnnxDynamicQuantization")),
        ],
    )
