"""A bundle's golden input through stock Lava: needs Python 3.10 and lava-dl 0.6.0, and nothing of this toolkit's.

python3.10 examples/5_stock_lava.py tiny.bundle motion
"""

import sys

import numpy as np
from lava.lib.dl import netx
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer

bundle, stream = sys.argv[1:]
golden = np.load(f"{bundle}/golden.npz")
net = netx.hdf5.Network(f"{bundle}/{stream}.net", input_message_bits=16)
x = golden[f"{stream}/input"].T.astype(np.int32)  # (T,C,H,W) in Lava's order: width, height, channels, time
RingBuffer(data=np.pad(x, [(0, 0)] * 3 + [(0, len(net))])).s_out.connect(net.inp)  # every layer takes a step
net.run(RunSteps(x.shape[3] + len(net)), Loihi2SimCfg(select_tag="fixed_pt"))
v = net.layers[-1].neuron.v.get().T
net.stop()
np.testing.assert_array_equal(v, golden[f"{stream}/readout/v"][-1])
print(f"{stream}: {v.size} potentials from stock Lava, each of them the bundle's")
