"""Checks that a module exports the two ways that backends start from, and that ONNX Runtime agrees with it."""

import io
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn


def to_onnx(module: nn.Module, sample: Tensor) -> onnx.ModelProto:
    """The module as ONNX, from input ``sample`` to output ``tokens``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module.eval(),
            (sample,),
            input_names=["sample"],
            output_names=["tokens"],
            dynamo=True,
            opset_version=20,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def check_exports(module: nn.Module, sample: Tensor, error: float = 1e-3) -> onnx.ModelProto:
    """torch.export and ONNX give what the module gives; the ONNX model, for a closer look."""
    module = module.eval()
    with torch.no_grad():
        expected = module(sample).numpy()
        again = torch.export.export(module, (sample,)).module()(sample).numpy()
    np.testing.assert_allclose(again, expected, atol=1e-5)
    model = to_onnx(module, sample)
    stream = io.BytesIO(model.SerializeToString())
    session = onnxruntime.InferenceSession(stream.getvalue(), providers=["CPUExecutionProvider"])
    got = session.run(["tokens"], {"sample": sample.numpy()})[0]
    np.testing.assert_allclose(got, expected, atol=error)
    return model
