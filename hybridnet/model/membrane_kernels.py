"""Compiled loops over a layer's neurons on the CPU: each neuron's whole run from rest while its potential is at hand.

All arrays are C-ordered (T,M), M neurons, or (M,). Neurons go in blocks that are spread over as many threads as torch
uses; what is summed over neurons is summed block by block, so that nothing depends on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from hybridnet.compiled import njit
from hybridnet.spiking import POTENTIAL_LIMIT, POTENTIAL_UNITS

BLOCK = 1024  # neurons; what a block works on stays in the first-level cache
TOP, BOTTOM = float(POTENTIAL_LIMIT), -float(POTENTIAL_LIMIT)


def count_blocks(neurons: int) -> int:
    """Blocks of `neurons`."""
    return -(-neurons // BLOCK)


def over_blocks(neurons: int, work: Callable[[int, int], None]) -> None:
    """Call `work(first, end)` for ranges that make up the blocks of `neurons`, in as many threads as torch uses."""
    blocks = count_blocks(neurons)
    threads = min(torch.get_num_threads(), blocks)
    if threads < 2:
        work(0, blocks)
        return
    edges = [blocks * k // threads for k in range(threads + 1)]
    for done in [_pool(threads).submit(work, *part) for part in pairwise(edges)]:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "membrane")


def hold_integers(x: torch.Tensor, limit: int) -> bool:
    """Whether all of a float32 tensor on the CPU are integers within +-limit; in one pass, torch needs five."""
    in_memory = sorted(range(x.ndim), key=x.stride, reverse=True)
    values = x.detach().permute(in_memory).contiguous().numpy().reshape(-1)
    found = np.empty(count_blocks(len(values)), np.bool_)
    over_blocks(len(values), lambda *part: are_integers(values, limit, found, *part))
    return bool(found.all())


@njit(nogil=True)
def are_integers(values, limit, found, first, end):
    """found[block] = whether all of a block of float32 (M,) are integers within +-limit."""
    limit, zero, one = np.float32(limit), np.int32(0), np.int32(1)
    for block in range(first, end):
        start = np.uintp(block * BLOCK)
        stop = np.uintp(min(block * BLOCK + BLOCK, len(values)))
        wrong = zero
        for i in range(start, stop):
            x = values[i]
            wrong |= zero if np.abs(x) <= limit else one  # of NaN too
            wrong |= zero if np.trunc(x) == x else one
        found[block] = wrong == zero


@njit(nogil=True)
def fire(sums, keep, bar, subtract, pre, spikes, first, end):
    """Spiking neurons: fill spikes, and pre unless it is empty; keep and bar are float64."""
    steps, neurons = sums.shape
    for block in range(first, end):
        start = block * BLOCK
        stop = min(start + BLOCK, neurons)
        v = np.zeros(stop - start)
        for t in range(steps):
            a, s = sums[t, start:stop], spikes[t, start:stop]
            for i in range(len(v)):
                value = np.trunc(v[i] * keep) + POTENTIAL_UNITS * np.float64(a[i])
                value = min(max(value, BOTTOM), TOP)
                v[i] = value
                s[i] = 1.0 if value > bar else 0.0
            if len(pre):
                pre[t, start:stop] = v
            for i in range(len(v)):
                left = v[i] - bar if subtract else 0.0
                v[i] = left if v[i] > bar else v[i]


@njit(nogil=True, error_model="numpy")
def fire_backward(pre, keep, bar, unit, gamma, subtract, from_spikes, grad, sums, first, end):
    """Fill grad (of the input sums) and, per block, sums[block] = (of keep, of bar); all numbers are float32."""
    zero, one, units = np.float32(0), np.float32(1), np.float32(POTENTIAL_UNITS)
    steps, neurons = pre.shape
    for block in range(first, end):
        start = block * BLOCK
        stop = min(start + BLOCK, neurons)
        g = np.zeros(stop - start, np.float32)  # of post_t
        to_keep, to_bar = np.zeros_like(g), np.zeros_like(g)
        for t in range(steps - 1, -1, -1):
            u, s, out = pre[t, start:stop], from_spikes[t, start:stop], grad[t, start:stop]
            before = pre[max(t - 1, 0), start:stop]
            moved = one if t else zero  # at rest nothing was there to keep
            for i in range(len(g)):
                distance = (u[i] - bar) * unit
                slope = unit / (one + gamma * distance * distance) * s[i]
                if subtract:
                    to_bar[i] -= slope + (g[i] if u[i] > bar else zero)
                    of_pre = g[i] + slope
                    left = before[i] - bar if before[i] > bar else before[i]
                else:
                    to_bar[i] -= slope
                    of_pre = (zero if u[i] > bar else g[i]) + slope
                    left = zero if before[i] > bar else before[i]
                out[i] = of_pre * units
                to_keep[i] += moved * of_pre * left
                g[i] = of_pre * keep
        for i in range(len(g)):
            sums[block, 0] += to_keep[i]
            sums[block, 1] += to_bar[i]


@njit(nogil=True)
def settle(sums, keep, last, slope, first, end):
    """A readout: fill last, the potential after the last step, and slope, its derivative by keep (float64)."""
    steps, neurons = sums.shape
    for block in range(first, end):
        start = block * BLOCK
        stop = min(start + BLOCK, neurons)
        v, derivative = np.zeros(stop - start), np.zeros(stop - start)
        for t in range(steps):
            a = sums[t, start:stop]
            for i in range(len(v)):
                derivative[i] = derivative[i] * keep + v[i]
                value = np.trunc(v[i] * keep) + POTENTIAL_UNITS * np.float64(a[i])
                v[i] = min(max(value, BOTTOM), TOP)
        last[start:stop] = v
        slope[start:stop] = derivative
