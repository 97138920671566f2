"""Limits of cores and chips in target files: the published numbers, and what a bad one says."""

from importlib.resources import files
from pathlib import Path

import pytest

from hardware import load_target
from hardware.limits import COUNT_LIMITS, STATED
from hybridnet.errors import TargetError


def changed(tmp_path: Path, limit: str, old: str, new: str) -> Path:
    """loihi1's file with `old` in the table of one limit replaced."""
    head, table, rest = (files("hardware") / "targets/loihi1.toml").read_text().partition(f"[limits.{limit}]\n")
    mine, gap, others = rest.partition("\n\n")
    assert old in mine
    path = tmp_path / "chip.toml"
    path.write_text(head + table + mine.replace(old, new, 1) + gap + others)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(TargetError) as caught:
        load_target(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_loihi_1_is_what_davies_published() -> None:
    target = load_target("loihi1")
    assert target.count("neurons_per_core") == 1024
    assert target.count("synapse_memory") == 128 * 1024 * 8
    assert target.count("axons_in") == target.count("axons_out") == 4096
    assert target.stated("cores") == 128
    assert target.bits("synapse_word") == 64


def test_loihi_2_says_what_is_not_published() -> None:
    target = load_target("loihi2")
    assert target.count("axons_in") is None
    assert target.count("axons_out") is None
    assert target.stated("cores") == 140_544 // 1152  # Hala Point
    assert target.count("chips") == 1152
    assert "derived" in target.limits["neurons_per_core"].note
    assert "assumed" in target.limits["mesh_columns"].note


@pytest.mark.parametrize("limit", COUNT_LIMITS)
def test_a_negative_or_unitless_count_is_refused(tmp_path: Path, limit: str) -> None:
    value = load_target("loihi1").limits[limit].value
    for bad in ("-1", "0", "1.5", "true", '"many"', "[]", str(2**41)):
        line = refusal(changed(tmp_path, limit, f"value = {value}", f"value = {bad}"))
        assert line.startswith(f"{tmp_path}/chip.toml: limits.{limit}.value: ")
        assert "must be an integer in 1.." in line
    unit = f'unit = "{COUNT_LIMITS[limit]}"'
    assert f"limits.{limit}: no entry 'unit'" in refusal(changed(tmp_path, limit, unit + "\n", ""))
    line = refusal(changed(tmp_path, limit, unit, 'unit = "byte"'))
    assert f"limits.{limit}.unit: 'byte', must be \"{COUNT_LIMITS[limit]}\"" in line
    source = load_target("loihi1").limits[limit].source
    assert "source" in refusal(changed(tmp_path, limit, f'source = "{source}"', ""))


@pytest.mark.parametrize("limit", COUNT_LIMITS)
def test_only_what_a_mapping_can_do_without_is_unpublished(tmp_path: Path, limit: str) -> None:
    value = load_target("loihi1").limits[limit].value
    path = changed(tmp_path, limit, f"value = {value}", 'value = "unpublished"')
    if limit in STATED:
        assert refusal(path).endswith(f"'unpublished', must be an integer in 1..{2**40}")
    else:
        assert load_target(path).count(limit) is None


def test_more_cores_than_the_mesh_has_places(tmp_path: Path) -> None:
    line = refusal(changed(tmp_path, "cores", "value = 128", "value = 129"))
    assert line.endswith("limits.cores.value: 129, must be at most 128, the places of the mesh")


def test_kernels_are_shared_or_unrolled(tmp_path: Path) -> None:
    line = refusal(changed(tmp_path, "kernels", '"shared"', '"folded"'))
    assert line.endswith("""limits.kernels.value: ['folded', 'unrolled'], must be a list of "shared" or "unrolled\"""")
