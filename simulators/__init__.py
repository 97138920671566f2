"""Simulators of a spiking graph: the integer engine, and Lava's own processes as a second opinion."""

from simulators.netfile import load_net, needed_processes, net_bytes, save_net
from simulators.simulate import backends, open_simulator, require_backend, simulate

__all__ = [
    "backends",
    "load_net",
    "needed_processes",
    "net_bytes",
    "open_simulator",
    "require_backend",
    "save_net",
    "simulate",
]
