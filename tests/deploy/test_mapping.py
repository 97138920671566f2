"""`hybridnet inspect --target`, `hybridnet targets NAME|FILE`, and the fit check at export."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import Command


@pytest.fixture
def small_chip(tmp_path: Path) -> Path:
    """A target of one's own: loihi2 with one chip of 8 cores."""
    text = (files("hardware") / "targets/loihi2.toml").read_text()
    for old, new in (
        ('name = "loihi2"', 'name = "mine"'),
        ("value = 122", "value = 8"),
        ("value = 1152", "value = 1"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_inspect_maps_a_bundle(hybridnet: Command, tiny_bundle: Path) -> None:
    """Tiny's layers are 16x56x56: 4 columns are 16 * 56 * 4 = 3,584 neurons, 8 are over 4,095; 14 boxes, 6 layers."""
    code, out, err = hybridnet("inspect", tiny_bundle, "--target", "loihi2", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["target"], found["fits"], found["broken"]) == ("loihi2", True, [])
    assert (found["cores"], found["chips"]) == (6 * 14, 1)
    for layer in found["layers"]:
        assert (layer["cores"], layer["box"], layer["binding"]) == (14, [16, 56, 4], "neurons_per_core")
        assert layer["fill"] == [round(3584 / 4095, 4)] * 14
    with np.load(tiny_bundle / "golden.npz") as golden:
        spikes = golden["motion/conv1/spikes"]
    traffic = found["layers"][0]["traffic"]
    expected = spikes.sum() / len(spikes) * traffic["messages"] / traffic["neurons"]
    assert found["messages_per_step"]["motion/conv1"] == pytest.approx(expected)
    assert found["messages_per_step"]["motion/readout"] == 0


def test_inspect_says_it_in_tables(hybridnet: Command, tiny_bundle: Path) -> None:
    code, out, _ = hybridnet("inspect", tiny_bundle, "--target", "loihi2")
    assert code == 0
    assert "84 cores of 122 on 1 chip of loihi2, which it fits" in out
    assert "not checked, for loihi2 has no published limit: axons_in, axons_out" in out
    assert "motion/conv1 would take fewer cores with stride 3 instead of 2 in conv1 (10 cores)" in out
    assert max(map(len, out.splitlines()[:12])) <= 120


def test_inspect_says_what_loihi_1_refuses(hybridnet: Command, tiny_bundle: Path) -> None:
    _, out, _ = hybridnet("inspect", tiny_bundle / "motion.net", "--target", "loihi1", "--json")
    found = json.loads(out)
    assert not found["fits"]
    assert found["broken"][0].startswith("motion/conv1: breaks rule input_bits of target loihi1")
    assert found["messages_per_step"] is None


def test_a_target_of_prices_is_mapped_as_its_chip(hybridnet: Command, tiny_bundle: Path) -> None:
    code, out, _ = hybridnet("inspect", tiny_bundle / "motion.net", "--target", "loihi2-assumed", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["target"], found["cores"]) == ("loihi2", 3 * 14)


def test_the_cores_are_drawn(hybridnet: Command, tiny_bundle: Path, small_chip: Path, tmp_path: Path) -> None:
    """84 cores, 8 a chip: 11 chips in 3 rows; a core is 14 pixels."""
    png = tmp_path / "cores.png"
    assert hybridnet("inspect", tiny_bundle, "--target", small_chip, "--png", png).code == 0
    with Image.open(png) as image:
        image.load()
        colours = {colour for _, colour in image.convert("RGB").getcolors(2**20)}
    assert len(colours) > 6  # a colour a layer at least


def test_a_target_needs_layers(hybridnet: Command, clip: Path, tiny_bundle: Path) -> None:
    code, out, err = hybridnet("inspect", clip, "--target", "loihi2")
    assert (code, out) == (1, "")
    assert err == f"hybridnet: {clip}: has no layers to map to a target; give a bundle or a .net file, or no --target\n"
    code, out, err = hybridnet("inspect", tiny_bundle, "--target", "paper-45nm")
    assert (code, out) == (1, "")
    assert "prices but no limits" in err


def test_export_refuses_what_does_not_fit_by_the_rule(
    hybridnet: Command, tiny_checkpoint: Path, small_chip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tiny.bundle"
    code, _, err = hybridnet("export", tiny_checkpoint, "-o", out, "--target", small_chip)
    assert code == 1
    assert "breaks rule chips" in err
    assert "11 chips, over the limit of 1" in err
    assert not out.exists()
    assert hybridnet("export", tiny_checkpoint, "-o", out, "--target", small_chip, "--no-fit-check").code == 0
    assert json.loads((out / "manifest.json").read_text())["target"] == "mine"


def test_targets_are_shown_in_full_and_files_checked(hybridnet: Command, small_chip: Path, tmp_path: Path) -> None:
    code, out, err = hybridnet("targets", small_chip, "loihi1")
    assert (code, err) == (0, "")
    for word in ("mine: ", "neurons_per_core", "1,024", "unpublished", "membrane_update", "published simulation"):
        assert word in out
    assert "memories" in hybridnet("targets", "horowitz-45nm+memory").out
    bad = tmp_path / "bad.toml"
    bad.write_text(small_chip.read_text().replace("value = 4095", "value = -1"))
    code, out, err = hybridnet("targets", bad)
    line = f'{bad}: limits.neurons_per_core.value: -1, must be an integer in 1..{2**40} or "unpublished"'
    assert (code, out, err) == (1, "", f"hybridnet: {line}\n")
    code, out, err = hybridnet("targets", bad, "loihi2", "--json")
    assert code == 1
    rows = json.loads(out)["targets"]
    assert rows[0] == {"target": str(bad), "error": line}
    assert rows[1]["limits"]["synapse_memory"]["value"] == 768_000
    assert rows[1]["prices"] == {}
    assert err.splitlines() == [f"hybridnet: {line}", f"hybridnet: 1 target of 2 cannot be used: {bad}"]
