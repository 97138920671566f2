"""The ablations' plan, file of results and table, on results made by hand; nothing is trained."""

from dataclasses import replace
from pathlib import Path

import pytest
from ablations import BASE, config_of, current, planned

from ablation_results import Result, ablation_table, agreement, append_result, config_hash, read_results
from documents import write_part
from hybridnet.training.config import read_config
from variants import ROWS

NAMES = [variant.name for variant in ROWS]


def result(row: str, seed: int, top1: float, config: str = "abc") -> Result:
    return Result(row, seed, config, train=1500, test=450, epochs=10, top1=top1, cpu_seconds=100.0 + seed)


def test_the_plan() -> None:
    """24 rows, 16 of them with three seeds; the first seed of all comes before the second of any."""
    plan = [(variant.name, seed) for variant, seed in planned([], 3)]
    assert len(plan) == len(set(plan)) == 24 + 2 * 16
    assert [name for name, _ in plan[:24]] == NAMES
    assert [seed for _, seed in plan] == [0] * 24 + [1] * 16 + [2] * 16
    assert [(v.name, seed) for v, seed in planned(["no RRDB", "motion"], 2)] == [
        ("motion", 0), ("no RRDB", 0), ("motion", 1),
    ]  # fmt: skip


def test_every_row_is_another_training_and_paths_make_none(tmp_path: Path) -> None:
    base = read_config(BASE)
    hashes = {config_hash(config_of(base, variant, seed).to_dict()) for variant, seed in planned([], 3)}
    assert len(hashes) == 24 + 2 * 16
    elsewhere = replace(base, data=replace(base.data, root="a", cache="b"), run=replace(base.run, out="c", threads=2))
    assert config_hash(elsewhere.to_dict()) == config_hash(base.to_dict())
    longer = replace(base, run=replace(base.run, epochs=99))
    assert config_hash(longer.to_dict()) != config_hash(base.to_dict())


def test_results_come_back_and_only_those_that_still_hold_count(tmp_path: Path) -> None:
    base, path = read_config(BASE), tmp_path / "results.csv"
    assert read_results(path) == []
    holds = config_hash(config_of(base, ROWS[0], 1).to_dict())
    lines = [result("full", 1, 0.5, "old"), result("full", 1, 0.625, holds), result("gone", 0, 0.5, holds)]
    for line in lines:
        append_result(path, line)
    assert read_results(path) == lines
    assert current(lines, base) == [lines[1]]
    other = replace(result("full", 0, 0.5, config_hash(config_of(base, ROWS[0], 0).to_dict())), train=3)
    with pytest.raises(SystemExit, match="of 2 sets of videos"):
        current([*lines, other], base)


@pytest.mark.parametrize(
    ("published", "ours", "words"),
    [
        (-7.0, [-2.0], "yes"),
        (-7.0, [2.0], "no"),
        (-7.0, [0.0], "no"),
        (-7.0, [-3.0, -2.0, -1.0], "yes"),  # mean -2, deviation 1
        (-7.0, [3.0, 2.0, 1.0], "no"),
        (-7.0, [-4.0, 0.0], "unclear"),  # mean -2, deviation 2.8
    ],
)
def test_whether_signs_agree(published: float, ours: list[float], words: str) -> None:
    assert agreement(published, ours) == words


def test_the_table() -> None:
    """Differences are taken within a seed: 40 - 50, 52 - 60 and 44 - 50 are -10, -8 and -6."""
    full = [result("full", seed, top1) for seed, top1 in enumerate((0.50, 0.60, 0.50))]
    none = [result("no STM", seed, top1) for seed, top1 in enumerate((0.40, 0.52, 0.44))]
    lines = ablation_table([*full, *none, result("motion", 0, 0.51), result("no mixer", 7, 0.3)]).splitlines()
    assert len(lines) == 2 + 24
    cells = {line.split(" | ")[0].removeprefix("| "): line for line in lines[2:]}
    assert cells["full"] == "| full | 95.63% | 53.3 ± 5.8% |  | 0, 1, 2 |  | 101 |"
    assert cells["no STM"] == "| no STM | -7.02 | 45.3 ± 6.1% | -8.0 ± 2.0 | 0, 1, 2 | yes | 101 |"
    assert cells["motion"] == "| motion | - | 51.0% | +1.0 | 0 |  | 100 |"
    assert cells["no mixer"] == "| no mixer | -4.79 | 30.0% |  | 7 |  | 107 |"  # no full model of seed 7 to compare
    assert cells["LS-GS-T"] == "| LS-GS-T | -4.91 | not measured yet | | | | |"


def test_a_part_of_a_document(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("before\n<!-- ablations -->\nold\n<!-- end of ablations -->\nafter\n")
    write_part(document, "ablations", "new \\1\n")
    assert document.read_text() == "before\n<!-- ablations -->\nnew \\1\n<!-- end of ablations -->\nafter\n"
    with pytest.raises(SystemExit, match="has 0 parts called baselines"):
        write_part(document, "baselines", "x")
