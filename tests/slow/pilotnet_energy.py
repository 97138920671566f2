"""PilotNet LIF, predicted by every regime of a Loihi, beside what was measured on one.

make pilotnet    # or: python tests/slow/pilotnet_energy.py [--write docs/pilotnet_energy.md]

Measured on Loihi 2 by the makers of Lava, in lava-dl's tutorials/lava/lib/dl/netx/pilotnet_snn/benchmark.ipynb: one
camera frame for 16 steps, over and over. lava-dl 0.6.0 ships the network, and one such frame, with its tests.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hardware import Count, count_messages, count_spiking, estimate_energy, load_target, map_graphs, observe
from simulators import load_net, simulate

STEPS = 16
DYNAMIC, TOTAL = 1.094e-3, 1.661e-3  # joules an inference, measured
REGIMES = ("loihi1", "loihi1-sanafe", "loihi2-assumed")
BEGIN, END = "<!-- begin: make pilotnet -->\n", "<!-- end -->\n"


def pilotnet() -> Path:
    """Where lava-dl keeps the network and the frame."""
    netx = find_spec("lava.lib.dl.netx")
    if netx is None or netx.submodule_search_locations is None:
        raise SystemExit("pilotnet: lava-dl is not installed; run make lava")
    return Path(netx.submodule_search_locations[0]).parents[3] / "tests/lava/lib/dl/netx/gts/pilotnet_lif"


def table() -> str:
    """The prediction of every regime, as Markdown."""
    graph = load_net(pilotnet() / "network.net")
    frame = np.load(pilotnet() / "image.npy").T  # each input neuron's bias
    seen = observe(graph, simulate(graph, np.tile(frame, (STEPS, 1, 1, 1)), record=("counts",)))
    counts = [count for count in count_spiking("pilotnet", graph, seen) if count.operation != "mac"]
    totals: dict[str, int] = {}
    for count in counts:
        totals[count.name] = totals.get(count.name, 0) + count.count
    lines = ["| counted in 16 steps | |", "|---|---|"]
    lines += [f"| {name} | {total:,} |" for name, total in totals.items() if "synaptic" in name or "update" in name]
    lines.append(f"| spike | {totals['spike']:,} |")
    columns = ("regime", "synaptic operations", "updates", "spikes, messages, hops", "dynamic", "measured", "error")
    lines += ["", f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for name in REGIMES:
        regime = load_target(name)
        mapping = map_graphs({"pilotnet": graph}, load_target(regime.chip or name))
        rows = estimate_energy([*counts, *count_messages(counts, mapping.traffic)], regime).rows
        parts = [
            sum(row.joules or 0 for row in rows if row.operation in operations)
            for operations in (("synaptic_operation",), ("membrane_update",), ("spike", "message", "hop"))
        ]
        dynamic = sum(parts)
        shown = " | ".join(f"{joules * 1e3:.3f} mJ" for joules in (*parts, dynamic, DYNAMIC))
        lines.append(f"| `{name}` | {shown} | {dynamic / DYNAMIC - 1:+.0%} |")
    steps = [Count("chip", "all", "time_step", STEPS)]
    static = estimate_energy(steps, "loihi2-assumed").total
    measured = f"measured {(TOTAL - DYNAMIC) * 1e3:.3f} mJ, from which its price is"
    lines += ["", f"Static energy of the 16 steps under `loihi2-assumed`: {static * 1e3:.3f} mJ; {measured}."]
    return "\n".join(lines) + "\n"


parser = argparse.ArgumentParser()
parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this document")
target = parser.parse_args().write
found = table()
print(found)
if target:
    before, rest = target.read_text().split(BEGIN)
    target.write_text(before + BEGIN + found + END + rest.split(END)[1])
