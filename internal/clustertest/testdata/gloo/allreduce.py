"""Joins the group that its environment describes, and adds up what all members bring."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist

dist.init_process_group("gloo", init_method="env://", timeout=timedelta(seconds=150))
rank, size = dist.get_rank(), dist.get_world_size()
numbers = torch.arange(100000, dtype=torch.float64) * (rank + 1)
dist.all_reduce(numbers)
expected = torch.arange(100000, dtype=torch.float64) * (size * (size + 1) // 2)
print(f"rank={rank} size={size} equal={torch.equal(numbers, expected)} last={numbers[-1].item():.0f}", flush=True)
print("group", os.environ["TLAUNCH_GROUP"], "master", os.environ["MASTER_ADDR"], flush=True)
dist.destroy_process_group()
