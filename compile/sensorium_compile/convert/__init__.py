"""From weights as others publish them to ONNX, without the framework that made them."""
