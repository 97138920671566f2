"""Target files: the shipped ones, and what a bad one says."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from importlib.resources import files
from pathlib import Path

import pytest

from hardware import OPERATIONS, list_targets, load_target
from hardware.limits import BIT_LIMITS, COUNT_LIMITS, LIMITS
from hardware.prices import EVIDENCE, PRICED
from hybridnet.errors import TargetError

PRICE = 'value = 4.6\nunit = "pJ"\nsource = "a paper"\nevidence = "derived"\n'
HEAD = 'name = "mine"\ndescription = "a target of my own"\n'


def price_file(tmp_path: Path, price: str = PRICE, operation: str = "mac", head: str = HEAD) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f"{head}[prices.{operation}]\n{price}")
    return path


def limits_file(tmp_path: Path, old: str = "", new: str = "") -> Path:
    """loihi2's file under another name, the first `old` in it replaced."""
    text = (files("hardware") / "targets" / "loihi2.toml").read_text()
    assert old in text
    path = tmp_path / "chip.toml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_shipped_targets_are_listed():
    regimes = ("horowitz-45nm+memory", "loihi1", "loihi1-sanafe", "loihi2-assumed", "paper-45nm")
    assert list_targets() == tuple(sorted((*regimes, "loihi2", "loihi2-custom")))
    assert all(load_target(name).prices for name in regimes)


@pytest.mark.parametrize("name", list_targets())
def test_every_shipped_number_has_unit_and_source(name):
    target = load_target(name)
    assert target.name == name
    assert target.description
    assert target.limits or target.prices
    for limit in target.limits.values():
        assert limit.source
        assert limit.unit in ("bit", "kind", *COUNT_LIMITS.values())
    for operation, price in target.prices.items():
        assert operation in PRICED
        assert price.unit == "pJ"
        assert set(price.includes) <= set(OPERATIONS)
    for memory in target.memories.values():
        assert memory.unit == "pJ/64bit"
    for price in (*target.prices.values(), *target.memories.values()):
        assert price.value > 0
        assert price.source
        assert price.evidence in EVIDENCE


def test_loihi_limits_are_those_of_lavas_bit_accurate_lif():
    expected = {"weight_bits": 8, "weight_exponent": 1, "decay_bits": 12, "threshold_bits": 17, "bias_bits": 13}
    for name, input_bits in (("loihi1", 1), ("loihi2", 24)):
        target = load_target(name)
        assert {limit: target.bits(limit) for limit in expected} == expected
        assert target.bits("state_bits") == 24
        assert target.bits("input_bits") == input_bits
        assert target.resets == ("zero",)
        assert target.readouts == ("probed",)


def test_prices_are_the_published_ones():
    assert {name: price.value for name, price in load_target("paper-45nm").prices.items()} == {
        "mac": 4.6,
        "synaptic_operation": 0.9,
    }
    loihi1 = load_target("loihi1").prices
    assert {name: (price.value, price.evidence) for name, price in loihi1.items()} == {
        "synaptic_operation": (23.6, "published simulation"),
        "membrane_update": (81, "published simulation"),
        "membrane_update_active": (81, "published simulation"),
        "membrane_update_inactive": (52, "published simulation"),
        "message": (1.7, "published simulation"),
        "hop_east_west": (3.0, "published simulation"),
        "hop_north_south": (4.0, "published simulation"),
    }
    assert {price.evidence for price in load_target("loihi2-assumed").prices.values()} == {"assumed", "derived"}
    memories = load_target("horowitz-45nm+memory").memories
    assert {(memory.capacity, memory.value) for memory in memories.values()} == {
        (2**13, 10), (2**15, 20), (2**20, 100), (None, 1950),
    }  # fmt: skip
    assert not load_target("loihi2").prices


def test_a_target_cannot_be_changed():
    target = load_target("loihi1")
    with pytest.raises(FrozenInstanceError):
        target.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        target.prices["mac"] = target.prices["membrane_update"]  # type: ignore[index]


@pytest.mark.parametrize("as_type", [str, Path])
def test_a_file_of_ones_own_is_loaded_by_path(tmp_path, as_type):
    target = load_target(as_type(price_file(tmp_path, PRICE + 'note = "mine"\n')))
    assert target.name == "mine"
    assert target.prices["mac"].value == 4.6
    assert target.prices["mac"].note == "mine"
    assert not target.limits


def test_a_file_may_hold_limits_only(tmp_path):
    target = load_target(limits_file(tmp_path))
    assert set(target.limits) == set(LIMITS)
    assert not target.prices


@pytest.mark.parametrize("name", ["loihi9", "", "Loihi2", "paper"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(
        TargetError, match=r"not known; choose one of horowitz-45nm\+memory, loihi1, loihi1-sanafe, loihi2, "
    ):
        load_target(name)


@pytest.mark.parametrize(
    ("price", "words"),
    [
        (PRICE.replace("4.6", "-4.6"), ["prices.mac.value", "-4.6", "positive"]),
        (PRICE.replace("4.6", "0"), ["prices.mac.value", "0", "positive"]),
        (PRICE.replace("4.6", "nan"), ["prices.mac.value", "nan"]),
        (PRICE.replace("4.6", "inf"), ["prices.mac.value", "inf"]),
        (PRICE.replace("4.6", "1" + 400 * "0"), ["prices.mac.value", "positive"]),
        (PRICE.replace("4.6", "true"), ["prices.mac.value", "True"]),
        (PRICE.replace("4.6", '"4.6"'), ["prices.mac.value", "'4.6'"]),
        (PRICE.replace("value = 4.6\n", ""), ["prices.mac", "no entry 'value'"]),
        (PRICE.replace('unit = "pJ"\n', ""), ["prices.mac", "no entry 'unit'"]),
        (PRICE.replace('"pJ"', '"nJ"'), ["prices.mac.unit", "'nJ'", '"pJ"']),
        (PRICE.replace('source = "a paper"\n', ""), ["prices.mac", "no entry 'source'"]),
        (PRICE.replace('"a paper"', '" "'), ["prices.mac.source", "not empty"]),
        (PRICE.replace('evidence = "derived"\n', ""), ["prices.mac", "no entry 'evidence'"]),
        (PRICE.replace("derived", "hearsay"), ["prices.mac.evidence", "'hearsay'", *EVIDENCE]),
        (PRICE.replace('"derived"', "[]"), ["prices.mac.evidence", "[]"]),
        (PRICE + 'includes = "spike"\n', ["prices.mac.includes", "'spike'", "a list of mac"]),
        (PRICE + 'includes = ["flop"]\n', ["prices.mac.includes", "'flop'"]),
        (PRICE + "note = 3\n", ["prices.mac.note", "3"]),
        (PRICE + "vaule = 3\n", ["prices.mac", "unknown entry 'vaule'", "value"]),
    ],
)
def test_a_bad_price_names_file_entry_value_and_what_is_allowed(tmp_path, price, words):
    with pytest.raises(TargetError) as caught:
        load_target(price_file(tmp_path, price))
    line = str(caught.value)
    assert "\n" not in line
    for word in ["mine.toml", *words]:
        assert word in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no entry 'name'"]),
        (HEAD, ["no limits and no prices", "at least one"]),
        (f'{HEAD}chip = "loihi9"\n[prices.mac]\n{PRICE}', ["chip", "'loihi9'", '"loihi1"']),
        (HEAD.replace('"mine"', "7") + f"[prices.mac]\n{PRICE}", ["name", "7"]),
        (HEAD + f"[prices.flop]\n{PRICE}", ["prices", "unknown entry 'flop'", *PRICED]),
        (HEAD + f"[prices.weight_read]\n{PRICE}", ["prices", "unknown entry 'weight_read'"]),
        (HEAD + f"[costs.mac]\n{PRICE}", ["unknown entry 'costs'", "limits", "prices"]),
        (HEAD.replace("mine", "mi\\nne") + f"[prices.mac]\n{PRICE}", ["name", r"'mi\nne'", "one printable line"]),
        (HEAD.replace("mine", "\\u001b[2J") + f"[prices.mac]\n{PRICE}", ["name", r"'\x1b[2J'"]),
        (HEAD + "prices = 3\n", ["prices", "3", "a table of"]),
        (HEAD + "prices.mac = 4.6\n", ["prices.mac", "4.6", "a table of value"]),
        ("name = = 3", ["not a TOML file"]),
        ("x = " + 5000 * "[", ["not a TOML file"]),
        (HEAD + HEAD, ["not a TOML file"]),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TargetError) as caught:
        load_target(path)
    line = str(caught.value)
    assert "\n" not in line
    for word in ["mine.toml", *words]:
        assert word in line


MEMORY = PRICE.replace('"pJ"', '"pJ/64bit"') + "capacity = 8192\n"


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (MEMORY.replace("8192", "0"), ["memories.small.capacity", "0", "a positive number of bytes"]),
        (MEMORY.replace("8192", "8e3"), ["memories.small.capacity", "8000.0"]),
        (MEMORY.replace("4.6", "-1"), ["memories.small.value", "-1", "a positive number of pJ/64bit"]),
        (MEMORY.replace('unit = "pJ/64bit"\n', ""), ["memories.small", "no entry 'unit'"]),
        (MEMORY.replace("pJ/64bit", "pJ"), ["memories.small.unit", "'pJ'", '"pJ/64bit"']),
        (MEMORY.replace('source = "a paper"\n', ""), ["memories.small", "no entry 'source'"]),
        (MEMORY + "size = 3\n", ["memories.small", "unknown entry 'size'"]),
        (
            f"{MEMORY}[memories.more]\n{MEMORY}".replace("capacity = 8192\n", ""),
            ["memories", "two without capacity", "one at most"],
        ),
    ],
)
def test_a_bad_memory_names_file_entry_value_and_what_is_allowed(tmp_path, memory, words):
    path = price_file(tmp_path, f"{PRICE}[memories.small]\n{memory}")
    with pytest.raises(TargetError) as caught:
        load_target(path)
    line = str(caught.value)
    assert "\n" not in line
    for word in ["mine.toml", *words]:
        assert word in line


@pytest.mark.parametrize("limit", LIMITS)
def test_a_missing_limit_is_refused(tmp_path, limit):
    path = limits_file(tmp_path)
    sections = path.read_text().split("\n\n")
    path.write_text("\n\n".join(section for section in sections if f"[limits.{limit}]" not in section))
    with pytest.raises(TargetError, match=rf"chip\.toml: limits: no entry '{limit}'"):
        load_target(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value = 8", "value = -8", ["limits.weight_bits.value", "-8", "1..32"]),
        ("value = 8", "value = 8.0", ["limits.weight_bits.value", "8.0", "integer"]),
        ("value = 8", "value = true", ["limits.weight_bits.value", "True"]),
        ("value = 24", "value = 64", ["limits.state_bits.value", "64", "8..32"]),
        ('unit = "bit"', 'unit = "byte"', ["limits.weight_bits.unit", "'byte'", '"bit"']),
        ('unit = "bit"', "", ["limits.weight_bits", "no entry 'unit'"]),
        ('["zero"]', '["none"]', ["limits.resets.value", "none", '"zero" or "subtract"']),
        ('["zero"]', "[]", ["limits.resets.value", "[]"]),
        ('["zero"]', '"zero"', ["limits.resets.value", "'zero'"]),
        ('["probed"]', '["sung"]', ["limits.readouts.value", "sung", '"probed" or "graded"']),
        ('unit = "kind"', 'unit = "bit"', ["limits.resets.unit", "'bit'", '"kind"']),
        ("[limits.resets]", "[limits.reset]", ["limits", "unknown entry 'reset'", *BIT_LIMITS, "resets"]),
    ],
)
def test_a_bad_limit_names_file_entry_value_and_what_is_allowed(tmp_path, old, new, words):
    with pytest.raises(TargetError) as caught:
        load_target(limits_file(tmp_path, old, new))
    for word in ["chip.toml", *words]:
        assert word in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TargetError, match="not a TOML file"):
        load_target(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(TargetError, match=r"cannot be read \(.+\)"):
            load_target(path)


def test_importing_hardware_loads_no_heavy_package():
    code = (
        "import sys, hardware; hardware.load_target('loihi2');"
        "print([m for m in ('torch', 'onnx', 'lava', 'norse', 'matplotlib', 'simulators') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
