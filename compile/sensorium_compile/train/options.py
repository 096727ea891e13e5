"""What a recipe may say about training."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class TrainingOptions(BaseModel):
    """How long and how fast; the schedule is a linear warm-up and a cosine to zero (arXiv 1608.03983)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=2)] = 32
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    pretrained_rate: Share = 0.3  # of it for encoders that start from pretrained weights
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warm_up: Share = 0.05  # of the steps
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    freeze_norm: bool = True  # keep the statistics of batch normalisation as they were pretrained
    freeze: tuple[str, ...] = ()  # modules that stay as pretrained, e.g. "encoders.audio.waves"
    clean: Share = 0.25  # of the samples that are not augmented
    balance: Share = 0.0  # of a batch in which every answer to a question is as likely; see train/balance.py
    average: Annotated[float, Field(ge=0, lt=1)] = 0.99  # of the weights over the steps; 0 keeps the last ones
    seed: int = 0


class DistilOptions(BaseModel):
    """What each loss weighs. Features alone give most of the gain (CLIP-KD, arXiv 2307.12732)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: Annotated[float, Field(ge=0)] = 1.0
    logits: Annotated[float, Field(ge=0)] = 1.0
    labels: Annotated[float, Field(ge=0)] = 0.5  # 0: without labels
    temperature: Annotated[float, Field(gt=0)] = 2.0  # arXiv 1503.02531
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0  # of a sense's samples; the rest are least like their label
