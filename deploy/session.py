"""The one place that opens ONNX Runtime sessions, so that every stage runs the graph with the same settings."""

from pathlib import Path

import onnxruntime

from hybridnet.errors import BundleError


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A CPU session for an ONNX file or its bytes; BundleError if ONNX Runtime refuses it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about graphs we did not write by hand
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a family of its own without a common base
        reason = str(error).strip().splitlines()[0]
        name = "conventional.onnx" if isinstance(model, bytes) else str(model)
        raise BundleError(f"{name}: ONNX Runtime cannot load it ({reason}); export the model again") from error
