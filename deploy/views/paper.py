"""`hybridnet paper`: the paper's tables with what was measured here beside them, and its joules counted again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from deploy.console import print_json, show
from deploy.views.results import new_table
from hardware.paper import NONE, REGIME, Measured, Paper, Recount, Row, Table, read_paper

OWN = ("Ours", "Ours-L")  # rows of the paper's own model where the others are its peers'


def show_paper(png: Path | None, as_json: bool) -> None:
    """Print all tables and footnotes, and draw accuracy against energy into `png` if given, whole or not at all.

    Raises BackendError without matplotlib, OutputError for a place that cannot be written.
    """
    paper = read_paper()
    if png:
        from deploy.pictures.paper import draw_paper

        draw_paper(paper, png)
    if as_json:
        print_json({**paper_dict(paper), **({"png": str(png)} if png else {})})
        return
    for table in paper.tables:
        peers = any(row.name in OWN for row in table.rows)
        show(_peers(table) if peers else _variants(table))
        if peers:
            show(_own(table))
    show(*_legend(paper), "")
    show(*(f"{number}. {note}" for number, note in enumerate(paper.footnotes, 1)))
    if png:
        show(f"wrote {png}")


def _legend(paper: Paper) -> Iterator[str]:
    """What the columns hold, and where figures come from that the paper does not print."""
    yield f"published: {paper.reference}; ours: measured here, - where nothing is"
    yield f"recounted: J/V of the operations under {REGIME}; agrees: as far as it was rounded"
    yield "derived: the paper prints no operations; these are kept because they make its joules, which proves nothing"
    for table in paper.tables:
        for row in table.rows:
            found = best_recount(row)
            if found and not found.source.startswith("Table"):
                yield f"{table.where}, {row.name}: {found.counted} is {found.source}, {found.evidence}"
            if row.name not in OWN:
                yield from (f"{table.place(row, column)}: {_origin(ours)}" for column, ours in row.ours.items())


def _origin(ours: Measured) -> str:
    return f"{ours.value} on {ours.on}, by {ours.command}, kept in {ours.record}"


def best_recount(row: Row) -> Recount | None:
    """The reading of the counts that gives the printed joules, or the first."""
    return next((found for found in row.recounts if found.agrees), next(iter(row.recounts), None))


def paper_dict(paper: Paper) -> dict[str, Any]:
    """Every figure with its place, what was measured of it, and the recounts; JSON-ready."""
    return {
        "reference": paper.reference,
        "regime": REGIME,
        "tables": [
            {
                "name": table.name, "where": table.where, "title": table.title,
                "units": {name: unit for name, (_, unit) in table.columns.items()},
                "rows": [_row_dict(table, row) for row in table.rows],
            }
            for table in paper.tables
        ],
        "footnotes": {str(number): note for number, note in enumerate(paper.footnotes, 1)},
    }  # fmt: skip


def _row_dict(table: Table, row: Row) -> dict[str, Any]:
    figures = {
        column: {
            "published": None if cell == NONE else cell,
            "ours": vars(row.ours[column]) if column in row.ours else None,
            "where": table.place(row, column),
        }
        for column, cell in row.published.items()
    }
    return {"name": row.name, "figures": figures, "recounts": [vars(r) for r in row.recounts], "notes": row.notes}


def _heading(table: Table) -> str:
    return f"{table.where}: {table.title}"


def _labels(table: Table) -> list[str]:
    return [f"{label}, M" if unit == "M" else label for label, unit in table.columns.values()]


def _peers(table: Table) -> Grid:
    """All methods as published, with their joules counted again."""
    counted = [] if "tflops" in table.columns else ["counted"]
    grid = new_table(
        f"{_heading(table)}; published", "method", *_labels(table), *counted, "recounted", "agrees", "notes"
    )
    for column in grid.columns[2:-2]:
        column.justify = "right"
    for row in table.rows:
        found = best_recount(row)
        source = [found.counted if found else NONE] if counted else []
        recount = [f"{found.joules:.3f}", _verdict(found)] if found else [NONE, NONE]
        grid.add_row(row.name, *row.published.values(), *source, *recount, _notes(row))
    return grid


def _verdict(found: Recount) -> str:
    if not found.agrees:
        return "NO"
    return "derived" if found.evidence == "derived" else "yes"


def _own(table: Table) -> Grid:
    """The paper's own rows, a figure a line."""
    grid = new_table(
        f"{table.where}: the paper's model", "row", "figure", "published", "ours", "on", "command", "kept in"
    )
    for row in table.rows:
        if row.name not in OWN:
            continue
        for label, column in list(zip(_labels(table), table.columns, strict=True))[1:]:
            ours = row.ours.get(column)
            found = (ours.value, ours.on, ours.command, ours.record) if ours else (NONE, "", "", "")
            grid.add_row(row.name, label, row.published[column], *found)
    return grid


def _variants(table: Table) -> Grid:
    """An ablation: a variant a line, published and ours side by side."""
    pairs = [f"{label} {whose}" for label in _labels(table) for whose in ("published", "ours")]
    grid = new_table(_heading(table), "variant", *pairs, "notes")
    for cells_of in grid.columns[1:-1]:
        cells_of.justify = "right"
    for row in table.rows:
        cells = []
        for column, cell in row.published.items():
            ours = row.ours.get(column)
            cells += [cell, f"{ours.value} ({ours.on})" if ours else NONE]
        grid.add_row(row.name, *cells, _notes(row))
    return grid


def _notes(row: Row) -> str:
    """Numbers of footnotes; those of one row follow each other."""
    return "-".join(str(number) for number in dict.fromkeys((*row.notes[:1], *row.notes[-1:])))
