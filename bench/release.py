#!/usr/bin/env python3
"""release.py DIR [--swaps 100] [--seconds 120] [--load 0.8] [--threads N] [--json FILE] - what a release costs those who ask meanwhile.

Packs the model in DIR and a copy with float16 weights, serves the first, and sends it the given share of the speed that
calibrate measured: first alone, then while versions are released and rolled back one after the other.  Prints a line for
each promise and exits with 1 when one is not kept."""
import argparse
import array
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from overload import BUILD, MEAN_TOKENS, Server, latency, load, say

BEELINE = os.path.join(BUILD, "beeline")


def halve(path):
    """float32 weights of a safetensors file become float16."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        header, body = json.loads(f.read(size)), f.read()
    parts, at = [], 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        data = body[begin:end]
        if tensor["dtype"] == "F32":
            numbers = array.array("f", data)
            data, tensor["dtype"] = struct.pack(f"<{len(numbers)}e", *numbers), "F16"
        tensor["data_offsets"] = [at, at + len(data)]
        at += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def pack(directory, version):
    subprocess.run([BEELINE, "pack", directory, "--name", "bench", "--version", version, "--owner", "bench", "--contact",
                    "nobody", "--runbook", "https://example.org"], check=True, stdout=subprocess.DEVNULL)


class Operator:
    """Releases the two versions in turn, each rolled back and forth, until `enough`."""

    def __init__(self, port):
        self.port, self.releases, self.rollbacks, self.failed, self.rollback_ms = port, 0, 0, 0, []
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"content-type": "application/json", "x-operator": "bench"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)

    def release(self, version):
        self.ask("POST", "/admin/release", {"version": version, "reason": "bench", "bake_s": 0})
        while (now := self.ask("GET", "/admin/release"))["state"] == "running":
            time.sleep(0.02)
        self.releases += 1
        self.failed += now["state"] != "done"

    def rollback(self):
        self.rollback_ms.append(self.ask("POST", "/admin/rollback", {"reason": "bench"})["ms"])
        self.rollbacks += 1

    def run(self):
        turn = 0
        while not self.enough.is_set():
            self.release(("half", "whole")[turn % 2])
            self.rollback()
            self.rollback()
            turn += 1


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory")
    options.add_argument("--swaps", type=int, default=100)
    options.add_argument("--seconds", type=int, default=120)
    options.add_argument("--load", type=float, default=0.8)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--json")
    o = options.parse_args()
    results, kept = {"command": " ".join(sys.argv), "promises": []}, True

    def promise(what, value, limit, holds):
        nonlocal kept
        kept = kept and holds
        results["promises"].append({"what": what, "value": value, "limit": limit, "kept": holds})
        say(f"{'kept  ' if holds else 'BROKEN'}  {what}: {value:.4g}, limit {limit:.4g}")

    with tempfile.TemporaryDirectory() as folder:
        whole, half = os.path.join(folder, "whole"), os.path.join(folder, "half")
        shutil.copytree(o.directory, whole)
        shutil.copytree(o.directory, half)
        halve(os.path.join(half, "model.safetensors"))
        pack(whole, "whole")
        pack(half, "half")
        capacity = os.path.join(folder, "capacity.json")
        subprocess.run([BEELINE, "calibrate", whole, "--backend", "cpu", "--threads", str(o.threads), "--capacity",
                        capacity], check=True)
        with open(capacity) as f:
            results["capacity"] = json.load(f)
        saturated = results["capacity"]["saturated_tokens_per_s"]
        server = Server(whole, capacity, o.threads)
        results["version"] = subprocess.run([BEELINE, "version"], capture_output=True, text=True).stdout.strip()
        rate = o.load * saturated / MEAN_TOKENS
        say(f"{results['version']}\nsaturated {saturated:.0f} tokens/s; {rate:.1f} requests/s for {o.seconds} s, alone and "
            "beside releases")
        load(server, rate, 5, 256)
        alone, _, _ = load(server, rate, o.seconds, 256)
        operator = Operator(int(server.wait_for(r"ops on http://127\.0\.0\.1:(\d+)")))
        operator.thread.start()
        while operator.releases < 4:  # both have been loaded and closed
            time.sleep(0.1)
        resident = server.resident_mib()
        beside, most, _ = load(server, rate, o.seconds, 256)
        operator.enough.set()
        operator.thread.join()
        left = server.resident_mib()
        swaps = operator.releases + operator.rollbacks
        run = next(row for (table, _), row in beside.items() if table == "load")
        p50, p99 = ({name: latency(rows, "200 or no reply, intended", key)
                     for name, rows in (("alone", alone), ("beside", beside))} for key in ("p50_ms", "p99_ms"))
        results["runs"] = {"alone": list(alone.values()), "beside": list(beside.values())}
        say(f"{operator.releases} releases, {operator.rollbacks} rollbacks; p50 {p50['alone']:.1f} ms alone, "
            f"{p50['beside']:.1f} ms beside; p99 {p99['alone']:.1f} ms, {p99['beside']:.1f} ms; {most:.0f} MiB at most")
        promise("releases and rollbacks", swaps, o.swaps, swaps >= o.swaps)
        promise("releases that failed", operator.failed, 0, operator.failed == 0)
        lost = run["errors"] + run["censored"] + run["refused"]
        promise("requests that failed or were refused", lost, 0, lost == 0)
        promise("p99 beside over alone", p99["beside"] / p99["alone"], 2, p99["beside"] <= 2 * p99["alone"])
        promise("longest rollback, ms", max(operator.rollback_ms), 10, max(operator.rollback_ms) <= 10)
        promise("memory at the end over the start, MiB", left - resident, 16, left - resident <= 16)
        code = server.stop()
        promise("exit status", code, 0, code == 0)
    if o.json:
        with open(o.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
