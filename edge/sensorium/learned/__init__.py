"""A trained model in the runtime: its encoders, its fusion, what its part of a bundle says of itself."""

from sensorium.learned.config import ClassesHead, EmbeddingHead, Head, ModelConfig

__all__ = ["ClassesHead", "EmbeddingHead", "Head", "ModelConfig"]
