"""Runs in the environment that has sanafe, and imports nothing of this toolkit: its licence is another.

python sanafe_run.py NETWORK.yaml STEPS    # prints spikes, synaptic events and joules as JSON
"""

import json
import sys

import sanafe

network, steps = sys.argv[1], int(sys.argv[2])
architecture = sanafe.load_loihi()
chip = sanafe.SpikingChip(architecture)
chip.load(sanafe.load_net(network, architecture))
found = chip.sim(steps, timing_model="simple")
json.dump({"fired": found["neurons_fired"], "synapses": found["spikes"], "energy": found["energy"]}, sys.stdout)
