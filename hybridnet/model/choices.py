"""The variants that a `ModelConfig` chooses between, and which of them go together.

Each is a row of the paper's ablations (its section 5); `docs/variants.md` says what each one means here.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from hybridnet.errors import HybridnetError

if TYPE_CHECKING:
    from hybridnet.model.config import ModelConfig

Modalities = Literal[
    "iframe+motion+residual", "iframe+motion", "iframe+residual", "motion+residual", "iframe", "motion", "residual"
]
Order = Literal["T-LS-GS", "LS-T-GS", "LS-GS-T"]
StmKind = Literal["full", "none", "common", "convlstm", "fixed"]
EncoderKind = Literal["unified", "separate", "cross-attention"]
Pooling = Literal["average", "class-token"]


def check_together(config: "ModelConfig") -> None:
    """HybridnetError for two values of a config that contradict each other, or one that would do nothing."""
    for goes_wrong, words in _CONTRADICTIONS:
        if goes_wrong(config):
            raise HybridnetError(f"model config: {words.format(c=config)}")


_CONTRADICTIONS: tuple[tuple[Callable[["ModelConfig"], bool], str], ...] = (
    (
        lambda c: not c.streams and (c.stm, c.order) != ("full", "T-LS-GS"),
        "stm {c.stm!r} and order {c.order!r} are about P-frames, and modalities 'iframe' has none; leave them out",
    ),
    (
        lambda c: c.stm == "common" and len(c.streams) < 2,
        "stm 'common' is for motion and residual together, but modalities is {c.modalities!r}; use stm 'full'",
    ),
    (
        lambda c: c.stm == "none" and c.order != "T-LS-GS",
        "order {c.order!r} moves the STM, and stm 'none' has none; leave order out",
    ),
    (
        lambda c: c.encoder != "unified" and "+" not in c.modalities,
        "encoder {c.encoder!r} takes two modalities, but modalities is {c.modalities!r}; use encoder 'unified'",
    ),
    (
        lambda c: not c.skips and not c.mixer,
        "skips are the mixer's, so without mixer there are none to leave out; leave skips out",
    ),
    (
        lambda c: c.pooling == "class-token" and c.rrdb_channels % c.heads != 0,
        "rrdb_channels {c.rrdb_channels} must be a multiple of heads {c.heads} for pooling 'class-token'",
    ),
)
