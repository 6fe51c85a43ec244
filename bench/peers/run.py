#!/usr/bin/env python3
"""run.py MODEL_DIR [--peers a,b] [--quick] [--threads 2] [--json FILE] [--beeline BUILD] - beeline beside its peers.

Installs the peers under build/peers (once), holds every engine to a float64 reference, then times the same token ids on
each in turn, in-process, and the same texts over HTTP.  Writes bench/results/MACHINE/peers.json and prints its tables.
Every engine is a process of its own with so many threads, all on the same cores; it is asked when its turn comes:
A B C A B C..., the first turn is warm-up.  What a machine or an installation cannot do is a line with the reason.
"""
import argparse
import array
import base64
import json
import os
import platform
import re
import select
import signal
import subprocess
import sys
import time

import beeline
import gate
import install
import over_http
import table
import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CANDIDATES = [
    ('onnxruntime', 'float32'), ('onnxruntime fused', 'float32'), ('openvino', 'float32'), ('ctranslate2', 'float32'),
    ('torch eager', 'float32'), ('torch compiled', 'float32'), ('sentence-transformers', 'float32'),
    ('openvino', 'bfloat16'), ('ctranslate2', 'bfloat16'), ('torch eager', 'bfloat16'), ('torch compiled', 'bfloat16'),
    ('onnxruntime', 'int8'), ('onnxruntime fused', 'int8'), ('openvino', 'int8'), ('ctranslate2', 'int8'),
]
NEVER = [('llama.cpp', 'float32', 'not tried: llama-cpp-python is a source package, which pip would have to compile'),
         ('onnxruntime', 'bfloat16', 'not tried: its CPU provider has no bfloat16 forms of these operators')]
PACKAGES = ('torch', 'onnx', 'onnxruntime', 'openvino', 'nncf', 'ctranslate2', 'transformers', 'sentence-transformers',
            'infinity-emb', 'fastapi', 'uvicorn', 'numpy')
ANSWER_S = 600  # the first compilation of PyTorch on a busy machine


class Engine:
    """One engines.py."""

    def __init__(self, run, name, precision):
        self.name, self.precision, self.buffer, self.samples = name, precision, b'', {}
        with open(run.log('%s %s' % (name, precision)), 'w') as log:
            self.process = subprocess.Popen(
                [run.installed.python('engines'), os.path.join(HERE, 'engines.py'), run.directory, run.models, name,
                 precision, str(run.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env=run.environment)
        self.answer()

    def answer(self):
        end = time.monotonic() + ANSWER_S
        while b'\n' not in self.buffer:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 1 << 20) if readable else b''
            if not part:
                self.close()
                raise beeline.Unavailable('no answer within %d s' % ANSWER_S if not readable else
                                          'it ended with %s' % self.process.returncode)
            self.buffer += part
        line, self.buffer = self.buffer.split(b'\n', 1)
        reply = json.loads(line)
        if 'error' in reply:
            self.close()
            raise beeline.Unavailable('not available: ' + reply['error'])
        return reply

    def ask(self, request):
        try:
            self.process.stdin.write(json.dumps(request).encode() + b'\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, which answer() tells
        return self.answer()

    def embed(self, rows):
        """rows: lists of ids."""
        reply = self.ask({'do': 'embed', 'batches': workloads.batches_of(rows)})
        flat = array.array('d', base64.b64decode(reply['rows']))
        return [flat[at:at + reply['columns']] for at in range(0, len(flat), reply['columns'])]

    def close(self):
        self.process.kill()
        self.process.wait()


    def turn(self, batches, seconds):
        """{workload: milliseconds of one forward}"""
        return {name: self.ask({'do': 'time', 'batch': batch, 's': seconds})['ns'] / 1e6
                for name, batch in batches.items()}


class Ours:
    """beeline in-process; it has its turns as an Engine has."""
    name = 'beeline'

    def __init__(self, program, precision):
        self.program, self.precision, self.samples, self.shares = program, precision, {}, {}

    def turn(self, _batches, _seconds):
        took = self.program.round(self.precision)
        for workload, (_, share) in took.items():
            self.shares.setdefault(workload, []).append(share)
        return {workload: ms for workload, (ms, _) in took.items()}

    def close(self):
        pass


def processor():
    """(model name, flags)"""
    with open('/proc/cpuinfo') as file:
        text = file.read()
    name = re.search(r'^model name\s*: (.*)$', text, re.M)
    flags = re.search(r'^flags\s*: (.*)$', text, re.M)
    return name.group(1) if name else platform.machine(), flags.group(1).split() if flags else []


def machine(name, flags):
    """xeon-amx, epyc-avx512: the make and the widest that it has."""
    make = next((make for make in ('xeon', 'epyc', 'ryzen', 'core') if make in name.lower()), 'cpu')
    kinds = (('amx_tile', 'amx'), ('avx512f', 'avx512'), ('avx2', 'avx2'))
    return '%s-%s' % (make, next((kind for flag, kind in kinds if flag in flags), 'plain'))


def git(*words):
    return subprocess.run(['git', '-C', TOP, *words], capture_output=True, text=True).stdout.strip()


class Run:
    def __init__(self, options):
        self.directory, self.quick, self.threads = os.path.abspath(options.directory), options.quick, options.threads
        self.peers = options.peers.split(',') if options.peers else None
        self.root = os.path.join(TOP, 'build', 'peers')
        self.models = os.path.join(self.root, 'models')
        os.makedirs(os.path.join(self.root, 'logs'), exist_ok=True)
        os.makedirs(self.models, exist_ok=True)
        self.installed = install.Installed(self.root)
        self.texts, self.ids, self.reference = workloads.sentences(), None, None
        self.lengths_file, self.missing, self.rows, self.our_precisions = None, [], [], []
        self.environment = dict(os.environ, HF_HUB_OFFLINE='1', TRANSFORMERS_OFFLINE='1', DO_NOT_TRACK='1',
                                INFINITY_ANONYMOUS_USAGE_STATS='0', TOKENIZERS_PARALLELISM='false',
                                OMP_NUM_THREADS=str(self.threads), MKL_NUM_THREADS=str(self.threads))
        self.beeline = beeline.Beeline(options.beeline, self.directory, self.threads)
        with open(os.path.join(self.directory, 'config.json')) as file:
            vocab = json.load(file)['vocab_size']
        self.batches = {name: workloads.batch(lengths, vocab) for name, lengths in workloads.LENGTHS.items()}

    def say(self, text):
        print('# ' + text, flush=True)

    def log(self, name):
        return os.path.join(self.root, 'logs', name.replace(' ', '-') + '.log')

    def absent(self, engine, precision, why):
        self.missing.append({'engine': engine, 'precision': precision, 'why': why})
        self.say('%s %s: %s' % (engine, precision, why))

    def wants(self, engine):
        return self.peers is None or any(engine.startswith(peer) for peer in self.peers)

    def in_process(self, precision, workload):
        """Our tokens/s, or the peers' best where we have none."""
        found = [row for row in self.rows if row['precision'] == precision and row['workload'] == workload]
        return max((row['tokens_per_s'] for row in found), default=5000)

    def refer(self):
        engine = Engine(self, 'torch eager', 'float64')
        self.ids = engine.ask({'do': 'tokenize', 'texts': self.texts})['ids']
        self.reference = engine.embed(self.ids)
        engine.close()

    def open_peers(self):
        """Those that start and answer, each with its error; one that is not accurate is timed, and never best."""
        engines = []
        for name, precision in CANDIDATES:
            if not self.wants(name):
                continue
            try:
                engine = Engine(self, name, precision)
                engine.error, engine.cosine = gate.compare(engine.embed(self.ids), self.reference)
            except (beeline.Unavailable, ValueError) as why:
                self.absent(name, precision, str(why))
                continue
            self.tell(engine)
            engines.append(engine)
        for name, precision, why in NEVER:
            if self.wants(name):
                self.absent(name, precision, why)
        return engines

    def tell(self, engine):
        self.say('%-22s %-8s max error %.2g, cosine %.6f%s' % (
            engine.name, engine.precision, engine.error, engine.cosine,
            '' if gate.accurate(engine.cosine) else ', INACCURATE: not counted'))

    def open_ours(self):
        ours = []
        for precision in beeline.PRECISIONS:
            try:
                engine = Ours(self.beeline, precision)
                rows = self.beeline.embed(precision, self.texts)
                engine.error, engine.cosine = gate.compare(rows, self.reference)
                engine.turn(self.batches, 0)
            except (beeline.Unavailable, ValueError) as why:
                self.absent('beeline', precision, str(why))
                continue
            engine.samples = {}
            self.tell(engine)
            self.our_precisions.append(precision)
            ours.append(engine)
        return ours

    def in_turn(self, engines, rounds, seconds):
        """The first turn is warm-up: caches, shapes compiled."""
        for turn in range(1 + rounds):
            self.say('turn %d of %d%s' % (turn, rounds, '' if turn else ': warm-up'))
            for engine in list(engines):
                try:
                    took = engine.turn(self.batches, seconds if turn else 0)
                except beeline.Unavailable as why:
                    self.absent(engine.name, engine.precision, str(why))
                    engines.remove(engine)
                    continue
                for workload, ms in took.items():
                    if turn:
                        engine.samples.setdefault(workload, []).append(ms)
        for engine in engines:
            self.rows += self.rows_of(engine)

    @staticmethod
    def rows_of(engine):
        for workload, samples in engine.samples.items():
            tokens = sum(workloads.LENGTHS[workload])
            ms, spread = gate.middle(samples)
            row = {'engine': engine.name, 'precision': engine.precision, 'workload': workload, 'tokens': tokens,
                   'tokens_per_s': tokens / ms * 1e3, 'latency_ms': ms, 'spread': spread, 'samples_ms': samples,
                   'max_error': engine.error, 'cosine': engine.cosine}
            if getattr(engine, 'shares', None):
                row['share_of_peak'] = gate.middle(engine.shares[workload])[0]
            yield row


def facts(run, name, flags, command):
    wanted = ('avx2', 'fma', 'avx512f', 'avx512_bf16', 'avx512_vnni', 'avx_vnni', 'amx_bf16', 'amx_int8')
    versions = {**run.installed.versions('infinity'), **run.installed.versions('engines')}
    return {'machine': machine(name, flags), 'processor': name, 'flags': [flag for flag in wanted if flag in flags],
            'cores': os.cpu_count(), 'pinned_to': sorted(os.sched_getaffinity(0)), 'threads': run.threads,
            'load_before': os.getloadavg()[0], 'commit': git('rev-parse', '--short=12', 'HEAD'),
            'dirty': bool(git('status', '--porcelain', '--untracked-files=no')), 'build': run.beeline.version(),
            'command': command, 'quick': run.quick, 'date': time.strftime('%Y-%m-%d'),
            'python': platform.python_version(),
            'versions': {package: versions[package] for package in PACKAGES if package in versions}}


def write(path, result):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, 'w') as file:
        json.dump(result, file, indent=1)
        file.write('\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('directory', metavar='MODEL_DIR')
    parser.add_argument('--peers', help='only these, by the begin of their names: openvino,torch,infinity')
    parser.add_argument('--quick', action='store_true', help='few turns: a sketch, in two or three minutes')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--json', help='where the result goes [bench/results/MACHINE/peers.json]')
    parser.add_argument('--beeline', metavar='BUILD', default=os.path.join(TOP, 'build', 'release'))
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if not 1 <= options.threads <= len(cores):
        parser.error('--threads %d: wanted 1 to %d' % (options.threads, len(cores)))
    os.sched_setaffinity(0, cores[:options.threads])  # and all that is started from here
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped
    begun = time.monotonic()
    try:
        run = Run(options)
    except (beeline.Unavailable, OSError) as why:
        return 'run.py: %s' % why
    name, flags = processor()
    run.installed.ensure(['engines'] + (['infinity'] if run.wants('infinity') else []), run.say)
    environment = facts(run, name, flags, ' '.join(sys.argv))
    path = options.json or os.path.join(TOP, 'bench', 'results', environment['machine'], 'peers.json')
    try:
        run.refer()
    except beeline.Unavailable as why:
        return 'run.py: no reference, so no number counts: %s' % why
    engines = run.open_ours() + run.open_peers()
    try:
        run.in_turn(engines, 2 if run.quick else 7, 0.05 if run.quick else 0.1)
    finally:
        for engine in engines:
            engine.close()
    result = {'environment': environment, 'rows': run.rows, 'http': [], 'absent': run.missing}
    write(path, result)  # what is measured stays, whatever becomes of the servers
    result['http'] = over_http.measure(run, *((1, 5, 8) if run.quick else (3, 5, 30)))
    environment.update(load_after=os.getloadavg()[0], seconds=round(time.monotonic() - begun))
    write(path, result)
    print(table.markdown(result))
    run.say('written: %s' % path)
    return 0 if run.our_precisions else 1


if __name__ == '__main__':
    sys.exit(main())
