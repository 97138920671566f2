"""The partition: which part of the model runs on which side. It labels; it never rewrites the model."""

from torch import nn

from deploy.manifest import Label
from hybridnet.model.network import HybridNet
from hybridnet.model.temporal import STM

SPIKING = "spiking"
CONVENTIONAL = "conventional"


def partition(model: HybridNet) -> tuple[Label, ...]:
    """Label every part of the model, in the order data meets it.

    Rules, in this order:
    1. A Spiking Temporal Modulator is spiking: a chain of convolutions and leaky integrate-and-fire neurons with
       integer weights, all of which a stock Lava LIF runs.
    2. Everything behind the bridge is conventional: its activations are real-valued.
    """
    labels = [_label(name, module) for name, module in model.named_children() if isinstance(module, STM)]
    labels += [_label(f"conventional.{name}", module) for name, module in model.conventional.named_children()]
    return tuple(labels)


def streams(model: HybridNet) -> dict[str, STM]:
    """The spiking streams by name, in the order of the model."""
    return {name: module for name, module in model.named_children() if isinstance(module, STM)}


def _label(part: str, module: nn.Module) -> Label:
    if isinstance(module, STM):
        return Label(part, SPIKING, f"{len(module.layers)} ConvLIF layers with integer weights, leak and threshold")
    return Label(part, CONVENTIONAL, f"{type(module).__name__}: real-valued activations")
