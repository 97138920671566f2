"""`hybridnet energy`: the ledger of every video, told as it is done, or as one JSON object, and as a CSV."""

import csv
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.bundle import Bundle
from deploy.console import counted, show
from deploy.decode_energy import measure_decode
from deploy.ledger import Ledger, make_ledger, map_streams, summarise
from deploy.runtime import Prediction, open_bundle, use_clips
from deploy.views.energy_table import (
    ledger_lines,
    ledger_table,
    left_out_lines,
    regimes_table,
    source_lines,
    summary_table,
)
from deploy.views.predict import predict_videos
from deploy.views.results import work_lines
from hardware import ChipMapping, EnergyRow, Target, list_targets, load_target
from hybridnet.files import check_place, keep_apart, whole_file


def price_videos(folder: Path, videos: list[Path], target: str, table: Path | None, as_json: bool) -> None:
    """Predict every video and show its ledger; with several also their mean and spread.

    Raises TargetError, BundleError and VideoError as `load_target`, `open_bundle` and `list_videos`, OutputError for a
    CSV that cannot be written or would replace an input, PartialError if videos failed.
    """
    regime = load_target(target)
    if table:
        keep_apart(table, folder, *videos)
        check_place(table)
    runtime = open_bundle(folder)
    batch = _Batch(regime, runtime.bundle, table)
    predict_videos(runtime, videos, regime, batch.tell, batch.row if as_json else None, batch.finish)


@dataclass
class _Batch:
    """The ledgers of the videos so far."""

    regime: Target
    bundle: Bundle
    table: Path | None
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    @cached_property
    def mapping(self) -> ChipMapping | None:
        """The streams on the regime's chip."""
        return map_streams(self.bundle.graphs, self.regime)

    @cached_property
    def shipped(self) -> list[tuple[Target, ChipMapping | None]]:
        """Every price list that ships, and the streams on its chip; the regime may be a file of the same name."""
        regimes = [target for target in map(load_target, list_targets()) if target.prices]
        return [(target, map_streams(self.bundle.graphs, target)) for target in regimes]

    def tell(self, video: Path, prediction: Prediction) -> None:
        ledger = self._add(video, prediction)
        title = f"{video.name}: {counted(prediction.clips, 'clip')}, regime {self.regime.name}"
        show(
            ledger_table(ledger, title) if ledger.report.priced else title,
            *ledger_lines(ledger),
            *source_lines([ledger.report]),
        )
        show(*work_lines(prediction.work))
        regimes = {one.name: make_ledger(prediction.work, one, mapping) for one, mapping in self.shipped}
        show(regimes_table(regimes), *left_out_lines(regimes))

    def row(self, video: Path, prediction: Prediction) -> dict[str, Any]:
        ledger = self._add(video, prediction)
        return {
            "clips": prediction.clips,
            "transcoded": prediction.transcoded,
            "energy": {**ledger.report.to_dict(), **ledger.neurobench},
            "per_triplet": ledger.report.total / ledger.clips,
            "dense_baseline": ledger.dense.total if ledger.comparable else None,
            "convlstm_baseline": ledger.convlstm.total if ledger.comparable else None,
            "spike_rate": ledger.spike_rate,
            "break_even_rate": ledger.break_even,
            "mapped_to": ledger.mapping.target.name if ledger.mapping else None,
            "decode_measured": ledger.measured,
        }

    def finish(self, as_json: bool) -> dict[str, Any]:
        """Write the CSV; tell the mean and spread of several videos, or give them for JSON."""
        summary = summarise(list(self.ledgers.values()))
        if self.table:
            _write_table(self.table, self.regime.name, self.ledgers)
        if as_json:
            figures = {name: {"mean": middle, "spread": spread} for name, (middle, spread) in summary.items()}
            return {"summary": figures, **({"csv": str(self.table)} if self.table else {})}
        if len(self.ledgers) > 1:
            show(summary_table(summary, len(self.ledgers)))
        if self.table:
            show(f"wrote {self.table}: {counted(len(self.ledgers), 'video')}")
        return {}

    def _add(self, video: Path, prediction: Prediction) -> Ledger:
        ledger = make_ledger(prediction.work, self.regime, self.mapping, self._decode(video))
        self.ledgers[str(video)] = ledger
        return ledger

    def _decode(self, video: Path) -> EnergyRow | None:
        return measure_decode(
            video.name,
            lambda: use_clips(video, self.bundle.manifest.preprocessing, lambda clips: deque(clips, maxlen=0)),
        )


def _write_table(path: Path, regime: str, ledgers: dict[str, Ledger]) -> None:
    rows = [{"video": name, "regime": regime, "clips": one.clips, **one.numbers()} for name, one in ledgers.items()]
    columns = dict.fromkeys(column for row in rows for column in row)
    with whole_file(path) as work, work.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(rows)
