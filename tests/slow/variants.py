"""The paper's ablations, and a few more, as changes of the default model: what they are called, and what is published.

`docs/variants.md` says what each is. Several tests and tables go through the same list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.paper import read_paper

FULL = "full"


@dataclass(frozen=True)
class Variant:
    """One row of the ablations.

    name        of the row
    changes     keys of `ModelConfig` that differ from the defaults
    place       table and row of the paper, as in `hardware/paper_published.toml`; None where it has no such row
    important   whether it is one of those that matter most, measured with several seeds
    """

    name: str
    changes: Mapping[str, object] = field(default_factory=dict)
    place: tuple[str, str] | None = None
    important: bool = False

    @property
    def published(self) -> float | None:
        """Top-1 on UCF-101, per cent, as the paper prints it."""
        return None if self.place is None else _PUBLISHED[self.place]


_PUBLISHED = {
    (table.name, row.name): float(row.published["top1"])
    for table in read_paper().tables
    if "top1" in table.columns
    for row in table.rows
}

VARIANTS = (
    Variant(FULL, {}, ("4-order", "T-LS-GS"), important=True),
    Variant("no STM", {"stm": "none"}, ("4-stm", "W/o STM"), important=True),
    Variant("common STM", {"stm": "common"}, ("4-stm", "Common STM"), important=True),
    Variant("ConvLSTM", {"stm": "convlstm"}, ("4-stm", "STM -> LSTM"), important=True),
    Variant("fixed leak and threshold", {"stm": "fixed"}, ("4-stm", "STM (fixed leak, threshold)"), important=True),
    Variant("no accumulation", {"accumulate": False}, ("4-parts", "W/o P-frame accumulation"), important=True),
    Variant("I-frame + motion", {"modalities": "iframe+motion"}, ("3", "I + MV"), important=True),
    Variant("I-frame + residual", {"modalities": "iframe+residual"}, ("3", "I + R"), important=True),
    Variant("motion + residual", {"modalities": "motion+residual"}, ("3", "MV + R"), important=True),
    Variant("I-frame", {"modalities": "iframe"}, important=True),
    Variant("motion", {"modalities": "motion"}, important=True),
    Variant("residual", {"modalities": "residual"}, important=True),
    Variant("LS-T-GS", {"order": "LS-T-GS"}, ("4-order", "LS-T-GS"), important=True),
    Variant("LS-GS-T", {"order": "LS-GS-T"}, ("4-order", "LS-GS-T"), important=True),
    Variant("separate encoders", {"encoder": "separate"}, ("4-encoder", "Separate")),
    Variant("cross-attention", {"encoder": "cross-attention"}, ("4-encoder", "Cross-attention")),
    Variant("no mixer", {"mixer": False}, ("4-parts", "W/o Multi-Modal Mixer")),
    Variant("no skips", {"skips": False}, ("4-parts", "W/o skips")),
    Variant("no RRDB", {"rrdb": False}, ("4-parts", "W/o RRDB")),
    Variant("class token", {"pooling": "class-token"}, ("4-parts", "GAP -> class token")),
    Variant("reset by subtraction", {"reset": "subtract"}),
    Variant("sub-pixel motion", {"subpel": "float"}),
)

# Rows of the ablations' table that the paper has not: what of accumulation it is that differs.
PROBES = (
    Variant("motion, not accumulated", {"modalities": "motion", "accumulate": False}, important=True),
    Variant("residual, not accumulated", {"modalities": "residual", "accumulate": False}, important=True),
)
ROWS = VARIANTS + PROBES
