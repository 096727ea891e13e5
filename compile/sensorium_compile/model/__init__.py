"""The model contract: named encoders (samples -> tokens), a fusion over tokens and presence, named heads."""

from sensorium_compile.model.contract import MultimodalModel, Tower, check_model
from sensorium_compile.model.fusions import (
    FUSIONS,
    CrossModalFusion,
    Fusion,
    LateFusion,
    ProductFusion,
    UnifiedFusion,
    build_fusion,
)
from sensorium_compile.model.heads import ClassHead, EmbeddingHead, TextHead

__all__ = [
    "FUSIONS",
    "ClassHead",
    "CrossModalFusion",
    "EmbeddingHead",
    "Fusion",
    "LateFusion",
    "MultimodalModel",
    "ProductFusion",
    "TextHead",
    "Tower",
    "UnifiedFusion",
    "build_fusion",
    "check_model",
]
