#!/usr/bin/env python3
"""serve_check.py BEELINE DIR [--backend cuda] [--json FILE] - does the server answer with the reference vectors?

Starts `beeline serve DIR` (all-MiniLM-L6-v2), asks /embed for the texts of tests/golden/data/minilm_reference.jsonl,
compares with their float64 vectors, times single short requests, ends the server with SIGTERM.  0: every cosine is at
least 0.9999 and the server ended with 0.
"""
import argparse
import array
import json
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'golden', 'data')
COSINE, AT_ONCE, TIMED = 0.9999, 32, 200


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def post(port, path, body):
    request = urllib.request.Request('http://127.0.0.1:%d%s' % (port, path), json.dumps(body).encode(),
                                     {'content-type': 'application/json'})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def get(port, path):
    with urllib.request.urlopen('http://127.0.0.1:%d%s' % (port, path), timeout=5) as reply:
        return json.load(reply)


def wait_until_ready(server, port, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            sys.exit('serve_check.py: the server ended with %d before it was ready' % server.returncode)
        try:
            with urllib.request.urlopen('http://127.0.0.1:%d/health/ready' % port, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    server.kill()
    sys.exit('serve_check.py: not ready after %d s' % seconds)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def check(port):
    """(info, texts, least cosine, median microseconds of one short request)"""
    with open(os.path.join(DATA, 'minilm_reference.jsonl')) as file:
        texts = [json.loads(line)['text'] for line in file]  # one is empty, which /embed refuses
    wanted = array.array('f')
    with open(os.path.join(DATA, 'minilm_reference.f32'), 'rb') as file:
        wanted.frombytes(file.read())
    columns, least = len(wanted) // len(texts), 1.0
    asked = [i for i, text in enumerate(texts) if text]
    for at in range(0, len(asked), AT_ONCE):
        rows = asked[at:at + AT_ONCE]
        vectors = post(port, '/embed', {'inputs': [texts[i] for i in rows], 'truncate': True})
        for i, vector in zip(rows, vectors):
            least = min(least, cosine(vector, wanted[i * columns:(i + 1) * columns]))
    took = []
    for _ in range(TIMED):
        begun = time.perf_counter()
        post(port, '/embed', {'inputs': 'hello world'})
        took.append((time.perf_counter() - begun) * 1e6)
    return get(port, '/info'), len(asked), least, statistics.median(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('beeline')
    parser.add_argument('model')
    parser.add_argument('--backend', default='cuda')
    parser.add_argument('--json')
    options = parser.parse_args()
    port = free_port()
    server = subprocess.Popen([options.beeline, 'serve', options.model, '--backend', options.backend, '--listen',
                               '127.0.0.1:%d' % port])
    try:
        wait_until_ready(server, port, 60)
        info, texts, least, median_us = check(port)
        server.send_signal(signal.SIGTERM)
        status = server.wait(timeout=30)
    finally:
        if server.poll() is None:
            server.kill()
    result = {'backend': options.backend, 'info': info, 'texts': texts, 'least_cosine': least,
              'request_us': median_us, 'exit_status': status}
    print('%d texts through %s: least cosine %.7f, wanted %g; one short request over HTTP %.0f us; exit status %d' %
          (texts, options.backend, least, COSINE, median_us, status))
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(result, file, indent=1)
            file.write('\n')
    return 0 if least >= COSINE and status == 0 else 1


if __name__ == '__main__':
    sys.exit(main())
