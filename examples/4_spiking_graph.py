"""Write a spiking network by hand, save it as a lava-dl .net, and run it on both simulators: the same bits.

python examples/4_spiking_graph.py out.net
"""

import sys

import numpy as np

from hybridnet.spiking import Layer, SpikingGraph
from simulators import backends, load_net, save_net, simulate

rng = np.random.default_rng(0)
hidden = Layer("hidden", "conv", 2 * rng.integers(-60, 61, (8, 2, 3, 3)), padding=(1, 1), decay_v=410, threshold=200)
readout = Layer("readout", "conv", 2 * rng.integers(-60, 61, (4, 8, 3, 3)), stride=(2, 2), decay_v=41)
save_net(sys.argv[1], SpikingGraph((hidden, readout), input_shape=(2, 16, 16), input_bits=8, steps=11))

graph = load_net(sys.argv[1])
x = rng.integers(-8, 9, (11, 2, 16, 16)) * (rng.random((11, 2, 16, 16)) < 0.2)
for backend in backends():
    trace = simulate(graph, x, backend=backend, record=("spikes", "v"))
    spikes, events = trace.spikes["hidden"].sum(), sum(int(n.sum()) for n in trace.events.values())
    print(f"{backend}: {spikes} spikes, {events:,} synaptic events, v[0,0,0] = {trace.potential[0, 0, 0]}")
