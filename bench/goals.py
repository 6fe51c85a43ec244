#!/usr/bin/env python3
"""goals.py [DIR...] - the goals on a GPU beside what was reached, as a table; DIR holds the JSON of a bench/device.sh.

Without DIR it takes every folder of bench/results that a GPU filled; where there is none each goal is "not measured".
Exit status 0: this reports, it judges nothing.
"""
import glob
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = ('minilm', 'base', 'large')


class Results:
    """What one folder has; a number that is not there is None."""

    def __init__(self, folder):
        self.name = os.path.basename(os.path.normpath(folder))
        self.files = {}
        for path in glob.glob(os.path.join(folder, '*.json')):
            with open(path) as file:
                self.files[os.path.basename(path)[:-len('.json')]] = json.load(file)

    def ours(self, model, batch, key):
        for row in self.files.get('model-' + model, {}).get('rows', []):
            if row['name'] == batch and row['table'].startswith('model cuda'):
                return row[key]
        return None

    def torch(self, model, batch, *forms):
        """The fastest of these forms, in microseconds."""
        times = [row['us'] for row in self.files.get('peers', {}).get('rows', [])
                 if (row['model'], row['batch']) == (model, batch) and row['form'] in forms]
        return min(times, default=None)

    def cosine(self):
        return self.files.get('serve', {}).get('least_cosine')


def ratio(a, b):
    return None if a is None or b is None else a / b


def goals():
    """(what, 'at most' or 'at least', wanted, unit, how to get it from Results)"""
    yield from [
        ('MiniLM, one request of 128 tokens, device time', 'at most', 110, ' us',
         lambda r: r.ours('minilm', '1x128', 'graph_us')),
        ('the same over torch.compile(reduce-overhead)', 'at most', 0.6, '',
         lambda r: ratio(r.ours('minilm', '1x128', 'graph_us'), r.torch('minilm', '1x128', 'compiled padded'))),
        ('bge-base, one request of 128 tokens, device time', 'at most', 150, ' us',
         lambda r: r.ours('base', '1x128', 'graph_us')),
        ('bge-large, one request of 128 tokens, device time', 'at most', 330, ' us',
         lambda r: r.ours('large', '1x128', 'graph_us')),
    ]
    for model, wanted in zip(MODELS, (0.45, 0.70, 0.75)):
        yield ('%s, 32 x 128 tokens, fraction of the GEMM peak' % model, 'at least', wanted, '',
               lambda r, model=model: r.ours(model, '32x128', 'of_peak'))
    for model, wanted in zip(MODELS, (1.5, 1.25, 1.25)):
        yield ('%s, 32 x 128 tokens, forward over the sum of its best GEMMs' % model, 'at most', wanted, '',
               lambda r, model=model: r.ours(model, '32x128', 'over_products'))
    for what, wanted, forms in (('padded torch SDPA', 3, ('eager padded', 'compiled padded')),
                                ('unpadded torch', 1.2, ('eager packed', 'compiled packed'))):
        for model in MODELS:
            yield ('%s, mixed lengths, tokens/s over %s' % (model, what), 'at least', wanted, '',
                   lambda r, model=model, forms=forms: ratio(r.torch(model, 'mixed', *forms),
                                                             r.ours(model, 'mixed', 'period_us')))
    yield ('MiniLM in float16, least cosine on the reference texts', 'at least', 0.9999, '', lambda r: r.cosine())


def cell(sense, wanted, unit, seen):
    if seen is None:
        return 'not measured'
    digits = 6 if wanted == 0.9999 else 1 if unit else 2
    reached = seen <= wanted if sense == 'at most' else seen >= wanted
    return '%.*f%s, %s' % (digits, seen, unit, 'reached' if reached else 'NOT reached')


def main():
    folders = sys.argv[1:] or sorted(os.path.dirname(path) for path in
                                     glob.glob(os.path.join(HERE, 'results', '*', 'environment.json')))
    results = [Results(folder) for folder in folders]
    print('| goal | wanted | %s |' % ' | '.join([r.name for r in results] or ['a GPU']))
    print('|---|---|%s' % ('---|' * max(1, len(results))))
    for what, sense, wanted, unit, get in goals():
        cells = [cell(sense, wanted, unit, get(r)) for r in results] or ['not measured']
        print('| %s | %s %g%s | %s |' % (what, sense, wanted, unit, ' | '.join(cells)))


if __name__ == '__main__':
    main()
