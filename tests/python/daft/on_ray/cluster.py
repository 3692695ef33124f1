# SPDX-License-Identifier: MIT
"""A Ray cluster of two nodes on this machine, for programs that tests start."""

from __future__ import annotations

import os

os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

import ray
from ray.cluster_utils import Cluster

MEMORY = 100_000_000


def start(connect: bool = True) -> Cluster:
    """Two nodes of one processor each."""
    head = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    cluster.wait_for_nodes()
    if connect:
        ray.init(address=cluster.address, log_to_driver=False)
    return cluster


def stop(cluster: Cluster) -> None:
    """Ends all of its processes."""
    ray.shutdown()
    cluster.shutdown()
