"""Two models of Lava's own Conv, chosen through a run configuration: the stock one unchanged, and a faster one."""

import numpy as np
from lava.magma.core.model.py.type import LavaPyType
from lava.proc.conv.models import PyConvModelFixed
from threadpoolctl import threadpool_limits

_EXACT_FLOAT32 = 2**24  # integers up to here, and every sum of them that stays below, are exact
_WRAP = 2**23  # sums below it are what 24 bits hold


class StockConvModel(PyConvModelFixed):
    """Lava's fixed_pt Conv with its geometry in 32 bits: in its own 8, NumPy 2 refuses input wider than 127."""

    kernel_size: np.ndarray = LavaPyType(np.ndarray, np.int32)
    stride: np.ndarray = LavaPyType(np.ndarray, np.int32)
    padding: np.ndarray = LavaPyType(np.ndarray, np.int32)
    dilation: np.ndarray = LavaPyType(np.ndarray, np.int32)
    groups: np.ndarray = LavaPyType(np.ndarray, np.int32)


class MatrixConvModel(StockConvModel):
    """The sums of Lava's fixed_pt Conv as one matrix product per column of the kernel, instead of a scipy `convolve2d`
    per pair of channels.

    Exact, not close: every product and partial sum is an integer of at most sum|w| * max|x|, which a float32 holds
    below 2^24 in whatever order they are added, and a float64 below 2^53 (`simulators.lava` refuses graphs beyond
    2^31). It shares no code with the integer engine, which scatters spikes in int32, and replaces the sums alone:
    message bits, the 24-bit wrap, the neurons, the delay of a step and the messages stay Lava's.
    """

    a_buf: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: dict) -> None:
        super().__init__(proc_params)
        threadpool_limits(1)  # in this process of Lava's: products this small leave BLAS's other threads spinning

    def run_spk(self) -> None:
        self.a_out.send(self.a_buf)
        frame = self.s_in.recv()
        if self.num_message_bits.item() == 0:
            frame = frame.astype(bool)
        norm = np.abs(self.weight).reshape(len(self.weight), -1).sum(axis=1, dtype=np.int64).max()
        worst = int(norm) * max(int(frame.max()), -int(frame.min()))
        sums = matrix_conv(
            frame.astype(np.float32 if worst < _EXACT_FLOAT32 else np.float64),
            self.weight, self.stride, self.padding, self.dilation, int(self.groups[0]),
        ).astype(np.int32)  # fmt: skip
        self.a_buf = sums if worst < _WRAP else self.clamp_precision(sums)


def matrix_conv(
    frame: np.ndarray, weight: np.ndarray, stride: np.ndarray, padding: np.ndarray, dilation: np.ndarray, groups: int
) -> np.ndarray:
    """True convolution of (W,H,Cin) with (Cout,kW,kH,Cin/groups), all pairs (x, y), in the dtype of the frame."""
    outputs, kernel_w, kernel_h, fan_in = weight.shape
    padded = np.zeros([frame.shape[k] + 2 * padding[k] for k in (0, 1)] + [frame.shape[2]], frame.dtype)
    padded[padding[0] : padding[0] + frame.shape[0], padding[1] : padding[1] + frame.shape[1]] = frame
    width, height = ((padded.shape[k] - dilation[k] * (weight.shape[1 + k] - 1) - 1) // stride[k] + 1 for k in (0, 1))
    rows = [_every(padded, 1, ky * dilation[1], height, stride[1]) for ky in range(kernel_h)]
    flipped = weight[:, ::-1, ::-1].astype(frame.dtype)
    shares = []
    for share, inputs in zip(np.split(flipped, groups), range(0, frame.shape[2], fan_in), strict=True):
        taps = np.concatenate([row[:, :, inputs : inputs + fan_in] for row in rows], axis=2)  # kernel_h * fan_in deep
        total = np.zeros((width * height, len(share)), frame.dtype)
        for kx in range(kernel_w):
            column = _every(taps, 0, kx * dilation[0], width, stride[0]).reshape(width * height, -1)
            total += column @ share[:, kx].reshape(len(share), -1).T
        shares.append(total)
    whole = shares[0] if groups == 1 else np.concatenate(shares, axis=1)
    return whole.reshape(width, height, outputs)


def _every(array: np.ndarray, axis: int, start: int, count: int, step: int) -> np.ndarray:
    """`count` slices of an axis, from `start` on, `step` apart."""
    chosen = slice(start, start + (count - 1) * step + 1, step)
    return array[chosen] if axis == 0 else array[:, chosen]
