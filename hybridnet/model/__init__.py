"""The reference model (torch): two Spiking Temporal Modulators, then a conventional network.

Das Biswas, Soufleri, Roy, Roy: "Towards Scalable Modeling of Compressed Videos for Efficient Action Recognition",
arXiv 2503.13724. Reads in the order data meets it: neurons, temporal, spatial, encoder, mixer, network.
"""

from hybridnet.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hybridnet.model.config import ModelConfig, preset
from hybridnet.model.network import HybridNet

__all__ = ["Checkpoint", "HybridNet", "ModelConfig", "load_checkpoint", "preset", "save_checkpoint"]
