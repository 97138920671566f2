"""Make a checkpoint: a preset's architecture with untrained weights, in the files that `hybridnet export` reads.

python examples/1_checkpoint.py tiny OUT.safetensors
"""

import sys
from pathlib import Path

import torch

from hybridnet.model.checkpoint import save_checkpoint
from hybridnet.model.config import preset
from hybridnet.model.network import HybridNet

name, out = sys.argv[1:]
labels = sorted(path.stem for path in (Path(__file__).parent / "clips").glob("*.avi"))

torch.manual_seed(0)
model = HybridNet(preset(name, classes=len(labels)))
save_checkpoint(Path(out), model, labels, training=None)  # training=None says: these weights are untrained
print(f"wrote {out}: {name}, {sum(p.numel() for p in model.parameters()):,} parameters, {len(labels)} classes")
