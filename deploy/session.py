"""The one place that opens ONNX Runtime sessions, so that every stage runs the graph with the same settings."""

from pathlib import Path

import onnxruntime

from deploy.bundle import Bundle
from deploy.manifest import IFRAME
from hybridnet.errors import BundleError
from hybridnet.spiking import Shape


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


def open_conventional(bundle: Bundle) -> onnxruntime.InferenceSession:
    """The session of a bundle's conventional partition; BundleError if its inputs or outputs are not the manifest's."""
    session = open_session(bundle.onnx_path)
    size = bundle.manifest.preprocessing.size
    wanted: dict[str, Shape] = {IFRAME: (3, size, size)} if bundle.manifest.iframe else {}
    wanted |= {port.name: port.shape for port in bundle.manifest.ports}
    found = {x.name: tuple(x.shape[1:]) for x in session.get_inputs()}
    if found != wanted:
        raise BundleError(f"{bundle.onnx_path}: inputs {found} are not the manifest's {wanted}; export the model again")
    labels = len(bundle.manifest.labels)
    outputs = {x.name: tuple(x.shape[1:]) for x in session.get_outputs()}
    if outputs != {"logits": (labels,)}:
        raise BundleError(f"{bundle.onnx_path}: outputs {outputs} are not logits of {labels} labels; export it again")
    return session
