"""`hybridnet energy`: the ledger of videos on the command line."""

import csv
import json
import re
import shutil
from importlib.resources import files
from pathlib import Path
from statistics import mean, stdev

import pytest

from command import Command
from deploy import open_bundle
from deploy.decode_energy import measure_decode
from deploy.ledger import make_ledger, map_streams
from deploy.views.energy_table import ledger_lines
from hardware import load_target
from hardware.target import list_targets

REGIMES = [name for name in list_targets() if load_target(name).prices]


@pytest.fixture(scope="module")
def work(tiny_bundle: Path, clip: Path):
    """What the shipped clip made the tiny model do."""
    return open_bundle(tiny_bundle).predict(clip).work


@pytest.mark.parametrize("regime", REGIMES)
def test_every_row_is_priced_included_or_listed(work, regime: str) -> None:
    ledger = make_ledger(work, load_target(regime))
    for row in ledger.report.rows:
        states = (row.joules is not None, row.within is not None, row.operation in ledger.report.unpriced)
        assert sum(states) >= 1, row
        if row.joules is not None:
            assert row.joules == pytest.approx(row.count * row.price_pj * 1e-12)
            assert row.source
            assert row.evidence
    assert sum(ledger.report.parts.values()) == pytest.approx(ledger.report.total)


def test_the_papers_regime_by_hand(work) -> None:
    """4.6 pJ a MAC, graded input's among them, 0.9 pJ a synaptic operation, and nothing else."""
    macs = sum(count.count for count in work.counts if count.operation == "mac")
    additions = sum(count.count for count in work.counts if count.operation == "synaptic_operation")
    assert make_ledger(work, load_target("paper-45nm")).report.total == pytest.approx(
        macs * 4.6e-12 + additions * 0.9e-12
    )


def test_an_stm_at_the_break_even_rate_costs_what_the_dense_one_does(work) -> None:
    """Every spike-driven row of the paper's regime scaled by break-even / rate; MACs of the graded input stay."""
    ledger = make_ledger(work, load_target("paper-45nm"))
    streams = [row for row in ledger.report.rows if row.part in ledger.streams and row.joules]
    scale = ledger.break_even / ledger.spike_rate
    spiking = sum(row.joules * (scale if row.operation == "synaptic_operation" else 1) for row in streams)
    dense = sum(row.joules for row in ledger.dense.rows if row.part in ledger.streams and row.joules)
    assert spiking == pytest.approx(dense)


@pytest.mark.parametrize("regime", ["loihi1", "loihi1-sanafe", "loihi2-assumed"])
def test_messages_are_those_of_the_chips_mapping(tiny_bundle: Path, work, regime: str) -> None:
    """Of every layer that spikes: its spikes times what the mapping makes of one on average."""
    mapping = map_streams(open_bundle(tiny_bundle).bundle.graphs, load_target(regime))
    assert mapping.target.name == regime.split("-")[0]
    ledger = make_ledger(work, load_target(regime), mapping)
    found = {(row.part, row.layer): row.count for row in ledger.report.rows if row.operation == "message"}
    spikes = {(count.part, count.layer): count.count for count in work.counts if count.operation == "spike"}
    assert spikes.keys() <= found.keys()
    for sent in mapping.traffic:
        wanted = spikes.get((sent.part, sent.layer), 0) * sent.messages / sent.neurons
        assert found[sent.part, sent.layer] == pytest.approx(wanted, abs=0.5)


def test_what_is_no_chip_is_not_mapped(tiny_bundle: Path) -> None:
    assert map_streams(open_bundle(tiny_bundle).bundle.graphs, load_target("horowitz-45nm+memory")) is None


def test_a_regime_without_a_mac_has_no_baseline(work) -> None:
    ledger = make_ledger(work, load_target("loihi1"))
    assert not ledger.comparable
    assert ledger.break_even is None
    assert ledger.numbers()["dense_joules"] is None


def test_the_terminal_says_what_is_left_out(hybridnet: Command, tiny_bundle: Path, clip: Path) -> None:
    code, out, _ = hybridnet("energy", tiny_bundle, clip)
    assert code == 0
    for line in (
        r"total [\d.]+ mJ per video under paper-45nm: motion .*, residual .*, conventional .*; .* per triplet",
        "not in the total, for paper-45nm has no price: membrane_update, spike, ",
        "messages, hops: not included without a mapping, and paper-45nm is no chip",
        "dense baseline .* with its STMs as ordinary convolutions; .* with ConvLSTMs",
        "break-even",
        "source: M. Horowitz",
    ):
        assert re.search(line, out), line
    for regime in REGIMES:
        assert regime in out
    assert "no price for anything of chip, bridge, conventional: loihi1, loihi1-sanafe\n" in out


def test_json_has_neurobenchs_names(hybridnet: Command, tiny_bundle: Path, clip: Path, work) -> None:
    _, out, _ = hybridnet("energy", tiny_bundle, clip, "--json", "--target", "horowitz-45nm+memory")
    row = json.loads(out)["videos"][0]
    names = ("Effective_MACs", "Effective_ACs", "Dense", "ActivationSparsity", "MembraneUpdates")
    assert {name: row["energy"][name] for name in names} == work.neurobench.to_dict()
    assert row["per_triplet"] == row["energy"]["total"] / 3
    assert row["break_even_rate"] > 0
    assert row["energy"]["total"] < row["dense_baseline"] < row["convlstm_baseline"]


def test_several_videos_have_mean_spread_and_a_csv(
    hybridnet: Command, tiny_bundle: Path, clips: Path, tmp_path: Path
) -> None:
    videos = [clips / "walk.avi", clips / "kick.avi"]
    _, out, _ = hybridnet("energy", tiny_bundle, *videos, "--csv", tmp_path / "energy.csv", "--json")
    found = json.loads(out)
    totals = [row["energy"]["total"] for row in found["videos"]]
    assert found["summary"]["total_joules"] == {"mean": mean(totals), "spread": stdev(totals)}
    with (tmp_path / "energy.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [str(video) for video in videos]
    assert [float(row["total_joules"]) for row in rows] == totals
    assert [float(row["break_even_rate"]) for row in rows] == [row["break_even_rate"] for row in found["videos"]]
    code, out, _ = hybridnet("energy", tiny_bundle, *videos)
    assert code == 0
    assert "2 videos: mean and standard deviation" in out


def test_a_part_without_a_price_is_not_zero(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    """Loihi 1 has no price for a multiply-accumulate, nor for what crosses the bridge."""
    _, out, _ = hybridnet("energy", tiny_bundle, clip, "--target", "loihi1", "--csv", tmp_path / "energy.csv", "--json")
    found = json.loads(out)
    parts = found["videos"][0]["energy"]["parts"]
    assert [part for part, cost in parts.items() if cost is None] == ["chip", "bridge", "conventional"]
    assert "conventional_joules" not in found["summary"]
    with (tmp_path / "energy.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["conventional_joules"] == row["bridge_joules"] == ""
    assert float(row["motion_joules"]) == parts["motion"]


def test_what_would_not_run_on_the_regimes_chip_is_said(tiny_bundle: Path, work) -> None:
    graphs = open_bundle(tiny_bundle).bundle.graphs
    for name, refused in (("loihi1", True), ("loihi1-sanafe", True), ("loihi2-assumed", False)):
        regime = load_target(name)
        lines = ledger_lines(make_ledger(work, regime, map_streams(graphs, regime)))
        said = "the first layers' graded input would not run on loihi1, whose spikes carry no payload"
        assert (said in lines) == refused, name


def test_a_bad_video_leaves_the_others_in_the_csv(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clip, folder)
    (folder / "bad.avi").write_text("no video")
    code, _, _ = hybridnet("energy", tiny_bundle, folder, "--csv", tmp_path / "energy.csv")
    assert code == 1
    assert len((tmp_path / "energy.csv").read_text().splitlines()) == 2


def test_a_csv_does_not_replace_an_input(hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    video = shutil.copy(clip, tmp_path)
    for target in (video, tiny_bundle / "energy.csv"):
        code, _, err = hybridnet("energy", tiny_bundle, video, "--csv", target)
        assert code == 1
        assert len(err.splitlines()) == 1
    assert Path(video).read_bytes() == clip.read_bytes()


def test_a_target_without_prices_has_no_total_and_names_what_ran(
    hybridnet: Command, tiny_bundle: Path, clip: Path
) -> None:
    code, out, _ = hybridnet("energy", tiny_bundle, clip, "--target", "loihi2")
    assert code == 0
    assert "no total: loihi2 has no price for anything that ran" in out
    assert "not in the total, for loihi2 has no price: mac, membrane_update, spike, " in out


def test_a_file_with_the_name_of_a_shipped_target_is_not_taken_for_it(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    """loihi1 with cores of 64 neurons has another mapping; the row of the shipped loihi1 stays as it is."""
    text = (files("hardware") / "targets/loihi1.toml").read_text()
    small = tmp_path / "loihi1.toml"
    small.write_text(text.replace("value = 1024\n", "value = 64\n"))
    tables = [hybridnet("energy", tiny_bundle, clip, "--target", target).out for target in ("loihi1", small)]
    mapped, rows = (
        [re.findall(line, table, re.MULTILINE) for table in tables] for line in (r"mapped to .*$", "^ loihi1 .*$")
    )
    assert mapped[0] != mapped[1]
    assert rows[0] == rows[1] != []


def test_a_csv_that_cannot_be_written_is_found_out_before_the_videos_are_run(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path
) -> None:
    code, out, err = hybridnet("energy", tiny_bundle, clip, "--csv", tmp_path / "no" / "energy.csv")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "energy.csv: cannot be written (No such file or directory)" in err


BAD_TARGETS = {
    "missing": ('unit = "pJ"\nsource = "a"\nevidence = "assumed"\n', "no entry 'value'"),
    "negative": ('value = -1\nunit = "pJ"\nsource = "a"\nevidence = "assumed"\n', "-1, must be a positive number"),
    "unitless": ('value = 1\nsource = "a"\nevidence = "assumed"\n', "no entry 'unit'"),
    "unknown": ('value = 1\nunit = "pJ"\nsource = "a"\nevidence = "assumed"\ncolour = 1\n', "unknown entry 'colour'"),
}


@pytest.mark.parametrize("fault", BAD_TARGETS)
def test_a_bad_target_is_one_line(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, fault: str
) -> None:
    price, words = BAD_TARGETS[fault]
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\ndescription = "my own"\n[prices.mac]\n{price}')
    code, out, err = hybridnet("energy", tiny_bundle, clip, "--target", path)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "mine.toml: prices.mac" in err
    assert words in err


@pytest.mark.parametrize("nodes", [{}, {"conv": {"macs": 0, "weights": 1, "inputs": 1, "outputs": 1}}])
def test_a_bundle_without_counts_is_one_line(
    hybridnet: Command, tiny_bundle: Path, clip: Path, tmp_path: Path, nodes: dict
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "copy")
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "nodes": nodes}))
    code, out, err = hybridnet("energy", bundle, clip)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "manifest.json: nodes hold no counts of multiply-accumulates; export the model again" in err


def counters(folder: Path, microjoules: int) -> None:
    """A powercap folder as Linux lays it out: a package, its cores within it, another whose counter is no number."""
    for name, zone, value in (
        ("package-0", "intel-rapl:0", str(microjoules)),
        ("core", "intel-rapl:0:0", "5"),
        ("package-1", "intel-rapl:1", "?"),
    ):
        (folder / zone).mkdir(exist_ok=True)
        (folder / zone / "name").write_text(f"{name}\n")
        (folder / zone / "energy_uj").write_text(f"{value}\n")
        (folder / zone / "max_energy_range_uj").write_text("1000000\n")


def test_the_decode_is_what_the_packages_counters_pass_meanwhile(tmp_path: Path) -> None:
    counters(tmp_path, 200_000)
    row = measure_decode("walk.avi", lambda: counters(tmp_path, 700_000), tmp_path)
    assert (row.part, row.operation, row.evidence) == ("decode", "decode", "measured")
    assert row.joules == pytest.approx(0.5)
    assert "package-0" in row.source
    assert "package-1" not in row.source


def test_a_counter_may_start_over(tmp_path: Path) -> None:
    counters(tmp_path, 900_000)
    row = measure_decode("walk.avi", lambda: counters(tmp_path, 100_000), tmp_path)
    assert row.joules == pytest.approx(0.2)


def test_without_counters_nothing_is_measured(tmp_path: Path) -> None:
    assert measure_decode("walk.avi", lambda: None, tmp_path / "none") is None


def test_a_measured_decode_is_a_row_of_the_total(work, tmp_path: Path) -> None:
    counters(tmp_path, 0)
    row = measure_decode("walk.avi", lambda: counters(tmp_path, 30_000), tmp_path)
    plain, with_decode = (make_ledger(work, load_target("paper-45nm"), decode=each) for each in (None, row))
    assert with_decode.measured
    assert not plain.measured
    assert with_decode.report.total == pytest.approx(plain.report.total + 0.03)
    assert "decode" not in with_decode.report.unpriced
