# SPDX-License-Identifier: MIT
"""What Daft runs queries on: this process, or a Ray cluster. A process has one for good."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any, Literal

from hypernodes.exceptions import DependencyMissingError, PlanError
from hypernodes.integrations.daft import extension

__all__ = ["Name", "check", "choose", "cluster", "cores", "ray"]

Name = Literal["native", "ray"]
_WHERE = "DaftEngine(runner=..., address=...)"
# Addresses that name no cluster but say how to find one.
_SEARCHES = ("auto", "local")


def check(name: str | None, address: str | None) -> None:
    """Checks what an engine was given.

    Raises:
        PlanError: If there is no such runner, or an address but no cluster.
    """
    if name not in ("native", "ray", None):
        raise PlanError(
            f"There is no runner {name!r}", _WHERE, "give 'native', 'ray', or None for Daft's own"
        )
    if address is not None and name != "ray":
        raise PlanError("Only the runner 'ray' has an address", _WHERE, "give runner='ray', too")


def choose(name: Name | None, address: str | None) -> str:
    """Sets Daft's runner, unless `name` is None or it is that one already; returns its name.

    Raises:
        PlanError: If Daft has another runner, or Ray another cluster: a process keeps its first.
        DependencyMissingError: If Ray is not installed.
    """
    if name is not None:
        _set(name, address)
    return str(extension.load().get_or_infer_runner_type())


@functools.cache
def _set(name: Name, address: str | None) -> None:
    daft = extension.load()
    if name == "native":
        if daft.get_or_infer_runner_type() != "native":
            try:
                daft.set_runner_native()
            except Exception as error:
                raise _taken("ray", "native") from error
        return
    began = not ray().is_initialized()
    if not began:
        _check_cluster(address)
    try:
        daft.set_runner_ray(address, noop_if_initialized=True)
    except ConnectionError as error:
        raise PlanError(f"No Ray cluster to connect to: {error}", _WHERE, "start it") from error
    except Exception as error:
        if daft.get_or_infer_runner_type() == "ray":
            raise
        raise _taken("native", "ray") from error
    finally:
        if began and ray().is_initialized() and daft.get_or_infer_runner_type() != "ray":
            ray().shutdown()
    if daft.get_or_infer_runner_type() != "ray":
        raise _taken("native", "ray")
    _check_cluster(address)


def _taken(name: str, wanted: str) -> PlanError:
    return PlanError(
        f"Daft's runner is {name!r} already, and a process keeps its first: it cannot be"
        f" {wanted!r}",
        _WHERE,
        "choose before the first Daft query of the process, or use another process",
    )


def _check_cluster(address: str | None) -> None:
    """Raises PlanError if Ray is connected to a cluster with another address than this one."""
    if address is None or address in _SEARCHES or "://" in address:
        return
    connected = ray().get_runtime_context().gcs_address
    if connected != address:
        raise PlanError(
            f"Ray is connected to {connected} already, not to {address}",
            _WHERE,
            "leave out the address, or use another process",
        )


def ray() -> Any:  # noqa: ANN401 (an optional package)
    """The package.

    Raises:
        DependencyMissingError: If it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise DependencyMissingError(
            f"The runner 'ray' needs the package ray ({error})", fix="pip install 'hypernodes[ray]'"
        ) from error


def cluster() -> Any:  # noqa: ANN401 (an optional package)
    """The package, connected: Daft does that when its first query begins."""
    if not ray().is_initialized():
        extension.load().set_runner_ray(noop_if_initialized=True)
    return ray()


def cores(name: str) -> int:
    """How many processors this runner has."""
    if name == "ray":
        return max(1, int(cluster().cluster_resources().get("CPU", 1)))
    return len(os.sched_getaffinity(0))
