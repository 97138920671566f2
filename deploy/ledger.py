"""The ledger of a video under a regime: what it cost, what it is held against, and the same over several videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev

from deploy.work import VideoWork
from hardware import (
    ChipMapping,
    EnergyReport,
    EnergyRow,
    Target,
    break_even_rate,
    count_messages,
    estimate_energy,
    load_target,
    map_graphs,
)
from hybridnet.spiking import SpikingGraph


@dataclass(frozen=True)
class Ledger:
    """One video.

    clips        triplets that ran
    report       what ran, and the decode where it was measured
    dense        the same network with its STMs as ordinary convolutions
    convlstm     the same network with its STMs as ConvLSTMs
    spike_rate   spikes per neuron and step
    break_even   spike rate at which the STMs would cost what the dense ones do; see `break_even_rate`
    streams      parts that spike
    mapping      the streams on the regime's chip, by which messages and hops are counted; None if it has no chip
    neurobench   counts by NeuroBench's names
    """

    clips: int
    report: EnergyReport
    dense: EnergyReport
    convlstm: EnergyReport
    spike_rate: float
    break_even: float | None
    streams: tuple[str, ...]
    mapping: ChipMapping | None
    neurobench: Mapping[str, float]

    @property
    def comparable(self) -> bool:
        """Whether the regime prices what the dense STMs do."""
        return any(row.part in self.streams and row.operation == "mac" and row.joules for row in self.dense.rows)

    @property
    def measured(self) -> bool:
        """Whether the decode is among the rows."""
        return any(row.operation == "decode" for row in self.report.rows)

    def numbers(self) -> dict[str, float | None]:
        """What a batch has the mean of, and a CSV a column: joules, rates, counts; None where there is none."""
        total = self.report.total if self.report.priced else None
        dense, convlstm = (r.total if self.comparable else None for r in (self.dense, self.convlstm))
        return {
            "total_joules": total,
            "joules_per_triplet": None if total is None else total / self.clips,
            **{f"{row.part}_joules": self.report.parts.get(row.part) for row in self.report.rows},
            "dense_joules": dense,
            "convlstm_joules": convlstm,
            "spike_rate": self.spike_rate,
            "break_even_rate": self.break_even,
            **self.neurobench,
        }


def map_streams(graphs: Mapping[str, SpikingGraph], regime: Target) -> ChipMapping | None:
    """The streams on the chip that the regime has the prices of; None if it is no chip's."""
    chip = load_target(regime.chip) if regime.chip else regime
    return map_graphs(graphs, chip) if chip.limits else None


def make_ledger(
    work: VideoWork, regime: Target, mapping: ChipMapping | None = None, decode: EnergyRow | None = None
) -> Ledger:
    """The ledger of a video's counts under a regime.

    mapping   of its streams, see `map_streams`; without it there are no messages and hops
    decode    the row of a measured decode, if there is one

    The baselines have no messages: what a dense network moves over the mesh is not counted.
    """
    streams = tuple(dict.fromkeys(count.part for count in work.silent))
    messages = count_messages(work.counts, mapping.traffic) if mapping else []
    report, dense, convlstm, silent = (
        estimate_energy(counts, regime)
        for counts in ((*work.counts, *messages), work.dense, work.convlstm, work.silent)
    )
    spiking, still, instead = (sum(r.parts.get(s, 0.0) for s in streams) for r in (report, silent, dense))
    ledger = Ledger(
        clips=work.clips,
        report=report if decode is None else replace(report, rows=(*report.rows, decode)),
        dense=dense,
        convlstm=convlstm,
        spike_rate=work.spike_rate,
        break_even=break_even_rate(work.spike_rate, spiking, still, instead),
        streams=streams,
        mapping=mapping,
        neurobench=work.neurobench.to_dict(),
    )
    return ledger if ledger.comparable else replace(ledger, break_even=None)


def summarise(ledgers: Sequence[Ledger]) -> dict[str, tuple[float, float]]:
    """Mean and sample standard deviation (0 of one video) of every number that all of the videos have."""
    columns = [ledger.numbers() for ledger in ledgers]
    found = {}
    for name in columns[0] if columns else ():
        values = [value for column in columns if (value := column.get(name)) is not None]
        if len(values) == len(columns):
            found[name] = (mean(values), stdev(values) if len(values) > 1 else 0.0)
    return found
