"""The same two layers as float32 convolutions over every pixel, with integer neurons: torch's and ONNX Runtime's.

Both give the engine's spikes exactly, for their sums stay below 2^24; bench_engine.py checks that before it measures.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from hybridnet.spiking import DECAY_UNITY, POTENTIAL_LIMIT, POTENTIAL_UNITS, Layer, SpikingGraph

Convolve = Callable[[torch.Tensor], torch.Tensor]


def torch_convolution(layer: Layer, shape: tuple[int, ...], threads: int) -> Convolve:
    """Channels last, the faster order; on the threads that torch.set_num_threads gives it."""
    weight = torch.tensor(layer.weight, dtype=torch.float32).to(memory_format=torch.channels_last)

    def convolve(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, weight, stride=layer.stride, padding=layer.padding)

    return convolve


def onnx_convolution(layer: Layer, shape: tuple[int, ...], threads: int) -> Convolve:
    weight = numpy_helper.from_array(layer.weight.astype(np.float32), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[*layer.padding, *layer.padding], strides=layer.stride)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *shape))
    model = helper.make_model(
        helper.make_graph([node], "conv", [x], [y], [weight]), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def convolve(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"x": x.contiguous().numpy()})[0])

    return convolve


def integrate(v: torch.Tensor, sums: torch.Tensor, layer: Layer) -> torch.Tensor:
    """One step of the neurons, v int32 changed in place; returns the spikes as float32.

    The product of 36 bits is split at 12, as in the engine's kernel: int64 takes twice as long.
    """
    keep, size = DECAY_UNITY - layer.decay_v, v.abs()
    low = size.bitwise_and(DECAY_UNITY - 1).mul_(keep).bitwise_right_shift_(12)
    size.bitwise_right_shift_(12).mul_(keep).add_(low)
    v.sign_().mul_(size).add_(sums.to(torch.int32), alpha=POTENTIAL_UNITS).clamp_(-POTENTIAL_LIMIT, POTENTIAL_LIMIT)
    spikes = v > layer.threshold * POTENTIAL_UNITS
    v.masked_fill_(spikes, 0)
    return spikes.to(torch.float32)


class DenseEngine:
    """A graph of convs with threshold and plain reset, all current lost every step, run densely from rest."""

    def __init__(self, graph: SpikingGraph, convolution: Callable[..., Convolve], threads: int) -> None:
        shapes = (graph.input_shape, *graph.shapes)
        self._layers = [
            (layer, convolution(layer, shape, threads), (1, *out))
            for layer, shape, out in zip(graph.layers, shapes[:-1], shapes[1:], strict=True)
        ]

    @torch.inference_mode()
    def run(self, x: np.ndarray) -> dict[str, list[int]]:
        """Spikes of every layer at every step of x, integer (T,C,H,W)."""
        torch_order = torch.channels_last
        held = [torch.zeros(shape, dtype=torch.int32).to(memory_format=torch_order) for *_, shape in self._layers]
        counts: dict[str, list[int]] = {layer.name: [] for layer, *_ in self._layers}
        for frame in x:
            sent = torch.from_numpy(frame[None].astype(np.float32)).to(memory_format=torch_order)
            for (layer, convolve, _), v in zip(self._layers, held, strict=True):
                sent = integrate(v, convolve(sent), layer)
                counts[layer.name].append(int(torch.count_nonzero(sent)))
        return counts
