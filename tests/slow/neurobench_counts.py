"""NeuroBench's own counts beside ours, of the same network and input; exit 1 if they differ where they should not.

make neurobench    # which installs neurobench apart; docs/neurobench.md records what it printed
"""

import sys

import numpy as np
import torch
from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
from neurobench.models import NeuroBenchModel
from torch import nn

from hardware import neurobench, observe
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate

STEPS = 11


def small_graph() -> SpikingGraph:
    """An STM in small: graded 2x20x20, stride 2, padded, a third of the weights zero, then a dense readout."""
    generator = np.random.default_rng(7)

    def weight(*shape: int) -> np.ndarray:
        return 2 * generator.integers(-9, 10, shape) * (generator.random(shape) < 2 / 3)

    return SpikingGraph(
        layers=(
            Layer("conv1", "conv", weight(8, 2, 3, 3), (2, 2), (1, 1), decay_v=1102, threshold=500),
            Layer("conv2", "conv", weight(8, 8, 3, 3), (1, 1), (1, 1), decay_v=1102, threshold=40),
            Layer("flat", "flatten"),
            Layer("readout", "dense", weight(10, 8 * 10 * 10), decay_v=1102),
        ),
        input_shape=(2, 20, 20),
        input_bits=8,
        steps=STEPS,
    )


class Fire(nn.Module):
    """The neurons behind a layer, by the equations of `hybridnet.spiking` in float64, which holds them exactly."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.keep = 4096 - layer.decay_v
        self.threshold = 64 * layer.threshold
        self.v = torch.zeros(())

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        v = torch.trunc(self.v * self.keep / 4096) + 64 * a
        spikes = v > self.threshold
        self.v = torch.where(spikes, 0.0, v)
        return spikes.to(torch.float64)


class Net(nn.Module):
    """The graph in torch, all steps in one forward pass: (1,T,C,H,W) to the last readout."""

    def __init__(self, graph: SpikingGraph) -> None:
        super().__init__()
        self.chain = nn.Sequential(*(module for layer in graph.layers for module in self._modules_of(layer)))

    def _modules_of(self, layer: Layer) -> list[nn.Module]:
        if layer.kind == "flatten":
            return [nn.Flatten()]
        outputs, inputs, *taps = layer.weight.shape
        synapses = (
            nn.Linear(inputs, outputs, bias=False)
            if layer.kind == "dense"
            else nn.Conv2d(inputs, outputs, taps, layer.stride, layer.padding, bias=False)
        )
        synapses.weight.data = torch.from_numpy(layer.weight.astype(np.float64))
        return [synapses] if layer.threshold is None else [synapses, Fire(layer)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for frame in x[0]:
            out = self.chain(frame[None])
        return out


class Model(NeuroBenchModel):
    """The network as NeuroBench takes it."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.add_activation_module(Fire)
        self.register_hooks()

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        return self.net(batch)

    def __net__(self) -> nn.Module:
        return self.net


def padded_taps(graph: SpikingGraph) -> int:
    """Products with padding in a dense pass over all steps, which NeuroBench's Dense leaves out."""
    found = 0
    for layer, source, shape, _ in graph.neuron_layers():
        if layer.kind == "conv":
            ones = torch.ones(1, *source, dtype=torch.float64)
            kernel = torch.ones(layer.weight.shape, dtype=torch.float64)
            inside = torch.conv2d(ones, kernel, stride=layer.stride, padding=layer.padding).sum()
            found += int(np.prod(shape)) * layer.weight[0].size - int(inside)
    return found * graph.steps


graph = small_graph()
generator = np.random.default_rng(8)
x = generator.integers(-127, 128, (STEPS, *graph.input_shape)) * (generator.random((STEPS, *graph.input_shape)) < 0.2)
ours = neurobench([(graph, observe(graph, simulate(graph, x, record=("counts",))))], {}, runs=1).to_dict()
model = Model(Net(graph))
data = (torch.from_numpy(x.astype(np.float64))[None], torch.zeros(1))
with torch.no_grad():
    model(data[0])
    theirs = {**SynapticOperations()(model, None, data), "ActivationSparsity": ActivationSparsity()(model, None, data)}
padding = padded_taps(graph)
print(f"{'count':20} {'hybridnet':>14} {'neurobench':>14}  difference")
failed = False
for name, value in theirs.items():
    allowed = padding if name == "Dense" else 0
    difference = ours[name] - value
    failed |= abs(difference - allowed) > 1e-12
    why = " (products with padding)" if allowed else ""
    print(f"{name:20} {ours[name]:>14,.10g} {value:>14,.10g}  {difference:,.10g}{why}")
sys.exit("neurobench: the counts differ" if failed else 0)
