#!/usr/bin/env python3
"""short.py DIR [--threads N] [--peers] [--json FILE] - a short honest version of every benchmark on this machine.

Kernels and forwards of every precision, each checked and then timed; the server in a closed loop, beside wrk where it is
installed; the server compared with itself; its knee; what the simulator says of the calibrated machine; with --peers the
peers too, which installs them first.  Opens with a table of what matters; what each command printed follows.  Writes
FILE, by default build/bench/short.json, with machine, commit and commands.  Exit 1: a command failed; figures that are
INVALID, because this machine was too busy for its client, are said and are no failure.
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
BUILD, OUT = os.path.join('build', 'release'), os.path.join('build', 'bench')  # from TOP, where all of it runs
INVALID, TOKENS, START_S, WRK_ROUNDS = 3, 32, 60, 7


class Run:
    def __init__(self):
        self.table, self.said, self.failed = [], [], False
        self.result = {'commands': [], 'documents': {}}

    def note(self, name, value):
        self.table.append((name, value))

    def ran(self, name, command, fine):
        """What a command printed, or None, said, where it failed."""
        print('%s...' % name, file=sys.stderr, flush=True)
        done = subprocess.run(command, capture_output=True, text=True)
        shown = ' '.join(command)
        self.result['commands'].append(shown)
        self.said.append('$ %s\n%s%s' % (shown, done.stdout, done.stderr))
        if done.returncode in fine:
            return done
        self.failed = True
        self.note(name, 'FAILED: %s' % (done.stderr.strip().splitlines() or ['exit %d' % done.returncode])[-1])
        return None

    def bench(self, name, *words, fine=(0,), punctual=()):
        """A command of beeline-bench; its document, or None where it failed."""
        path = os.path.join(OUT, name.replace(' ', '-') + '.json')
        done = self.ran(name, [*punctual, os.path.join(BUILD, 'beeline-bench'), *words, '--json', path], fine)
        if not done:
            return None
        with open(path) as file:
            document = json.load(file)
        self.result['documents'][name] = document
        return document


def rows(document, table):
    return {row['name']: row for row in document['rows'] if row['table'] == table} if document else {}


def verdict(document):
    """The last line that a command had to say."""
    return document['notes'][-1] if document and document['notes'] else 'see below'


def forwards(run, directory, threads):
    document = run.bench('model', 'model', directory, '--backend', 'cpu', *threads)
    for precision in ('float32', 'bfloat16', 'int8'):
        for name, row in rows(document, 'model cpu ' + precision).items():
            if name in ('1 x 16', '8 x 128', '32 mixed'):
                run.note('%s, %s' % (precision, name), '%.3f ms, %.0f tokens/s, %.2f of the peak' %
                         (row['median_ms'], row['tokens_s'], row['share_of_peak']))


class Server:
    def __init__(self, directory, threads):
        self.log = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen([os.path.join(BUILD, 'beeline'), 'serve', directory, '--listen', '127.0.0.1:0',
                                         '--ops', '127.0.0.1:0', '--backend', 'cpu', *threads], stderr=self.log)
        self.url = None
        until = time.monotonic() + START_S
        while self.process.poll() is None and not self.url and time.monotonic() < until:
            time.sleep(0.1)
            self.log.seek(0)
            found = re.search(r'ready.*?(http://127\.0\.0\.1:\d+)', self.log.read(), re.S)
            self.url = found and found.group(1) + '/embed'

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def with_wrk(url):
    """Requests/s of wrk for as long a text from as many connections; None where it is not installed."""
    if not shutil.which('wrk'):
        return None
    with tempfile.NamedTemporaryFile('w', suffix='.lua') as script:
        script.write('wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
                     'wrk.body = \'{"inputs": "%s"}\'\n' % ' '.join(['the'] * (TOKENS - 2)))
        script.flush()
        said = subprocess.run(['wrk', '-t1', '-c4', '-d3s', '-s', script.name, url], capture_output=True, text=True)
    found = re.search(r'Requests/sec:\s*([\d.]+)', said.stdout)
    return float(found.group(1)) if found else None


def real_time():
    """chrt, where it may: on few cores a client that shares them with the server sends late without it."""
    words = ['chrt', '-f', '1']
    may = shutil.which('chrt') and subprocess.run([*words, 'true'], capture_output=True).returncode == 0
    return words if may else []


def serving(run, server):
    ours, beside_wrk = [], []
    for turn in range(WRK_ROUNDS):
        closed = run.bench('closed %d' % (turn + 1), 'load', server.url, '--concurrency', '4', '--duration', '3s',
                           '--tokens', str(TOKENS), fine=(0, INVALID))
        pair = [row['sent_per_s'] for row in rows(closed, 'load').values()], with_wrk(server.url)
        ours += pair[0]
        beside_wrk += [rate / pair[1] for rate in pair[0] if pair[1]]
    if ours:
        beside = '%.3f of what wrk gets, in turn' % statistics.median(beside_wrk) if beside_wrk else 'no wrk here'
        run.note('HTTP, 4 in a closed loop', '%.0f requests/s of %d tokens; %s' % (
            statistics.median(ours), TOKENS, beside))
    same = run.bench('compare', 'compare', '--a', server.url, '--b', server.url, '--pairs', '10', '--duration', '1s',
                     '--concurrency', '4', '--tokens', str(TOKENS), fine=(0, 1, INVALID))
    run.note('the server beside itself', verdict(same))
    knee = run.bench('knee', 'knee', server.url, '--slo', 'p99<=100ms', '--confirm', '3s', '--duration', '2s',
                     '--tokens', str(TOKENS), fine=(0, 1, INVALID), punctual=real_time())
    run.note('knee at p99<=100ms', verdict(knee))


def simulated(run, directory, threads):
    capacity = os.path.join(OUT, 'capacity.json')
    if not run.ran('calibrate', [os.path.join(BUILD, 'beeline'), 'calibrate', directory, '--backend', 'cpu',
                                 '--capacity', capacity, *threads], (0,)):
        return
    with open(capacity) as file:
        knee = re.search(r'"knee_requests_per_s":\s*([\d.]+)', file.read())
    rate = max(1.0, float(knee.group(1)) * 0.7 if knee else 1.0)
    document = run.bench('simulate', 'simulate', '--capacity', capacity, '--rate', '%.3f' % rate, '--duration', '60s',
                         '--slo', 'p99<=100ms', fine=(0, 1))
    row = next(iter(rows(document, 'simulated latency, ms').values()), None)
    if row:
        run.note('simulated at 0.7 of the calibrated knee', '%.0f requests/s: p50 %.1f ms' % (rate, row['p50_ms']))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('directory')
    parser.add_argument('--threads', type=int)
    parser.add_argument('--peers', action='store_true')
    parser.add_argument('--json', default=os.path.join(TOP, OUT, 'short.json'))
    options = parser.parse_args()
    directory, result = os.path.relpath(options.directory, TOP), os.path.abspath(options.json)
    os.chdir(TOP)
    os.makedirs(OUT, exist_ok=True)
    threads = ['--threads', str(options.threads)] if options.threads else []
    run = Run()
    forwards(run, directory, threads)
    run.bench('kernels', 'kernels', 'cpu', '--quick')
    run.bench('tokenizer', 'tokenizer', directory)
    run.bench('host', 'host', '--quick')
    server = Server(directory, threads)
    if server.url:
        serving(run, server)
    else:
        run.failed = True
        run.note('HTTP', 'FAILED: the server did not start')
    server.close()
    simulated(run, directory, threads)
    environment = next((document['environment'] for document in run.result['documents'].values()), {})
    for key in ('processor', 'build'):
        print('# %s: %s' % (key, environment.get(key, 'not known')))
    width = max(len(name) for name, _ in run.table)
    for name, value in run.table:
        print('%-*s  %s' % (width, name, value))
    print('\n' + '\n'.join(run.said), flush=True)
    with open(result, 'w') as file:
        json.dump(dict(run.result, environment=environment), file, indent=1)
    if options.peers:
        command = [sys.executable, os.path.join(HERE, 'peers', 'run.py'), directory, '--quick']
        run.failed |= subprocess.run(command).returncode != 0
    return 1 if run.failed else 0


if __name__ == '__main__':
    sys.exit(main())
