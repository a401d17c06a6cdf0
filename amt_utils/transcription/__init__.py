"""Audio -> probabilities, by ONNX or PyTorch -> notes and pedals."""
