#!/usr/bin/env python3
"""overload.py DIR [--seconds 60] [--threads N] [--json FILE] - what the server promises under overload, measured.

Calibrates the model in DIR on this machine (its saturated speed is the yardstick), starts `beeline serve` with that, and
sends it, with `beeline-bench load` from the same machine: a fifth of its capacity, twice, a fifth, ten times, a fifth.
Prints a line for each promise and exits with 1 when one is not kept."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "build", "release")
MAX_WAIT_MS = 500
MEAN_TOKENS = 90.25  # of bench/lengths.inc, cut at the 256 of all-MiniLM-L6-v2


def say(text):
    print(text, flush=True)


class Server:
    def __init__(self, directory, capacity, threads):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "beeline"), "serve", directory, "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0",
             "--backend", "cpu", "--threads", str(threads), "--capacity", capacity,
             "--max-wait", f"{MAX_WAIT_MS}ms"], stderr=self.log)
        self.port = int(self.wait_for(r"ready.*?http://127\.0\.0\.1:(\d+)"))
        self.budget = int(self.wait_for(r"batches of at most (\d+) tokens"))

    def wait_for(self, pattern):
        for _ in range(600):
            self.log.seek(0)
            found = re.search(pattern, self.log.read(), re.S)
            if found:
                return found.group(1)
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        sys.exit(f"the server did not start; see its log:\n{self.tail()}")

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-2000:]

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def stop(self):
        self.process.terminate()
        return self.process.wait()


def load(server, rate, seconds, connections):
    """One run; its rows by (table, name), and the most memory that the server held meanwhile."""
    most, over = [server.resident_mib()], threading.Event()

    def watch():
        while not over.wait(0.2):
            most[0] = max(most[0], server.resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        command = [os.path.join(BUILD, "beeline-bench"), "load", f"http://127.0.0.1:{server.port}/embed", "--rate",
                   f"{rate:.2f}", "--duration", f"{seconds}s", "--connections", str(connections), "--json", f.name]
        code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
        over.set()
        watcher.join()
        if code not in (0, 3):
            sys.exit(f"{' '.join(command)}: exit {code}")
        report = json.load(f)
    rows = {(row["table"], row["name"]): row for row in report["rows"]}
    return rows, most[0], [note for note in report["notes"] if note.startswith("INVALID")]


def latency(rows, name, key):
    value = rows.get(("load latency, ms", name), {}).get(key)
    return float("nan") if value is None else value


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory")
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--threads", type=int, default=os.cpu_count())
    options.add_argument("--json")
    o = options.parse_args()
    results, kept = {"command": " ".join(sys.argv), "runs": {}, "promises": []}, True

    def promise(what, value, limit, holds):
        nonlocal kept
        kept = kept and holds
        results["promises"].append({"what": what, "value": value, "limit": limit, "kept": holds})
        say(f"{'kept  ' if holds else 'BROKEN'}  {what}: {value:.4g}, limit {limit:.4g}")

    with tempfile.TemporaryDirectory() as folder:
        capacity = os.path.join(folder, "capacity.json")
        subprocess.run([os.path.join(BUILD, "beeline"), "calibrate", o.directory, "--backend", "cpu", "--threads",
                        str(o.threads), "--capacity", capacity], check=True)
        with open(capacity) as f:
            results["capacity"] = json.load(f)
        saturated = results["capacity"]["saturated_tokens_per_s"]
        server = Server(o.directory, capacity, o.threads)
        results["version"] = subprocess.run([os.path.join(BUILD, "beeline"), "version"], capture_output=True,
                                            text=True).stdout.strip()
        batch_ms = server.budget / saturated * 1e3
        one = saturated / MEAN_TOKENS  # requests/s
        say(f"{results['version']}\nsaturated {saturated:.0f} tokens/s, {one:.1f} requests/s; a batch of {server.budget} "
            f"tokens {batch_ms:.1f} ms; max-wait {MAX_WAIT_MS} ms")
        load(server, one * 0.2, 3, 64)  # caches, branch predictors, malloc
        calm, resident, _ = load(server, one * 0.2, 20, 64)
        calm_ms = latency(calm, "200 or no reply, intended", "p50_ms")
        for factor in (2, 10):
            rows, most, faults = load(server, one * factor, o.seconds, 1024)
            run = next(row for (table, _), row in rows.items() if table == "load")
            accepted = latency(rows, "200 or no reply, intended", "p99_ms")
            refused = latency(rows, "429, service", "p99_ms")
            results["runs"][f"{factor}x"] = {"rows": list(rows.values()), "most_mib": most, "invalid": faults}
            say(f"\n{factor}x: {run['offered_per_s']:.0f} requests/s offered for {o.seconds} s")
            for fault in faults:
                say(f"        {fault}")
            promise(f"{factor}x, replies other than 200, 429, 503, 504", run["errors"] + run["censored"], 0,
                    run["errors"] + run["censored"] == 0)
            share = run["tokens_per_s"] / saturated
            promise(f"{factor}x, goodput over saturation", share, 0.95, share >= 0.95)
            promise(f"{factor}x, p99 of who was accepted, ms", accepted, MAX_WAIT_MS + 2 * batch_ms,
                    accepted <= MAX_WAIT_MS + 2 * batch_ms)
            promise(f"{factor}x, p99 of refusals, ms", refused, 50, refused <= 50)
            promise(f"{factor}x, memory above before, MiB", most - resident, 64, most - resident <= 64)
            after, _, _ = load(server, one * 0.2, 5, 64)
            after_ms = latency(after, "200 or no reply, intended", "p50_ms")
            promise(f"{factor}x, p50 in the 5 s after over before", after_ms / calm_ms, 1.5, after_ms <= 1.5 * calm_ms)
        code = server.stop()
        say("\n" + next((json.loads(line)["message"] for line in server.tail().splitlines() if '"stopped"' in line), ""))
        promise("exit status", code, 0, code == 0)
    if o.json:
        with open(o.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
