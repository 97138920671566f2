"""The conventional partition as ONNX, run in ONNX Runtime at once, with its multiply-accumulates counted per node."""

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx
import torch

from deploy.session import open_session
from deploy.verify import LOGIT_TOLERANCE, relative_error
from hardware import NodeSize
from hybridnet.errors import HybridnetError
from hybridnet.spiking import Shape

OPSET = 18


def conventional_onnx(conventional: torch.nn.Module, inputs: Sequence[tuple[str, Shape]]) -> bytes:
    """Export the conventional partition; its ONNX inputs are `inputs` (name, shape without batch), its output `logits`.

    float32 throughout, batch dynamic and first. The graph passes the ONNX checker, and ONNX Runtime gives torch's
    logits within 1e-4 of the largest, for batches of 1 and 3; otherwise HybridnetError.
    """
    example = tuple(torch.rand(2, *shape) for _, shape in inputs)
    batch = torch.export.Dim("batch", min=1, max=4096)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            conventional,
            example,
            input_names=[name for name, _ in inputs],
            output_names=["logits"],
            dynamic_shapes=(tuple({0: batch} for _ in inputs),),  # one tuple of all: the partition takes any number
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is None only for the exporter of old
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]  # torch's stack traces name this machine's folders
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString(deterministic=True)
    _compare_with_torch(conventional, inputs, data)
    return data


def size_nodes(data: bytes) -> dict[str, NodeSize]:
    """What one clip takes of every Conv, Gemm and MatMul node, from the shapes ONNX Runtime sees at batch 1.

    Multiply-accumulates of a Conv: output elements x Cin/groups x kernel; of a Gemm or MatMul: output elements x inner
    dimension, so attention's two products count. Bias, normalisation, activations are none (NeuroBench's convention).
    """
    model = onnx.load_model_from_string(data)
    nodes = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    shapes = _run_for_shapes(model, {name for node in nodes for name in (*node.input[:2], node.output[0])})
    stored = {tensor.name for tensor in model.graph.initializer}
    sizes = {}
    for node in nodes:
        left, right, out = (shapes[name] for name in (*node.input[:2], node.output[0]))
        if node.op_type == "Conv":
            inner = math.prod(right[1:])
        elif node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute):
            inner = left[0]
        else:
            inner = left[-1]
        factors = [(name in stored, math.prod(shapes[name])) for name in node.input[:2]]
        sizes[node.name] = NodeSize(
            macs=math.prod(out) * inner,
            weights=sum(size for is_stored, size in factors if is_stored),
            inputs=sum(size for is_stored, size in factors if not is_stored),
            outputs=math.prod(out),
        )
    return sizes


def _run_for_shapes(model: onnx.ModelProto, names: set[str]) -> dict[str, Shape]:
    """Shapes of the named values at batch 1: symbolic inference loses some, so the graph is run on zeros."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    feed = {}
    for value in model.graph.input:
        dims = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        feed[value.name] = np.zeros(dims, np.float32)
    shapes |= {name: array.shape for name, array in feed.items()}
    asked = sorted(names - shapes.keys())
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    found = open_session(model.SerializeToString()).run(asked, feed)
    return shapes | {name: array.shape for name, array in zip(asked, found, strict=True)}


def _compare_with_torch(conventional: torch.nn.Module, inputs: Sequence[tuple[str, Shape]], data: bytes) -> None:
    session = open_session(data)
    generator = torch.Generator().manual_seed(0)
    for batch in (1, 3):
        feed = [torch.rand(batch, *shape, generator=generator) for _, shape in inputs]
        with torch.no_grad():
            wanted = conventional(*feed).numpy()
        found = session.run(["logits"], {name: x.numpy() for (name, _), x in zip(inputs, feed, strict=True)})[0]
        error = relative_error(found, wanted)
        if not error <= LOGIT_TOLERANCE:
            raise HybridnetError(
                f"conventional.onnx: ONNX Runtime differs from torch by {error:.2g} of the largest logit at batch "
                f"{batch}, the limit is {LOGIT_TOLERANCE:g}; the model uses an operation that does not export exactly"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch's exporter says about itself; what it does wrong still raises."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
