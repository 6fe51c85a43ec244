"""over_http.py - the same texts over HTTP: one client for every server, all of them up, asked in turn.

Closed loop where beeline-bench load has it; else open loop at twice what the engine does in-process, with as many
connections, which keeps them all busy likewise.  Beside each run of ours its forward is timed once more, so that HTTP
over in-process compares what the machine was within seconds.
"""
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request

import gate
import workloads
from beeline import Unavailable, last_line, stop

CONNECTIONS = 64
MEAN = sum(workloads.MIXED) / len(workloads.MIXED)
PEERS = {'infinity': 'infinity', 'fastapi': 'engines'}  # the environment of each
NAMES = {'infinity': 'infinity-emb', 'fastapi': 'FastAPI + sentence-transformers'}


def ask(port, texts):
    request = urllib.request.Request('http://127.0.0.1:%d/embed' % port, json.dumps({'inputs': texts}).replace(
        '{"inputs": ', '{"inputs":', 1).encode(), {'content-type': 'application/json'})
    with urllib.request.urlopen(request, timeout=120) as reply:
        said = json.load(reply)
    return [row['embedding'] for row in said['data']] if isinstance(said, dict) else said


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start_peer(kind, run):
    port, here = free_port(), os.path.dirname(os.path.abspath(__file__))
    python = run.installed.python(PEERS[kind])
    if not os.path.exists(python):
        raise Unavailable('not installed')
    with open(run.log('server ' + kind), 'w') as log:
        process = subprocess.Popen([python, os.path.join(here, 'server.py'), kind, run.directory, str(port),
                                    str(run.threads)], stdout=log, stderr=log, env=run.environment)
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        try:
            ask(port, ['hello'])
            return process, port
        except OSError:
            time.sleep(0.5)
    stop(process)
    with open(run.log('server ' + kind)) as log:
        raise Unavailable('it did not start: ' + last_line(log.read()))


class Server:
    def __init__(self, run, engine, precision, start):
        self.run, self.engine, self.precision = run, engine, precision
        self.process, self.port = start()
        self.samples, self.over, self.faults, self.tail = [], [], [], None
        try:
            rows = [row for part in workloads.batches_of(run.texts) for row in ask(self.port, part)]
            self.error, self.cosine = gate.compare(rows, run.reference)
        except (OSError, ValueError, KeyError) as why:
            stop(self.process)
            raise Unavailable('its vectors did not come: %s' % why)

    def load(self, rate, seconds):
        """rate None: as much as it takes."""
        ours, knows = self.run.beeline, self.run.beeline.knows[self.run.beeline.bench]
        options = ['--duration', '%dms' % (seconds * 1000), '--lengths', self.run.lengths_file]
        if '--warmup' in knows:
            options += ['--warmup', '2s']
        if rate is None and '--concurrency' in knows:
            options += ['--concurrency', str(CONNECTIONS)]
        else:
            guess = 2 * self.run.in_process(self.precision, '32 mixed') / MEAN
            options += ['--rate', '%.1f' % (rate or guess), '--connections', str(CONNECTIONS if rate is None else 256)]
        return ours.load(self.port, options)

    def saturate(self, seconds):
        beside = None
        if self.engine == 'beeline':
            ms, _ = self.run.beeline.round(self.precision)['32 mixed']
            beside = sum(workloads.MIXED) / ms * 1e3
        rows, faults = self.load(None, seconds)
        got = next(row for (table, _), row in rows.items() if table == 'load')
        if got['errors']:
            raise Unavailable('%d of its replies were errors' % got['errors'])
        if not got['goodput_per_s']:
            raise Unavailable('no reply within %g s under %d connections' % (seconds, CONNECTIONS))
        tokens_per_s = got['goodput_per_s'] * MEAN  # the client's own count is of a header that only beeline sends
        self.samples.append(tokens_per_s)
        self.faults += faults
        if beside:
            self.over.append(tokens_per_s / beside)

    def calm(self, seconds):
        """p99 over p50 at 70 % of what it took: of ours, whose goal it is."""
        if self.engine != 'beeline':
            return
        rate = 0.7 * gate.middle(self.samples)[0] / MEAN
        rows, _ = self.load(rate, min(seconds, 1200 / rate))
        row = rows[('load latency, ms', '200 or no reply, intended')]
        if row.get('p50_ms') and row.get('p99_ms'):
            self.tail = row['p99_ms'] / row['p50_ms']

    def row(self):
        median, spread = gate.middle(self.samples)
        row = {'engine': self.engine, 'precision': self.precision, 'tokens_per_s': median, 'spread': spread,
               'samples': self.samples, 'max_error': self.error, 'cosine': self.cosine, 'p99_over_p50': self.tail}
        if self.over:
            row['over_in_process'] = gate.middle(self.over)[0]
        return row


def measure(run, rounds, seconds, calm_seconds):
    """The rows; what could not be measured is run.absent()."""
    wanted = [('beeline', precision, lambda precision=precision: run.beeline.serve(precision))
              for precision in run.our_precisions]
    wanted += [(NAMES[kind], 'float32', lambda kind=kind: start_peer(kind, run)) for kind in PEERS if run.wants(kind)]
    servers = []
    with tempfile.NamedTemporaryFile('w', suffix='.lengths') as file:
        file.write(''.join('%d\n' % n for n in workloads.MIXED))
        file.flush()
        run.lengths_file = file.name
        try:
            for engine, precision, start in wanted:
                try:
                    servers.append(Server(run, engine, precision, start))
                except Unavailable as why:
                    run.absent(engine + ' over HTTP', precision, str(why))
            for what in [lambda s: s.saturate(seconds)] * rounds + [lambda s: s.calm(calm_seconds)]:
                for server in list(servers):
                    try:
                        what(server)
                    except Unavailable as why:
                        run.absent(server.engine + ' over HTTP', server.precision, str(why))
                        servers.remove(server)
                        stop(server.process)
            return [server.row() for server in servers]
        finally:
            for server in servers:
                stop(server.process)
