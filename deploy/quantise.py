"""From a quantised torch STM to the integers of a `SpikingGraph`: a pure function; nothing is rounded here."""

from hybridnet.model.temporal import STM
from hybridnet.spiking import Layer, Shape, SpikingGraph

INPUT_BITS = 8  # motion and residuals are int8 within +-127 from the start (hybridnet.video.sampling)


def spiking_graph(stm: STM, input_shape: Shape, steps: int, graded: bool = False) -> SpikingGraph:
    """The graph of one stream for input (C,H,W) and `steps` P-frames; its integers are the torch module's own.

    graded   the readout sends its potential, see `Layer`

    Of an STM that reads more channels than C, the others count as zeros, so their weights are left out.

    Raises GraphError if they contradict the integer ranges of Lava's LIF.
    """
    layers: list[Layer] = []
    for module in stm.chain:
        numbers = module.quantised()
        weight = numbers.weight if layers else numbers.weight[:, : input_shape[0]]
        layers.append(
            Layer(
                name=module.name,
                kind="conv",
                weight=weight,
                stride=(module.stride, module.stride),
                padding=(module.padding, module.padding),
                decay_v=numbers.decay,
                threshold=numbers.threshold,
                reset=module.reset,
                graded=graded and numbers.threshold is None,
                scale=numbers.scale,
            )
        )
    return SpikingGraph(tuple(layers), tuple(input_shape), INPUT_BITS, steps)
