"""The paper's tables as data: what it prints, what was measured here, and its joules counted again.

    J/V = TFLOPs * 4.6 pJ + GSOPs * 0.9 pJ,   a "FLOP" being one multiply-accumulate        (regime paper-45nm)

Figures are in `paper_published.toml` and `paper_ours.toml`, each as text, for its digits say how far it was rounded.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from hardware.energy import estimate_energy
from hardware.operations import Count

REGIME = "paper-45nm"
NONE = "-"  # a cell without a figure
PUBLISHED = Path(__file__).with_name("paper_published.toml")
OURS = Path(__file__).with_name("paper_ours.toml")


@dataclass(frozen=True)
class Measured:
    """One figure measured here.

    value     its digits, in the unit of its column
    on        what was measured: a data set, a preset
    command   that printed it
    record    document of the repository that keeps what was printed
    """

    value: str
    on: str
    command: str
    record: str


@dataclass(frozen=True)
class Recount:
    """Joules per video counted again from operations.

    joules    the regime's prices times the counts
    agrees    whether it equals the printed figure within what the printed digits leave open
    counted   the counts, in words
    source    where they are printed
    evidence  "published" in this paper, "second-hand" from another source, or "derived": kept because they make the
              printed joules, so that they agree says nothing
    """

    joules: float
    agrees: bool
    counted: str
    source: str
    evidence: str


@dataclass(frozen=True)
class Row:
    """One row of a table.

    name        the method or variant
    published   cells by column, NONE where the paper has no figure
    ours        measured here, by column
    recounts    of "joules": none without a count, two where the paper leaves open what its GSOPs are of
    notes       numbers of the footnotes that speak of it, from 1
    """

    name: str
    published: Mapping[str, str]
    ours: Mapping[str, Measured]
    recounts: tuple[Recount, ...]
    notes: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """One table: its name here, its place in the paper, its subject, its columns (label and unit by name), its rows."""

    name: str
    where: str
    title: str
    columns: Mapping[str, tuple[str, str]]
    rows: tuple[Row, ...]

    def place(self, row: Row, column: str) -> str:
        """Where in the paper a figure is printed."""
        return f"{self.where}, row {row.name}, column {self.columns[column][0]}"


@dataclass(frozen=True)
class Paper:
    """All tables in the paper's order, with the footnotes that their rows number from 1."""

    reference: str
    tables: tuple[Table, ...]
    footnotes: tuple[str, ...]


def read_paper() -> Paper:
    """The shipped figures, their joules counted again."""
    with PUBLISHED.open("rb") as published, OURS.open("rb") as ours:
        source, measured = tomllib.load(published), tomllib.load(ours)["measured"]
    return Paper(
        source["reference"],
        tuple(_table(table, source, measured) for table in source["tables"]),
        tuple(note["text"] for note in source["footnotes"]),
    )


def _table(table: Mapping[str, Any], source: Mapping[str, Any], measured: list[dict[str, str]]) -> Table:
    columns = {name: (source["columns"][name]["label"], source["columns"][name]["unit"]) for name in table["columns"]}
    rows = []
    for name, *cells in table["rows"]:
        published = dict(zip(columns, cells, strict=True))
        notes = tuple(
            number
            for number, note in enumerate(source["footnotes"], 1)
            if note["table"] == table["name"] and name in note["rows"]
        )
        ours = {
            found["column"]: Measured(found["value"], found["on"], found["command"], found["record"])
            for found in measured
            if (found["table"], found["row"]) == (table["name"], name)
        }
        recounts = tuple(_recounts(table, name, published, source)) if "joules" in columns else ()
        rows.append(Row(name, published, ours, recounts, notes))
    return Table(table["name"], table["where"], table["title"], columns, tuple(rows))


def _recounts(
    table: Mapping[str, Any], name: str, published: Mapping[str, str], source: Mapping[str, Any]
) -> Iterator[Recount]:
    """A recount for every reading of the counts that belong to this row."""
    counts, place = _counts(table, name, published, source)
    tflops, gsops = counts.get("tflops", NONE), counts.get("gsops", NONE)
    if tflops == NONE:
        return
    synops, half = (Decimal(0), Decimal(0)) if gsops == NONE else (Decimal(gsops), _half_unit(gsops))
    readings = {1: ""} if gsops == NONE else {source["triplets"]: f", {gsops} G a triplet", 1: f", {gsops} G a video"}
    for times, words in readings.items():
        joules = _joules(Decimal(tflops), synops * times)
        open_by = _joules(_half_unit(tflops), half * times) + float(_half_unit(published["joules"]))
        agrees = abs(joules - float(published["joules"])) <= open_by
        yield Recount(joules, agrees, f"{tflops} T{words}", place, counts.get("evidence", "published"))


def _counts(
    table: Mapping[str, Any], name: str, published: Mapping[str, str], source: Mapping[str, Any]
) -> tuple[Mapping[str, str], str]:
    """Cells with a method's operations, and where they stand: beside its joules, in its own paper, or in Table 1."""
    if "tflops" in published:
        return published, str(table["where"])
    for found in source["counts"]:
        if (found["table"], found["row"]) == (table["name"], name):
            return found, str(found["source"])
    first = source["tables"][0]
    for row, *cells in first["rows"]:
        if row == name:
            return dict(zip(first["columns"], cells, strict=True)), str(first["where"])
    return {}, ""


def _joules(tera_macs: Decimal, giga_synops: Decimal) -> float:
    counts = [
        Count("paper", "all", "mac", round(tera_macs * 10**12)),
        Count("paper", "all", "synaptic_operation", round(giga_synops * 10**9)),
    ]
    return estimate_energy(counts, REGIME).total


def _half_unit(printed: str) -> Decimal:
    """Half a unit of the last printed digit: how far a figure may have been rounded."""
    exponent = Decimal(printed).as_tuple().exponent
    return Decimal((0, (5,), int(exponent) - 1))
