"""The ledger: the paper's joules, a published count, and rows without a price."""

import json

import pytest

from hardware import Count, Store, estimate_energy, load_target
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


def test_a_kind_has_its_own_price_or_its_operations():
    """SANA-FE tells conv from dense and active from inactive; Davies tells only the latter."""
    counts = [
        Count("motion", "conv", "synaptic_operation", 1000, "conv"),
        Count("motion", "head", "synaptic_operation", 1000, "dense"),
        Count("motion", "conv", "membrane_update", 1000, "active"),
        Count("motion", "conv", "membrane_update", 1000, "inactive"),
        Count("motion", "conv", "membrane_update", 1000),
    ]
    for regime, prices in (("loihi1-sanafe", [24.0, 35.5, 72.8, 51.2, 72.8]), ("loihi1", [23.6, 23.6, 81, 52, 81])):
        report = estimate_energy(counts, regime)
        assert [row.price_pj for row in report.rows] == prices
        assert report.total == pytest.approx(sum(prices) * 1e-9)


def test_messages_and_hops_have_prices_on_the_chips():
    counts = [
        Count("motion", "conv", "message", 100),
        Count("motion", "conv", "hop", 300, "east_west"),
        Count("motion", "conv", "hop", 50, "north_south"),
    ]
    assert estimate_energy(counts, "loihi1").total == pytest.approx((100 * 1.7 + 300 * 3 + 50 * 4) * 1e-12)
    assert estimate_energy(counts, "loihi1-sanafe").total == pytest.approx((100 * 111 + 300 * 3 + 50 * 4.2) * 1e-12)


def test_static_power_is_a_price_a_step():
    """PilotNet's own 16 steps cost what was measured, less what was dynamic."""
    report = estimate_energy([Count("chip", "all", "time_step", 16)], "loihi2-assumed")
    assert report.total == pytest.approx(1.661e-3 - 1.094e-3)


@pytest.mark.parametrize(
    ("size", "pj"), [(1, 10), (8192, 10), (8193, 20), (32768, 20), (32769, 100), (2**20, 100), (2**30, 100)]
)
def test_an_access_costs_what_the_smallest_memory_that_holds_its_array_does(size, pj):
    """Of 64 bits, and in proportion of fewer; what no memory on the chip holds is worked on in the largest."""
    counts = [Count("a", "b", "weight_read", 10, store=Store(size, bits)) for bits in (64, 8)]
    whole, byte = estimate_energy(counts, "horowitz-45nm+memory").rows
    assert (whole.price_pj, byte.price_pj) == (pj, pj / 8)
    assert whole.joules == pytest.approx(10 * pj * 1e-12)


def test_what_leaves_the_chip_goes_to_dram():
    counts = [Count("a", "b", operation, 10, store=Store(100, 32)) for operation in ("weight_fetch", "bridge_access")]
    report = estimate_energy(counts, "horowitz-45nm+memory")
    assert [row.price_pj for row in report.rows] == [975, 975]


def test_what_another_price_includes_is_neither_free_nor_unpriced():
    """Davies' synaptic operation has its memory's accesses in it; nothing is known of the bridge."""
    store = Store(100, 24)
    counts = [
        Count("motion", "conv", "synaptic_operation", 10, "conv"),
        Count("motion", "conv", "potential_access", 20, store=store),
        Count("bridge", "motion", "bridge_access", 20, store=store),
    ]
    report = estimate_energy(counts, "loihi1")
    assert report.total == pytest.approx(236e-12)
    assert report.included == {"potential_access": "synaptic_operation"}
    assert report.unpriced == ("bridge_access",)
    assert [row.within for row in report.rows] == [None, "synaptic_operation", None]
    assert report.parts == {"motion": report.total}
    assert report.to_dict()["parts"] == {"motion": report.total, "bridge": None}


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


def test_to_dict_is_json():
    counts = [
        Count("motion", "conv1", "mac", 3, "int8"),
        Count("motion", "conv2", "membrane_update", 100),
    ]
    report = estimate_energy(counts, "paper-45nm")
    table = json.loads(json.dumps(report.to_dict()))
    assert table["regime"] == "paper-45nm"
    assert table["total"] == report.total
    assert table["parts"] == {"motion": report.total}
    assert table["unpriced"] == ["membrane_update"]
    assert table["included"] == {}
    assert table["rows"][1] == {
        "part": "motion",
        "layer": "conv2",
        "operation": "membrane_update",
        "count": 100,
        "price_pj": None,
        "evidence": None,
        "source": None,
        "joules": None,
        "kind": "",
        "within": None,
    }


def test_an_unknown_regime_lists_the_known_ones():
    with pytest.raises(TargetError, match=r"choose one of horowitz-45nm\+memory, loihi1, loihi1-sanafe, loihi2, "):
        estimate_energy([], "free-lunch")
