"""What Gloo takes for a collective operation: bench topology has python3, with torch, run this on the hosts that it measures.

Arguments: rank, members, host and port of rank 0, rounds that count, and operation:bytes for each case. Rank 0 prints a line of JSON for each case,
with a list of seconds, a list of processor seconds, and how many results were wrong; or with why it could not be done."""
import json
import os
import resource
import sys
import time

import torch
import torch.distributed as dist

rank, members, host, port, rounds = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
dist.init_process_group("gloo", init_method=f"tcp://{host}:{port}", rank=rank, world_size=members)


def values(round, of, start, count):
    """What is in places start to start + count of what a member is given in a round; value in operations.go is the same."""
    return ((torch.arange(start, start + count) + (round + of)) % 1000).to(torch.float32)


def processor_time():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def prepare(op, round, count):
    """What is to be done, and a function that says whether the result is right."""
    mine = values(round, rank, 0, count)
    if op == "broadcast":
        return lambda: dist.broadcast(mine, 0), lambda: torch.equal(mine, values(round, 0, 0, count))
    if op == "all-reduce":
        return lambda: dist.all_reduce(mine), lambda: torch.equal(mine, sum(values(round, of, 0, count) for of in range(members)))
    if op == "barrier":
        return dist.barrier, lambda: True
    parts = [torch.empty(count) for _ in range(members)]
    right = lambda: all(torch.equal(p, values(round, of, 0, count)) for of, p in enumerate(parts))
    if op == "all-gather":
        return lambda: dist.all_gather(parts, mine), right
    if op == "gather":
        return lambda: dist.gather(mine, parts if rank == 0 else None, 0), lambda: rank > 0 or right()
    if op == "scatter":
        given = [values(round, 0, of * count, count) for of in range(members)] if rank == 0 else None
        return lambda: dist.scatter(mine, given, 0), lambda: torch.equal(mine, values(round, 0, rank * count, count))
    if op == "all-to-all":
        part = count // members
        given, got = values(round, rank, 0, part * members), torch.empty(part * members)
        return lambda: dist.all_to_all_single(got, given), lambda: all(
            torch.equal(got[of * part:(of + 1) * part], values(round, of, rank * part, part)) for of in range(members))
    raise ValueError(op)


for case in sys.argv[6:]:
    op, size = case.split(":")
    told = {"op": op, "size": int(size), "seconds": [], "processors": [], "wrong": 0}
    try:
        for round in range(rounds + 1):
            do, right = prepare(op, round, int(size) // 4)
            dist.barrier()
            used, began = processor_time(), time.monotonic()
            do()
            slowest = torch.tensor([time.monotonic() - began], dtype=torch.float64)
            sums = torch.tensor([processor_time() - used, 0.0 if right() else 1.0], dtype=torch.float64)
            dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
            dist.all_reduce(sums)
            if round > 0:
                told["seconds"].append(slowest.item())
                told["processors"].append(sums[0].item())
                told["wrong"] += int(sums[1].item())
    except RuntimeError as e:
        told["error"] = str(e).splitlines()[0]
    if rank == 0:
        print(json.dumps(told), flush=True)
dist.barrier()
os._exit(0)  # its threads do not always end
