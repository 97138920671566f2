"""The paper's figures as data, held against the text by hand, and its arithmetic done again without the ledger."""

from fractions import Fraction

import pytest

from hardware.paper import Paper, Row, read_paper

# Typed from the text of arXiv 2503.13724v1, not from the data: a row's cells as the table prints them.
TYPED = {
    ("1", "ALT-L/14"): "RD 98.1 79.1 437.1 52.77 - 242.733 -",
    ("1", "VidTr"): "RD 96.7 74.4 90.89 11.13 - 51.180 0.284",
    ("1", "MFCD-Net"): "RD+CD 93.2 66.9 16 0.13 - 0.589 0.352",
    ("1", "DMC-Net"): "CD+OF 92.3 71.8 92.4 2.99 - 13.771 0.043",
    ("1", "CV-C3D"): "CD 83.9 55.7 235.3 0.11 - 0.501 1.259",
    ("1", "TEAM-Net"): "CD 94.3 73.8 48.65 0.81 - 3.714 1.537",
    ("1", "CoViAR"): "CD 90.4 59.1 81.72 0.74 - 3.422 1.585",
    ("1", "Wu et al."): "CD 88.5 56.2 33.69 0.45 - 2.075 1.658",
    ("1", "MM-ViT"): "CD 93.3 - - 18 - 82.801 -",
    ("1", "Ours"): "CD 95.6 74.6 83.41 0.15 3.99 0.734 16.025",
    ("2", "ViViT-L FE"): "RD 65.9 81.7 83.0 54.92",
    ("2", "VideoMAE V2-g"): "RD 77.0 88.5 88.8 2633.04",
    ("2", "Video-FocalNet-B"): "RD 71.1 83.6 86.7 822.48",
    ("2", "MM-ViT"): "CD 64.9 - 81.5 82.80",
    ("2", "Ours"): "CD 62.5 74.2 80.3 0.73",
    ("2", "Ours-L"): "CD 64.2 75.9 81.1 1.40",
    ("3", "I + MV"): "93.21 97.46",
    ("3", "I + R"): "92.93 97.01",
    ("3", "MV + R"): "84.06 88.32",
    ("3", "I + MV + R"): "95.63 99.53",
    ("4-order", "LS-GS-T"): "90.72",
    ("4-order", "LS-T-GS"): "91.64",
    ("4-encoder", "Cross-attention"): "94.72 0.93",
    ("4-encoder", "Separate"): "94.18 0.95",
    ("4-encoder", "Unified"): "95.63 0.73",
    ("4-stm", "W/o STM"): "88.61",
    ("4-stm", "Common STM"): "93.45",
    ("4-stm", "STM -> LSTM"): "93.92",
    ("4-stm", "STM (fixed leak, threshold)"): "93.91",
    ("4-parts", "W/o P-frame accumulation"): "89.65",
    ("4-parts", "W/o Multi-Modal Mixer"): "90.84",
    ("4-parts", "W/o skips"): "89.02",
    ("4-parts", "W/o RRDB"): "91.77",
    ("4-parts", "GAP -> class token"): "94.31",
}
ROWS = {"1": 13, "2": 13, "3": 4, "4-order": 3, "4-encoder": 3, "4-stm": 5, "4-parts": 5}


@pytest.fixture(scope="module")
def paper() -> Paper:
    return read_paper()


def row_of(paper: Paper, table: str, name: str) -> Row:
    (found,) = [row for each in paper.tables if each.name == table for row in each.rows if row.name == name]
    return found


def note_of(paper: Paper, table: str, name: str, word: str) -> str:
    """The one footnote of a row that holds a word."""
    (note,) = [paper.footnotes[n - 1] for n in row_of(paper, table, name).notes if word in paper.footnotes[n - 1]]
    return note


@pytest.mark.parametrize(("table", "name"), TYPED)
def test_figures_are_the_papers(paper: Paper, table: str, name: str) -> None:
    cells = [cell.replace(" ", "") for cell in row_of(paper, table, name).published.values()]
    assert cells == TYPED[table, name].split()


def test_no_row_is_missing(paper: Paper) -> None:
    assert {table.name: len(table.rows) for table in paper.tables} == ROWS


def test_a_figure_names_its_place(paper: Paper) -> None:
    table = paper.tables[0]
    assert table.place(table.rows[-1], "joules") == "Table 1, row Ours, column J/V"


def printed_range(text: str) -> tuple[Fraction, Fraction]:
    """The reals that print so."""
    half = Fraction(1, 2) / 10 ** len(text.partition(".")[2])
    return Fraction(text) - half, Fraction(text) + half


def reaches(tflops: str, joules: str, gsops: str = "0", times: int = 1) -> bool:
    """Whether 4.6 pJ and 0.9 pJ an operation can give the printed joules from counts that print so."""
    low, high = (
        Fraction("4.6") * tera + (Fraction("0.0009") * times * giga if gsops != "0" else 0)
        for tera, giga in zip(printed_range(tflops), printed_range(gsops), strict=True)
    )
    floor, ceiling = printed_range(joules)
    return low <= ceiling and floor <= high


def test_every_peers_joules_come_out_of_its_operations(paper: Paper) -> None:
    rows = [row for row in paper.tables[0].rows if row.name != "Ours"]
    assert len(rows) == 12
    for row in rows:
        (recount,) = row.recounts
        assert recount.joules == pytest.approx(float(row.published["tflops"]) * 4.6, rel=1e-9)
        assert recount.agrees
        assert reaches(row.published["tflops"], row.published["joules"])


def test_ours_comes_out_by_the_triplet_and_not_by_the_video(paper: Paper) -> None:
    triplet, video = row_of(paper, "1", "Ours").recounts
    assert triplet.joules == pytest.approx(0.15 * 4.6 + 8 * 3.99 * 0.0009)
    assert video.joules == pytest.approx(0.15 * 4.6 + 3.99 * 0.0009)
    assert (triplet.agrees, video.agrees) == (True, False)
    assert reaches("0.15", "0.734", "3.99", 8)
    assert not reaches("0.15", "0.734", "3.99", 1)
    highest = 0.155 * 4.6 + 3.995 * 0.0009
    needed = (0.734 - 8 * 3.99 * 0.0009) / 4.6
    note = note_of(paper, "1", "Ours", "3.99 G make")
    for number in (f"{video.joules:.3f} J", f"{highest:.3f} J", f"{8 * 3.99:.2f} G", f"{needed:.4f} T"):
        assert number in note


@pytest.mark.parametrize(
    ("name", "tflops"),
    [("ViViT-L FE", 3.980 * 1 * 3), ("VideoMAE V2-g", 38.16 * 5 * 3), ("VideoSwin-L", 2.107 * 10 * 5)],
)
def test_table_2_from_counts_that_are_kept_for_their_joules(paper: Paper, name: str, tflops: float) -> None:
    (recount,) = row_of(paper, "2", name).recounts
    assert recount.joules == pytest.approx(4.6 * tflops)
    assert recount.agrees
    assert "x" in recount.source
    assert recount.evidence == "derived"


def test_table_2_from_table_1(paper: Paper) -> None:
    for name in ("VidTr", "Liu et al.", "MFCD-Net", "CoViAR", "TEAM-Net", "MM-ViT"):
        (recount,) = row_of(paper, "2", name).recounts
        assert (recount.agrees, recount.source, recount.evidence) == (True, "Table 1", "published")
    assert [row_of(paper, "2", name).recounts for name in ("I3D", "Ours-L")] == [(), ()]


def test_focalnet_is_a_hundred_times_too_high(paper: Paper) -> None:
    (recount,) = row_of(paper, "2", "Video-FocalNet-B").recounts
    assert not recount.agrees
    assert recount.evidence == "second-hand"
    assert recount.joules == pytest.approx(822.48 / 100, rel=1e-4)
    assert "100 times too high" in note_of(paper, "2", "Video-FocalNet-B", "822.48")


def test_seven_peers_are_smaller(paper: Paper) -> None:
    sizes = [float(row.published["parameters"]) for row in paper.tables[0].rows if row.published["parameters"] != "-"]
    *peers, ours = sizes
    note = note_of(paper, "1", "Ours", "smallest")
    assert (len(peers), sum(size < ours for size in peers), min(peers)) == (11, 7, 16)
    assert "Of the 11 peers with a count 7 are smaller, MFCD-Net with 16 M" in note


def test_spikes_a_synapse() -> None:
    """Footnote 2: two streams, 32 to 32 channels, 3x3, at 224x224."""
    synapses = 2 * 32 * 32 * 9 * 224 * 224
    note = note_of(read_paper(), "1", "Ours", "synapses")
    for number in (
        f"{synapses / 1e9:.3f} G synapses",
        f"{3.99e9 / synapses:.1f} spikes",
        f"{3.59e9 / synapses:.1f} pJ",
    ):
        assert number in note


def test_other_footnotes_do_their_sums(paper: Paper) -> None:
    assert "10 times" in note_of(paper, "1", "Ours", "V/s")
    assert round(16.025 / 1.585) == 10
    assert f"{77.0 - 62.5:.1f} points" in note_of(paper, "2", "Ours", "slightly")
    assert f"{95.63 - 91.64:.1f} and {95.63 - 90.72:.1f} points" in note_of(paper, "4-order", "T-LS-GS", "section 5")
    skips = note_of(paper, "4-parts", "W/o skips", "mixer")
    assert f"{95.63 - 89.02:.1f} points" in skips
    assert f"{95.63 - 90.84:.1f}." in skips
    assert f"{100.67 / 4.6:.1f} T" in note_of(paper, "2", "I3D", "100.67")


def test_ours_is_on_record(paper: Paper) -> None:
    """What is said to be measured stands in the document it names, beside its command's name."""
    from pathlib import Path

    root = Path(__file__).parents[2]
    found = [ours for table in paper.tables for row in table.rows for ours in row.ours.values()]
    assert found
    for ours in found:
        assert ours.value in (root / ours.record).read_text()
        assert f"\n{ours.command.removeprefix('make ')}:" in (root / "Makefile").read_text()
