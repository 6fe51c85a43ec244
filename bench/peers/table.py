#!/usr/bin/env python3
"""table.py PEERS.json [README.md] - a result of run.py as Markdown; with README.md: between its markers there.

Of each precision the best peer that is accurate, beside beeline, and the goals: reached, missed, or unmeasured where
the machine, the build or the peers lack what a goal is about.  Python's own library only.
"""
import json
import statistics
import sys

import gate

BEGIN, END = '<!-- peers: begin -->', '<!-- peers: end -->'
PRECISIONS = ('float32', 'bfloat16', 'int8')
ONE_SHORT, ONE, EIGHT, MIXED, UNIFORM = '1 x 16', '1 x 128', '8 x 128', '32 mixed', '32 uniform'

# name of a column, precision, flags that the machine has, flags that it lacks
COLUMNS = [
    ('AVX2, fp32', 'float32', ('avx2',), ('avx512f',)),
    ('AVX-512, fp32', 'float32', ('avx512f',), ()),
    ('AVX-512, bf16', 'bfloat16', ('avx512_bf16',), ()),
    ('VNNI, int8', 'int8', ('avx512_vnni',), ()),
    ('AVX2, int8', 'int8', ('avx2',), ('avx512_vnni',)),
]


class Results:
    def __init__(self, result):
        self.environment, self.http = result['environment'], result['http']
        self.rows = {(row['engine'], row['precision'], row['workload']): row for row in result['rows']}

    def ours(self, precision, workload):
        """Our row, None where there is none or it is not accurate."""
        row = self.rows.get(('beeline', precision, workload))
        return row if row and gate.accurate(row['cosine']) else None

    def peers(self, precision, workload):
        return [row for (engine, p, w), row in self.rows.items()
                if engine != 'beeline' and (p, w) == (precision, workload) and gate.accurate(row['cosine'])]

    def best(self, precision, workload):
        return max(self.peers(precision, workload), key=lambda row: row['tokens_per_s'], default=None)

    def faster_but_inaccurate(self, precision, workload):
        """Peers that the gate left out although they are ahead of the best: who reads a ratio shall know of them."""
        best = self.best(precision, workload)
        return [row for (engine, p, w), row in self.rows.items()
                if engine != 'beeline' and (p, w) == (precision, workload) and not gate.accurate(row['cosine'])
                and (not best or row['tokens_per_s'] > best['tokens_per_s'])]

    def speedup(self, precision, workload):
        """Our tokens/s over the best peer's: the median over the turns, which both had within seconds."""
        ours, best = self.ours(precision, workload), self.best(precision, workload)
        if not ours or not best:
            return None
        mine, theirs = ours['samples_ms'], best['samples_ms']
        if len(mine) != len(theirs):
            return ours['tokens_per_s'] / best['tokens_per_s']
        return statistics.median(b / a for a, b in zip(mine, theirs))

    def latency(self, precision, workload):
        speedup = self.speedup(precision, workload)
        return None if speedup is None else 1 / speedup

    def mixed_over_uniform(self, precision):
        mixed, uniform = self.ours(precision, MIXED), self.ours(precision, UNIFORM)
        return mixed['tokens_per_s'] / uniform['tokens_per_s'] if mixed and uniform else None

    def own(self, precision, workload, key):
        row = self.ours(precision, workload)
        return row.get(key) if row else None

    def error(self, precision):
        """Ours, whether it passed the gate or not: what fails there has missed this goal too."""
        return next((row['max_error'] for (engine, p, _), row in self.rows.items()
                     if (engine, p) == ('beeline', precision)), None)

    def least_peer_error(self, precision):
        return min((row['max_error'] for (engine, p, _), row in self.rows.items()
                    if engine != 'beeline' and p == precision), default=None)

    def served(self, precision, key):
        return next((row.get(key) for row in self.http if (row['engine'], row['precision']) == ('beeline', precision)),
                    None)


# what, 'at least' or 'at most', a limit for each column (None: no goal; 'peer': the best peer's), unit, how
GOALS = [
    ('tokens/s, S = 128, batch 1', 'at least', (1.35, 1.12, 1.3, 1.35, 1.3), 'x', lambda r, p: r.speedup(p, ONE)),
    ('tokens/s, S = 128, batch 8', 'at least', (1.15, 1.03, 1.12, 1.1, 1.3), 'x', lambda r, p: r.speedup(p, EIGHT)),
    ('one request of 16 tokens, latency', 'at most', (0.55, 0.65, 0.5, 0.65, None), 'x',
     lambda r, p: r.latency(p, ONE_SHORT)),
    ('mixed lengths, batch 32', 'at least', (1.8, 1.55, 2.8, 2.5, 1.3), 'x', lambda r, p: r.speedup(p, MIXED)),
    ('mixed over uniform, tokens/s', 'at least', (0.95, 0.95, 0.95, 0.9, None), '',
     lambda r, p: r.mixed_over_uniform(p)),
    ("forward (8 x 128) over the precision's peak", 'at least', (0.82, 0.88, 0.8, 0.68, None), '',
     lambda r, p: r.own(p, EIGHT, 'share_of_peak')),
    ('max error to the reference', 'at most', (2e-6, 2e-6, 1.1e-3, 0.019, 'peer'), '', lambda r, p: r.error(p)),
    ('HTTP at saturation over in-process', 'at least', (0.95, 0.95, 0.95, 0.95, None), '',
     lambda r, p: r.served(p, 'over_in_process')),
    ('p99/p50 at 70 % load', 'at most', (1.5, 1.5, 1.5, 1.5, None), '', lambda r, p: r.served(p, 'p99_over_p50')),
]


def tests(environment, needs, lacks):
    flags = environment['flags']
    return all(flag in flags for flag in needs) and not any(flag in flags for flag in lacks)


def number(value, unit):
    return '%.2f%s' % (value, unit) if value >= 0.1 else '%.2g%s' % (value, unit)


def verdict(sense, limit, seen):
    if limit is None:
        return ''
    if seen is None:
        return 'unmeasured'
    return 'reached' if (seen >= limit if sense == 'at least' else seen <= limit) else 'missed'


def goal_cell(results, goal, column):
    _, sense, limits, unit, how = goal
    _, precision, needs, lacks = COLUMNS[column]
    limit = limits[column]
    if limit is None:
        return '-'
    here = tests(results.environment, needs, lacks)
    if limit == 'peer':
        limit = results.least_peer_error(precision) if here else None
        if limit is None:
            return "the best peer's: unmeasured"
    wanted = '%s %s' % ('>=' if sense == 'at least' else '<=', '%g%s' % (limit, unit))
    seen = how(results, precision) if here else None
    said = verdict(sense, limit, seen)
    if seen is None:
        return '%s: %s' % (wanted, said)
    return '%s: %s %s' % (wanted, number(seen, unit), said if said == 'reached' else '**%s**' % said)


def lines_of_table(head, rows):
    yield '| %s |' % ' | '.join(head)
    yield '|%s' % ('---|' * len(head))
    for row in rows:
        yield '| %s |' % ' | '.join(row)


def side_by_side(results, workloads):
    for precision in PRECISIONS:
        for workload in workloads:
            ours, best = results.ours(precision, workload), results.best(precision, workload)
            if not ours and not best and not results.faster_but_inaccurate(precision, workload):
                continue
            speedup = results.speedup(precision, workload)
            yield (precision, workload, '%.0f' % ours['tokens_per_s'] if ours else 'unmeasured',
                   '%.0f' % best['tokens_per_s'] if best else 'unmeasured', best['engine'] if best else '-',
                   '%.2f' % speedup if speedup else '-',
                   ', '.join('%s %.0f (cosine %.4f)' % (row['engine'], row['tokens_per_s'], row['cosine'])
                             for row in results.faster_but_inaccurate(precision, workload)) or '-')


def every_engine(results, workloads):
    pairs = list(dict.fromkeys((precision, engine) for engine, precision, _ in results.rows))
    for precision, engine in sorted(pairs, key=lambda pair: PRECISIONS.index(pair[0])):
        mine = {w: row for (e, p, w), row in results.rows.items() if (e, p) == (engine, precision)}
        any_row = next(iter(mine.values()))
        counted = '' if gate.accurate(any_row['cosine']) else ' (inaccurate, not counted)'
        yield (precision, engine + counted, '%.1e' % any_row['max_error'], '%.5f' % any_row['cosine'],
               *('%.0f (%.0f %%)' % (mine[w]['tokens_per_s'], 100 * mine[w]['spread']) if w in mine else '-'
                 for w in workloads))


def over_http(results):
    for row in results.http:
        counted = '' if gate.accurate(row['cosine']) else ' (inaccurate, not counted)'
        over, tail = row.get('over_in_process'), row.get('p99_over_p50')
        yield (row['engine'] + counted, row['precision'], '%.0f' % row['tokens_per_s'],
               '%.2f' % over if over else '-', '%.2f' % tail if tail else '-')


def markdown(result):
    results, e = Results(result), result['environment']
    workloads = list(dict.fromkeys(row['workload'] for row in result['rows']))
    lines = ['%s (%s), %d threads, %s, %s%s. `%s`' % (
        e['processor'], ' '.join(e['flags']), e['threads'], e['date'], e['build'],
        ', a quick run: a sketch' if e['quick'] else '', e['command']), '']
    lines += ['Tokens/s, real tokens only, medians of turns; ratio: the median over the turns.  A peer whose least '
              'cosine to float64 is below %g is not counted, and named where it is ahead.' % gate.COSINE, '']
    lines += lines_of_table(('precision', 'batch', 'beeline', 'best peer', 'which', 'ratio', 'faster, inaccurate'),
                            side_by_side(results, workloads))
    lines += ['', 'Goals:', '']
    lines += lines_of_table(('goal', *(column[0] for column in COLUMNS)),
                            ((goal[0], *(goal_cell(results, goal, at) for at in range(len(COLUMNS))))
                             for goal in GOALS))
    lines += ['', 'Every engine, tokens/s (spread); error and cosine to float64:', '']
    lines += lines_of_table(('precision', 'engine', 'max error', 'least cosine', *workloads),
                            every_engine(results, workloads))
    lines += ['', 'Over HTTP, one text a request, the lengths of `32 mixed`:', '']
    lines += lines_of_table(('server', 'precision', 'tokens/s', 'over in-process', 'p99/p50 at 70 %'),
                            over_http(results))
    if result['absent']:
        lines += ['', 'Not measured:', '']
        lines += ['- %s %s: %s' % (row['engine'], row['precision'], row['why']) for row in result['absent']]
    lines += ['', 'Versions: %s.' % ', '.join('%s %s' % pair for pair in e['versions'].items())]
    return '\n'.join(lines) + '\n'


def put_between(text, part):
    """text with part between the markers; ValueError without exactly one pair of them."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError('wanted one %s and after it one %s' % (BEGIN, END))
    head, rest = text.split(BEGIN)
    return head + BEGIN + '\n' + part + END + rest.split(END)[1]


def main():
    if len(sys.argv) not in (2, 3):
        return __doc__.splitlines()[0]
    with open(sys.argv[1]) as file:
        part = markdown(json.load(file))
    if len(sys.argv) == 2:
        print(part, end='')
        return 0
    with open(sys.argv[2]) as file:
        text = file.read()
    try:
        text = put_between(text, part)
    except ValueError as why:
        return '%s: %s' % (sys.argv[2], why)
    with open(sys.argv[2], 'w') as file:
        file.write(text)
    return 0


if __name__ == '__main__':
    sys.exit(main())
