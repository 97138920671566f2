"""What Lava would compute differently from the engine, though netx loads it: refused before anything starts."""

import numpy as np

from hybridnet.errors import GraphError
from hybridnet.spiking import Layer

_SUM_LIMIT = 2**31
_BIAS_LIMIT = 2**15 - 1


def check_layer(layer: Layer, limit: int) -> None:
    """Refuse what Lava would compute differently, though netx loads it."""
    if layer.kind == "input":
        if limit > _BIAS_LIMIT:
            raise GraphError(
                f"layer {layer.name}: input up to {limit} is beyond {_BIAS_LIMIT}, Lava's 16 bits of bias; "
                "use fewer input bits or backend='integer'"
            )
        return
    if layer.bias is not None and (worst := int(np.abs(layer.bias).max())) > _BIAS_LIMIT:
        raise GraphError(f"layer {layer.name}: bias {worst} is beyond {_BIAS_LIMIT}, Lava's 16 bits; make it smaller")
    reach = layer.reach(limit)
    if layer.kind == "dense":
        reach <<= _dense_shift(layer)
    if reach >= _SUM_LIMIT:
        raise GraphError(
            f"layer {layer.name}: inputs can sum to {reach}, beyond the {_SUM_LIMIT} that Lava holds; "
            "use smaller weights, fewer input bits or backend='integer'"
        )


def check_delay(layer: Layer, reset_interval: int | None, steps: int) -> None:
    """Refuse a reset of a layer with delays: Lava's leaves what is on its way, which then arrives after it."""
    if layer.delay is not None and reset_interval is not None and reset_interval < steps:
        raise GraphError(
            f"layer {layer.name}: Lava's reset, here every {reset_interval} steps, leaves delayed spikes on their way; "
            "simulate the pieces apart or use backend='integer'"
        )


def _dense_shift(layer: Layer) -> int:
    """Bits by which netx scales a dense layer's weights up; GraphError if Lava would then change any of them."""
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    lowest, highest = int(layer.weight.min()), int(layer.weight.max())
    if lowest == highest == 0:
        raise GraphError(f"layer {layer.name}: netx cannot load a dense weight that is all zero; drop the layer")
    for value in (lowest, highest):
        if not -256 <= value <= (254 if lowest < 0 else 255):
            raise GraphError(
                f"layer {layer.name}: weight {value} is beyond Lava's Dense; use -256..254 or backend='integer'"
            )
    with np.errstate(divide="ignore"):  # netx divides by the largest weight, which may be 0
        scaled, bits, exponent, _ = optimize_weight_bits(layer.weight)
    mode = determine_sign_mode(scaled)
    changed = truncate_weights(clip_weights(scaled, mode, num_bits=8), mode, bits) != scaled
    if changed.any():  # netx and lava-nc disagree on the sign mode or on the range of such weights
        raise GraphError(
            f"layer {layer.name}: weight {layer.weight[changed][0]} is altered by Lava's Dense, as none is positive; "
            "make one positive or use backend='integer'"
        )
    return -exponent
