"""Importing Lava on Python 3.11 and newer, which its one unhashable dataclass default would prevent."""

import dataclasses
import importlib
import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from types import ModuleType
from typing import Any

from hybridnet.errors import BackendError

INSTALL = (
    "in a checkout run `make lava`, elsewhere `pip install 'hybridnet[lava]'` and then "
    "`pip install --no-deps --ignore-requires-python lava-nc==0.10.0 lava-dl==0.6.0`"
)


def import_lava() -> None:
    """Import Lava's processes and netx once, leaving dataclasses, warnings and logging as they were.

    `lava.magma.compiler.var_model` has dataclass fields that default to a `ByteEncoder`, and since Python 3.11 a
    default must be hashable; while that module is imported, ByteEncoder is given a hash. Lava also chooses "fork" as
    the way to start processes, and fails if anything has chosen before it.

    BackendError if a package that Lava needs is missing.
    """
    if "lava.lib.dl.netx" in sys.modules:
        return
    choose = partial(multiprocessing.set_start_method, force=True)
    try:
        with _quiet(), replaced(multiprocessing, "set_start_method", choose):
            with replaced(dataclasses, "dataclass", _hashable_byte_encoder(dataclasses.dataclass)):
                importlib.import_module("lava.magma.compiler.var_model")
            importlib.import_module("lava.lib.dl.netx")
    except ImportError as error:
        raise BackendError(f"backend 'lava' cannot be imported ({error}); {INSTALL}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the packages that Lava imports print, log and warn about themselves."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextmanager
def replaced(owner: ModuleType | type, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` for a while."""
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _hashable_byte_encoder(dataclass: Callable[..., Any]) -> Callable[..., Any]:
    """`dataclass`, but with a hash for the class named ByteEncoder."""

    def decorate(cls: type | None = None, /, **options: Any) -> Any:
        def wrap(plain: type) -> Any:
            return dataclass(plain, **options | ({"unsafe_hash": True} if plain.__name__ == "ByteEncoder" else {}))

        return wrap if cls is None else wrap(cls)

    return decorate
