"""beeline.py - our own side of the comparison: the forward through beeline-bench, vectors through beeline embed."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

import workloads

SECONDS = 300  # of one command
PRECISIONS = ('float32', 'bfloat16', 'int8')


class Unavailable(Exception):
    """Why there is no such number."""


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else 'it said nothing'


def ran(command, what, fine=(0,), text=None):
    """Runs a command of ours; Unavailable when it fails or does not end."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable('%s: no end after %d s' % (what, SECONDS)) from None
    if done.returncode not in fine:
        raise Unavailable('%s: %s' % (what, last_line(done.stderr)))
    return done.stdout


class Beeline:
    def __init__(self, build, directory, threads):
        self.serving, self.bench = (os.path.join(build, name) for name in ('beeline', 'beeline-bench'))
        self.directory, self.threads = directory, threads
        self.knows = {}
        for program in (self.serving, self.bench):
            if not os.access(program, os.X_OK):
                raise Unavailable('%s: no such program, wanted a build there' % program)
            said = subprocess.run([program, '--help'], capture_output=True, text=True)
            self.knows[program] = set(re.findall(r'^ *(--[a-z-]+)', said.stdout + said.stderr, re.M))

    def version(self):
        return subprocess.run([self.serving, 'version'], capture_output=True, text=True).stdout.strip()

    def options(self, program, precision):
        """float32 is what a build without the option computes."""
        words = ['--backend', 'cpu']
        if '--threads' in self.knows[program]:
            words += ['--threads', str(self.threads)]
        if '--precision' in self.knows[program]:
            words += ['--precision', precision]
        elif precision != 'float32':
            raise Unavailable('not available: %s of this build has no --precision' % os.path.basename(program))
        return words

    def embed(self, precision, texts):
        command = [self.serving, 'embed', self.directory, *self.options(self.serving, precision)]
        said = ran(command, 'not available', text=''.join(text + '\n' for text in texts))
        return [json.loads(line)['embedding'] for line in said.splitlines()]

    def round(self, precision):
        """{workload: (milliseconds, share of the peak)} of one round of beeline-bench model."""
        with tempfile.NamedTemporaryFile(suffix='.json') as file:
            command = [self.bench, 'model', self.directory, '--quick', '--json', file.name,
                       *self.options(self.bench, precision)]
            ran(command, 'not available')
            rows = json.load(file)['rows']
        return self.of_rows(rows)

    @staticmethod
    def of_rows(rows):
        seen = {}
        for row in rows:
            lengths = workloads.LENGTHS.get(row['name'])
            if lengths is None or not row['table'].startswith('model cpu'):
                continue
            if sum(lengths) != row['tokens']:
                raise Unavailable('not comparable: beeline-bench counts %d tokens in %s, here it has %d' %
                                  (row['tokens'], row['name'], sum(lengths)))
            seen[row['name']] = row['median_ms'], row['share_of_peak']
        return seen

    def serve(self, precision):
        log = tempfile.TemporaryFile('w+')
        command = [self.serving, 'serve', self.directory, '--listen', '127.0.0.1:0', '--ops', '127.0.0.1:0', '--state',
                   '', '--max-wait', '10s', *self.options(self.serving, precision)]
        process = subprocess.Popen(command, stderr=log)
        for _ in range(600):
            log.seek(0)
            said = log.read()
            found = re.search(r'ready.*?http://127\.0\.0\.1:(\d+)', said, re.S)
            if found:
                return process, int(found.group(1))
            if process.poll() is not None:
                raise Unavailable('not available: ' + last_line(said))
            time.sleep(0.1)
        stop(process)
        raise Unavailable('not ready after 60 s: ' + last_line(said))

    def load(self, port, options):
        """Rows by (table, name) of one beeline-bench load; a run that is INVALID has them too, and says so."""
        with tempfile.NamedTemporaryFile(suffix='.json') as file:
            command = [self.bench, 'load', 'http://127.0.0.1:%d/embed' % port, '--json', file.name, *options]
            ran(command, 'the load did not run', fine=(0, 3))
            report = json.load(file)
        return {(row['table'], row['name']): row for row in report['rows']}, \
            [note for note in report['notes'] if note.startswith('INVALID')]


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
