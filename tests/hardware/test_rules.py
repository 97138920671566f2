"""Design rules: each passes at its limit and fails one past it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import Limit, Target, check_graph, load_target
from hybridnet.errors import TargetError
from hybridnet.spiking import Layer, SpikingGraph

TOP_THRESHOLD = 2**17 - 1


def loihi2(**values: int | tuple[str, ...]) -> Target:
    """loihi2 with some limits changed."""
    target = load_target("loihi2")
    changed = {name: replace(target.limits[name], value=value) for name, value in values.items()}
    return replace(target, limits={**target.limits, **changed})


def any_weight() -> Target:
    """loihi2 whose weights may be any integer of 24 bits: a bound can be met to the unit."""
    return loihi2(weight_bits=24, weight_exponent=0)


def refusal(graph: SpikingGraph, target: Target) -> str:
    with pytest.raises(TargetError) as caught:
        check_graph(graph, target, "motion")
    line = str(caught.value)
    assert "\n" not in line
    assert ";" in line  # the remedy
    return line


@pytest.mark.parametrize("weight", [-256, -2, 0, 254])
def test_weight_bits_allows_even_integers_of_nine_bits(dense_graph, weight):
    check_graph(dense_graph([[weight]], threshold=5), loihi2(), "motion")


@pytest.mark.parametrize("weight", [-258, -255, 1, 253, 255, 256])
def test_weight_bits_refuses_odd_and_large_weights(dense_graph, weight):
    line = refusal(dense_graph([[2, weight]], threshold=5), loihi2())
    assert line.startswith("motion/only: breaks rule weight_bits of target loihi2")
    assert f"weight {weight} " in line
    assert "multiple of 2 within -256..254" in line


def test_decay_bits_on_the_membrane(dense_graph):
    check_graph(dense_graph([[2]], threshold=5, decay_v=4095), loihi2(), "motion")
    line = refusal(dense_graph([[2]], threshold=5, decay_v=4096), loihi2())
    assert "rule decay_bits" in line
    assert "decay_v 4096 is over the limit of 4095" in line


def test_decay_bits_on_the_current(dense_graph):
    check_graph(dense_graph([[2]], threshold=5, decay_u=4096), loihi2(), "motion")
    check_graph(dense_graph([[2]], threshold=5, decay_u=2048), loihi2(decay_bits=11), "motion")
    line = refusal(dense_graph([[2]], threshold=5, decay_u=2049), loihi2(decay_bits=11))
    assert "rule decay_bits" in line
    assert "decay_u 2049 is over the limit of 2048" in line


def test_threshold_bits(dense_graph):
    check_graph(dense_graph([[2]], threshold=TOP_THRESHOLD), loihi2(), "motion")
    check_graph(dense_graph([[2]], threshold=65535), loihi2(threshold_bits=16), "motion")
    line = refusal(dense_graph([[2]], threshold=65536), loihi2(threshold_bits=16))
    assert "rule threshold_bits" in line
    assert "threshold 65536 is over the limit of 65535" in line


@pytest.mark.parametrize(("bias", "fits"), [(4095, True), (4096, False), (-4096, True), (-4097, False)])
def test_bias_bits(dense_graph, bias, fits):
    graph = dense_graph([[2], [2]], threshold=5, bias=np.array([0, bias]))
    if fits:
        check_graph(graph, loihi2(), "motion")
    else:
        line = refusal(graph, loihi2())
        assert "rule bias_bits" in line
        assert f"bias {bias} is outside -4096..4095" in line


def test_reset_kind(dense_graph):
    subtract = dense_graph([[2]], threshold=5, reset="subtract")
    check_graph(subtract, loihi2(resets=("zero", "subtract")), "motion")
    line = refusal(subtract, loihi2())
    assert "rule reset_kind" in line
    assert '"subtract" is not supported, only zero' in line


def test_a_readout_never_resets_so_any_kind_will_do(dense_graph):
    check_graph(dense_graph([[2]], reset="subtract"), loihi2(), "motion")


def test_readout_kind(dense_graph):
    graded, probed = dense_graph([[2]], graded=True), dense_graph([[2]])
    check_graph(probed, loihi2(), "motion")
    check_graph(graded, load_target("loihi2-custom"), "motion")
    line = refusal(graded, loihi2())
    assert "rule readout_kind" in line
    assert "graded readout is not supported, only probed; set graded=False" in line
    assert "probed readout is not supported, only graded" in refusal(probed, loihi2(readouts=("graded",)))


def test_a_graded_readout_has_no_threshold_to_stay_below(dense_graph):
    weight = [[130_000]]
    assert "rule readout_bound" in refusal(dense_graph(weight, steps=2), any_weight())
    custom = loihi2(weight_bits=24, weight_exponent=0, readouts=("graded",))
    check_graph(dense_graph(weight, steps=2, graded=True), custom, "motion")


def test_input_bits(dense_graph):
    check_graph(dense_graph([[0]], input_bits=24, threshold=5), loihi2(), "motion")
    check_graph(dense_graph([[2]], input_bits=16, threshold=5), loihi2(input_bits=16), "motion")
    line = refusal(dense_graph([[2]], input_bits=17, threshold=5), loihi2(input_bits=16))
    assert "rule input_bits" in line
    assert "input of 17 bits is over the limit of 16" in line


def test_loihi1_takes_binary_spikes_only(dense_graph):
    check_graph(dense_graph([[2]], input_bits=1, threshold=5), load_target("loihi1"), "motion")
    assert "rule input_bits of target loihi1" in refusal(dense_graph([[2]], 8, threshold=5), load_target("loihi1"))


@pytest.mark.parametrize("weight", [131071, -131071])
def test_accumulation_bound_at_and_past_the_limit(dense_graph, weight):
    check_graph(dense_graph([[weight]], threshold=5), any_weight(), "motion")
    line = refusal(dense_graph([[weight, 1]], threshold=5), any_weight())
    assert "rule accumulation_bound" in line
    assert f"current can reach {2**23} in 1 steps (input up to 1)" in line
    assert f"the limit of {2**23 - 1}" in line


def test_accumulation_bound_with_int8_input_and_real_weights(dense_graph):
    """Sum of |w| under 2^17 / 127 = 1032.06: 1032 passes, the next even sum does not."""
    weights = [[254, -254, 254, -254, 16]]
    check_graph(dense_graph(weights, input_bits=8, threshold=5), loihi2(), "motion")
    weights[0][-1] = 18
    assert "rule accumulation_bound" in refusal(dense_graph(weights, input_bits=8, threshold=5), loihi2())


def test_accumulation_bound_counts_what_the_current_keeps(dense_graph):
    """Half of the current kept: 64w, then 1.5 * 64w; 87381 reaches 8,388,576 and 87382 reaches 8,388,672 >= 2^23."""
    check_graph(dense_graph([[87381]], steps=2, decay_u=2048, threshold=5), any_weight(), "motion")
    check_graph(dense_graph([[87382]], steps=1, decay_u=2048, threshold=5), any_weight(), "motion")
    line = refusal(dense_graph([[87382]], steps=2, decay_u=2048, threshold=5), any_weight())
    assert "rule accumulation_bound" in line
    assert "current can reach 8388672 in 2 steps" in line


def test_readout_bound_at_and_past_the_limit(dense_graph):
    """131071 * 64 = 8,388,544 does not spike, for a spike is strictly greater."""
    check_graph(dense_graph([[131070]], bias=np.array([1])), any_weight(), "motion")
    line = refusal(dense_graph([[131070]], bias=np.array([-2])), any_weight())
    assert "rule readout_bound" in line
    assert "potential can reach 8388608 in 1 steps" in line
    assert "the limit of 8388544" in line


def test_readout_bound_grows_with_the_steps(dense_graph):
    """No leak: T * w <= 131071. Half kept, three steps: 1.75 * w <= 131071."""
    check_graph(dense_graph([[43690]], steps=3), any_weight(), "motion")
    assert "rule readout_bound" in refusal(dense_graph([[43691]], steps=3), any_weight())
    check_graph(dense_graph([[74897]], steps=3, decay_v=2048), any_weight(), "motion")
    assert "rule readout_bound" in refusal(dense_graph([[74898]], steps=3, decay_v=2048), any_weight())


def test_a_spiking_layer_has_no_readout_bound(dense_graph):
    check_graph(dense_graph([[131071]], steps=100, threshold=5), any_weight(), "motion")


def trunc0(x: int) -> int:
    return x >> 12 if x >= 0 else -(-x >> 12)


@settings(deadline=None)
@given(
    weight=st.integers(-131071, 131071),
    bias=st.integers(-4096, 4095),
    decay_u=st.sampled_from([4096, 4095, 3000, 1]),
    decay_v=st.integers(0, 4095),
    steps=st.integers(1, 12),
)
def test_bounds_agree_with_the_dynamics_run_at_their_worst(weight, bias, decay_u, decay_v, steps):
    """Lava's recurrence by hand, input always 1 and every term of one sign: the bounds are met exactly."""
    u, v, wraps, spikes = 0, 0, False, False
    for _ in range(steps):
        u = trunc0(u * (4096 - decay_u)) + abs(weight) * 64
        v = trunc0(v * (4096 - decay_v)) + u + abs(bias) * 64
        wraps |= u >= 2**23
        spikes |= v > 131071 * 64
    layer = Layer("only", "dense", np.array([[weight]]), bias=np.array([bias]), decay_u=decay_u, decay_v=decay_v)
    graph = SpikingGraph((layer,), (1,), 1, steps)
    if wraps:
        assert "rule accumulation_bound" in refusal(graph, any_weight())
    elif spikes:
        assert "rule readout_bound" in refusal(graph, any_weight())
    else:
        check_graph(graph, any_weight(), "motion")


def test_layers_behind_a_spiking_layer_see_spikes_not_the_graded_input(conv_graph):
    """The readout's 48 weights of 2 reach 96 per step with spikes; 96 * 127 times 11 steps would break its bound."""
    check_graph(replace(conv_graph, steps=11), loihi2(input_bits=8), "motion")


def test_the_first_failing_layer_is_named():
    layers = (
        Layer("first", "dense", np.array([[2]]), threshold=5),
        Layer("second", "dense", np.array([[3]]), threshold=5, decay_v=4096),
        Layer("third", "dense", np.array([[5]])),
    )
    line = refusal(SpikingGraph(layers, (1,), 1, 2), loihi2())
    assert line.startswith("motion/second: breaks rule weight_bits of target loihi2: weight 3 ")


def test_a_target_with_prices_only_holds_no_graph(dense_graph):
    with pytest.raises(TargetError, match=r"motion: target paper-45nm has prices but no limits .* loihi1, loihi2"):
        check_graph(dense_graph([[2]]), load_target("paper-45nm"), "motion")


def test_a_limit_says_where_it_comes_from():
    assert load_target("loihi2").limits["threshold_bits"] == Limit(
        17, "bit", "lava-nc 0.10.0, lava.proc.lif.models.PyLifModelBitAcc: vth unsigned 17 bits"
    )
