"""The paper's ablations, and a few more, as changes of the default model: what they are called, and what is published.

`docs/variants.md` says what each is. Several tests and tables go through the same list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

FULL = "full"
PAPERS_FULL = 95.63  # top-1 on UCF-101, per cent, of the paper's own model in its Tables 3 and 4


@dataclass(frozen=True)
class Variant:
    """One row of the ablations.

    name        of the row
    changes     keys of `ModelConfig` that differ from the defaults
    published   top-1 on UCF-101, per cent; None where the paper has no such row
    important   whether it is one of those that matter most, measured with several seeds
    """

    name: str
    changes: Mapping[str, object] = field(default_factory=dict)
    published: float | None = None
    important: bool = False


VARIANTS = (
    Variant(FULL, {}, PAPERS_FULL, important=True),
    Variant("no STM", {"stm": "none"}, 88.61, important=True),
    Variant("common STM", {"stm": "common"}, 93.45, important=True),
    Variant("ConvLSTM", {"stm": "convlstm"}, 93.92, important=True),
    Variant("fixed leak and threshold", {"stm": "fixed"}, 93.91, important=True),
    Variant("no accumulation", {"accumulate": False}, 89.65, important=True),
    Variant("I-frame + motion", {"modalities": "iframe+motion"}, 93.21, important=True),
    Variant("I-frame + residual", {"modalities": "iframe+residual"}, 92.93, important=True),
    Variant("motion + residual", {"modalities": "motion+residual"}, 84.06, important=True),
    Variant("I-frame", {"modalities": "iframe"}, important=True),
    Variant("motion", {"modalities": "motion"}, important=True),
    Variant("residual", {"modalities": "residual"}, important=True),
    Variant("LS-T-GS", {"order": "LS-T-GS"}, 91.64, important=True),
    Variant("LS-GS-T", {"order": "LS-GS-T"}, 90.72, important=True),
    Variant("separate encoders", {"encoder": "separate"}, 94.18),
    Variant("cross-attention", {"encoder": "cross-attention"}, 94.72),
    Variant("no mixer", {"mixer": False}, 90.84),
    Variant("no skips", {"skips": False}, 89.02),
    Variant("no RRDB", {"rrdb": False}, 91.77),
    Variant("class token", {"pooling": "class-token"}, 94.31),
    Variant("reset by subtraction", {"reset": "subtract"}),
    Variant("sub-pixel motion", {"subpel": "float"}),
)
