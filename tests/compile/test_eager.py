import numpy as np
import pytest
from tests.compile import tiny_model

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from sensorium_compile.model import ClassHead, LateFusion, MultimodalModel  # noqa: E402
from sensorium_compile.verify.eager import open_eager  # noqa: E402
from sensorium_compile.verify.evaluate import predict, score  # noqa: E402
from sensorium_compile.verify.gate import figures  # noqa: E402

WIDTH = 8


class Flat(nn.Module):
    """One token of a whole sample."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.count, self.width = 1, WIDTH
        self.linear = nn.Linear(size, WIDTH)

    def forward(self, sample: torch.Tensor) -> torch.Tensor:
        return self.linear(sample.flatten(1) / 255)[:, None]


def test_a_model_in_pytorch_is_measured_like_its_graphs() -> None:
    torch.manual_seed(0)
    encoders = {"vision": Flat(3 * 8 * 8), "audio": Flat(1800)}
    fusion = LateFusion(dict.fromkeys(encoders, 1), WIDTH)
    model = MultimodalModel(encoders, fusion, {"digit": ClassHead(WIDTH, 3)}).eval()
    examples = tiny_model.examples(150)
    opened = open_eager(model, tiny_model.CONFIG.modalities)
    answers = predict(opened, examples, tiny_model.CONFIG.modalities)
    with torch.inference_mode():
        picture = torch.from_numpy(np.moveaxis(examples.pools["vision"].samples[7:8], -1, 1).astype(np.float32))
        sound = torch.from_numpy(examples.pools["audio"].samples[7:8])
        expected = model({"vision": picture, "audio": sound}, torch.tensor([[1.0, 0.0]]))["digit"]
    np.testing.assert_allclose(answers["vision"].outputs["digit"][7], expected[0].numpy(), atol=1e-5)
    assert {one.n for one in figures(score(answers, examples, tiny_model.CONFIG)).values()} == {150, 135}
    assert opened.size_bytes == 4 * sum(p.numel() for p in model.parameters())
