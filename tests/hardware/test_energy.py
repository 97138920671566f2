"""The ledger: the paper's joules, a published count, and rows without a price."""

import json

import pytest

from hardware import Count, estimate_energy, load_target
from hybridnet.errors import TargetError

# Table 1 of arXiv 2503.13724: TFLOPs and joules per video as printed.
PEERS = [
    ("ALT-L/14", "52.77", "242.733"),
    ("VidTr", "11.13", "51.180"),
    ("Liu et al.", "0.74", "3.422"),
    ("MFCD-Net", "0.13", "0.589"),
    ("DMC-Net", "2.99", "13.771"),
    ("CV-C3D", "0.11", "0.501"),
    ("MIMO", "0.81", "3.709"),
    ("TEAM-Net", "0.81", "3.714"),
    ("CoViAR", "0.74", "3.422"),
    ("Wu et al.", "0.45", "2.075"),
    ("PKD", "0.12", "0.544"),
    ("MM-ViT", "18", "82.801"),
]


def half_unit(printed: str) -> float:
    """Half a unit of the last printed digit."""
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


@pytest.mark.parametrize(("peer", "tflops", "joules"), PEERS, ids=[peer for peer, _, _ in PEERS])
def test_the_papers_peers_within_their_printed_rounding(peer, tflops, joules):
    """The TFLOPs are printed to 0.01 (MM-ViT's to 1), which leaves 0.023 J (2.3 J) open: 0.01% of ALT, 5% of CV-C3D."""
    report = estimate_energy([Count(peer, "all", "mac", round(float(tflops) * 1e12))], "paper-45nm")
    tolerance = half_unit(tflops) * 4.6 + half_unit(joules)
    assert abs(report.total - float(joules)) <= tolerance


@pytest.mark.parametrize(
    ("macs", "synaptic_operations"),
    [(158_800_000_000, 3_990_000_000), (153_300_000_000, 8 * 3_990_000_000)],
    ids=["GSOPs per video", "GSOPs per triplet"],
)
def test_the_papers_own_model_under_both_readings(macs, synaptic_operations):
    counts = [Count("all", "all", "mac", macs), Count("all", "all", "synaptic_operation", synaptic_operations)]
    assert estimate_energy(counts, "paper-45nm").total == pytest.approx(0.734, abs=0.0005)


def test_pilotnet_at_davies_prices():
    """48.8 million synaptic operations and 2.54 million updates: 1,151.68 + 205.74 uJ."""
    counts = [
        Count("pilotnet", "all", "synaptic_operation", 48_800_000),
        Count("pilotnet", "all", "membrane_update", 2_540_000),
    ]
    report = estimate_energy(counts, "loihi1")
    assert report.total == pytest.approx(1357.42e-6, rel=1e-9)
    assert report.unpriced == ()


def test_rows_carry_price_evidence_and_source_in_the_order_given():
    target = load_target("paper-45nm")
    report = estimate_energy(
        [Count("residual", "conv2", "synaptic_operation", 2_000), Count("motion", "conv1", "mac", 1_000)], target
    )
    assert report.regime == "paper-45nm"
    accumulate, multiply = report.rows
    assert (accumulate.part, accumulate.layer, accumulate.count) == ("residual", "conv2", 2_000)
    assert accumulate.price_pj == 0.9
    assert accumulate.joules == pytest.approx(1.8e-9)
    assert multiply.joules == pytest.approx(4.6e-9)
    assert multiply.evidence == "derived"
    assert multiply.source is not None
    assert "Horowitz" in multiply.source
    assert report.total == pytest.approx(6.4e-9)


def test_an_operation_without_a_price_is_listed_and_never_zero():
    counts = [
        Count("motion", "conv1", "membrane_update", 50),
        Count("motion", "conv1", "mac", 10),
        Count("motion", "conv2", "membrane_update", 0),
    ]
    report = estimate_energy(counts, "paper-45nm")
    assert report.unpriced == ("membrane_update",)
    for row in (report.rows[0], report.rows[2]):
        assert row.price_pj is None
        assert row.joules is None
        assert row.evidence is None
        assert row.source is None
    assert report.total == pytest.approx(46e-12)


def test_a_target_without_prices_prices_nothing():
    counts = [Count("motion", "conv1", operation, 5) for operation in ("mac", "synaptic_operation", "membrane_update")]
    report = estimate_energy(counts, "loihi2")
    assert report.unpriced == ("mac", "synaptic_operation", "membrane_update")
    assert [row.joules for row in report.rows] == [None, None, None]


def test_to_dict_is_json_with_neurobench_totals():
    counts = [
        Count("motion", "conv1", "mac", 3),
        Count("conventional", "head", "mac", 4),
        Count("motion", "conv2", "synaptic_operation", 20),
        Count("motion", "conv2", "membrane_update", 100),
    ]
    report = estimate_energy(counts, "paper-45nm")
    table = json.loads(json.dumps(report.to_dict()))
    assert table["regime"] == "paper-45nm"
    assert table["total"] == report.total
    assert table["unpriced"] == ["membrane_update"]
    assert (table["Effective_MACs"], table["Effective_ACs"], table["MembraneUpdates"]) == (7, 20, 100)
    assert table["rows"][3] == {
        "part": "motion",
        "layer": "conv2",
        "operation": "membrane_update",
        "count": 100,
        "price_pj": None,
        "evidence": None,
        "source": None,
        "joules": None,
    }


def test_an_unknown_regime_lists_the_known_ones():
    with pytest.raises(TargetError, match="choose one of loihi1, loihi2, loihi2-custom, paper-45nm"):
        estimate_energy([], "free-lunch")
