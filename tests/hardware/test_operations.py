"""Counts check themselves and add up."""

import pytest

from hardware import Count, Store, add_counts
from hybridnet.errors import TargetError


def test_counts_add_up_per_part_layer_operation_kind_and_store():
    narrow, wide = Store(100, 8), Store(100, 32)
    counts = [
        Count("motion", "conv", "mac", 1),
        Count("residual", "conv", "mac", 10),
        Count("motion", "conv", "mac", 100, "int8"),
        Count("motion", "conv", "mac", 1000),
        Count("motion", "conv", "weight_read", 3, store=narrow),
        Count("motion", "conv", "weight_read", 5, store=wide),
        Count("motion", "conv", "weight_read", 7, store=narrow),
    ]
    assert add_counts(iter(counts)) == [
        Count("motion", "conv", "mac", 1001),
        Count("residual", "conv", "mac", 10),
        Count("motion", "conv", "mac", 100, "int8"),
        Count("motion", "conv", "weight_read", 10, store=narrow),
        Count("motion", "conv", "weight_read", 5, store=wide),
    ]
    assert add_counts([]) == []


def test_a_name_has_the_kind():
    assert Count("motion", "conv", "synaptic_operation", 1, "dense").name == "synaptic_operation_dense"
    assert Count("motion", "conv", "spike", 1).name == "spike"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("flop", 1), "motion/conv: operation 'flop' is not known; use one of mac, synaptic_op"),
        (("mac", -1), "motion/conv: mac count -1 must be an integer of 0 or more"),
        (("mac", 1.5), "motion/conv: mac count 1.5 must be an integer of 0 or more"),
        (("mac", 1, "fp64"), "motion/conv: mac of kind 'fp64' is not known; use '' or 'int8'"),
        (("weight_read", 1), "motion/conv: weight_read needs a store"),
        (("mac", 1, "", Store(8, 8)), "motion/conv: mac goes to no store"),
    ],
)
def test_a_count_checks_itself(arguments, message):
    with pytest.raises(TargetError, match=message):
        Count("motion", "conv", *arguments)
