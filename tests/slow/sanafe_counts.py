"""SANA-FE's spikes, synaptic events and joules beside ours, of a small network; exit 1 if the counts differ.

make sanafe    # which installs sanafe in an environment of its own; docs/sanafe.md records what it printed
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from deploy.sanafe_net import sanafe_network
from hardware import count_spiking, estimate_energy, observe
from hybridnet.spiking import Layer, SpikingGraph
from simulators import simulate

STEPS = 11


def small_graph() -> SpikingGraph:
    """Binary 2x16x16, padded conv of stride 2, conv, dense readout; a third of the weights zero."""
    generator = np.random.default_rng(7)

    def weight(*shape: int) -> np.ndarray:
        return 2 * generator.integers(-9, 10, shape) * (generator.random(shape) < 2 / 3)

    return SpikingGraph(
        layers=(
            Layer("conv1", "conv", weight(8, 2, 3, 3), (2, 2), (1, 1), decay_v=1024, threshold=15),
            Layer("conv2", "conv", weight(8, 8, 3, 3), (1, 1), (1, 1), decay_v=1024, threshold=25),
            Layer("flat", "flatten"),
            Layer("readout", "dense", weight(10, 8 * 8 * 8), decay_v=1024),
        ),
        input_shape=(2, 16, 16),
        input_bits=1,
        steps=STEPS,
    )


python = Path(sys.argv[1])  # of the environment that has sanafe
graph = small_graph()
x = np.random.default_rng(8).random((STEPS, *graph.input_shape)) < 0.2
trace = simulate(graph, x, record=("counts",))
with tempfile.TemporaryDirectory() as folder:
    network = Path(folder) / "network.yaml"
    network.write_text(sanafe_network("small", graph, x))
    command = [python, Path(__file__).with_name("sanafe_run.py"), network, str(STEPS + len(trace.events))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
if done.returncode:
    sys.exit(f"sanafe: it failed: {done.stderr.strip()}")
theirs = json.loads(done.stdout[done.stdout.index("{") :])
ours = {
    "fired": int(x.sum() + sum(counts.sum() for counts in trace.spike_counts.values())),
    "synapses": int(sum(events.sum() for events in trace.events.values())),
}
print(f"{'count':30} {'hybridnet':>14} {'sanafe':>14}")
for name, what in (("fired", "spikes, the input's among them"), ("synapses", "synaptic events")):
    print(f"{what:30} {ours[name]:>14,} {theirs[name]:>14,}")
rows = estimate_energy(count_spiking("small", graph, observe(graph, trace)), "loihi1-sanafe").rows
synapse = sum(row.joules or 0 for row in rows if row.operation == "synaptic_operation")
soma = sum(row.joules or 0 for row in rows if row.operation in ("membrane_update", "spike"))
for name, joules in (("synapse", synapse), ("soma", soma)):
    print(f"{f'{name}, uJ':30} {joules * 1e6:>14.3f} {theirs['energy'][name] * 1e6:>14.3f}")
sys.exit("sanafe: the counts differ" if any(ours[name] != theirs[name] for name in ours) else 0)
