"""The partition: which part of the model runs on which side. It labels; it never rewrites the model."""

from collections.abc import Callable

from torch import nn

from deploy.manifest import Label
from hybridnet.errors import TargetError
from hybridnet.model.config import ModelConfig
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
    labels = [Label(stream, SPIKING, _why_spiking(stm, model.config)) for stream, stm in streams(model).items()]
    for name, module in model.conventional.named_children():
        if not isinstance(module, nn.Identity):
            reason = f"{type(module).__name__}: real-valued activations"
            labels.append(Label(f"conventional.{name}", CONVENTIONAL, reason))
    return tuple(labels)


def streams(model: HybridNet) -> dict[str, STM]:
    """The spiking streams by name, in the order of the model; both may be of one STM, then shared."""
    return {stream: module for stream, module in model.modulators.items() if isinstance(module, STM)}


def check_deployable(config: ModelConfig) -> None:
    """TargetError for a model that no chip can run a part of: the config's key, its value, why, and the remedy."""
    for key, stands_in_the_way, reason in _OBSTACLES:
        if stands_in_the_way(config):
            raise TargetError(f"model config: {key} {getattr(config, key)!r} cannot be exported: {reason}")


_OBSTACLES: tuple[tuple[str, Callable[[ModelConfig], bool], str], ...] = (
    (
        "modalities",
        lambda c: not c.streams,
        "an I-frame passes no STM, so nothing runs on the chip; add motion or residual",
    ),
    (
        "stm",
        lambda c: c.stm == "convlstm",
        "a ConvLSTM has no spikes, so nothing runs on the chip; use stm full, common or fixed",
    ),
    (
        "stm",
        lambda c: c.stm == "none",
        "without an STM there are no spikes, so nothing runs on the chip; use stm full, common or fixed",
    ),
    (
        "order",
        lambda c: c.order == "LS-GS-T",
        "its STMs stand behind the transformer, and the bridge leads from the chip to what is conventional, not back; "
        "use order T-LS-GS or LS-T-GS",
    ),
    (
        "size",
        lambda c: c.order == "LS-T-GS" and c.size % c.patch != 0,
        "of order LS-T-GS the chip's first layer reads whole patches, and the picture ends within one; "
        "use a multiple of patch",
    ),
)


def _why_spiking(stm: STM, config: ModelConfig) -> str:
    reason = f"{len(stm.layers)} ConvLIF layers with integer weights, leak and threshold"
    return f"{reason}, one STM for all streams" if config.stm == "common" else reason
