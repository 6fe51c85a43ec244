"""workloads.py - the texts and the token ids that all engines get; Python's own library only.

Batches hold the ids of bench/workload.c and the lengths of bench/model.c, so that `beeline-bench model` has measured
the same ones; beeline.py compares the token counts.
"""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, '..', '..', 'tests', 'golden', 'data', 'minilm_reference.jsonl')
MIXED = [4 + (i * i * 37 + i * 11) % 140 for i in range(32)]
LENGTHS = {
    '1 x 16': [16],
    '1 x 128': [128],
    '8 x 128': [128] * 8,
    '1 x 256': [256],
    '32 mixed': MIXED,
    '32 uniform': [-(-sum(MIXED) // len(MIXED))] * len(MIXED),  # as many tokens, rounded up to whole texts
}
GATE_BATCH = 8


def batch(lengths, vocab):
    flat = [t * 2654435761 % 4294967296 % vocab for t in range(sum(lengths))]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    return [flat[start:start + n] for start, n in zip(starts, lengths)]


def sentences():
    """Texts as people write them, 5 to 150 words: what the gate asks."""
    with open(os.path.join(HERE, 'sentences.txt')) as file:
        return file.read().splitlines()


def calibration_ids():
    """200 lists of ids, of all lengths, none of them the gate's."""
    with open(GOLDEN) as file:
        rows = [json.loads(line) for line in file]
    return [row['ids'] for at, row in enumerate(row for row in rows if row['kind'] == 'length') if at % 5][:200]


def batches_of(rows, n=GATE_BATCH):
    return [rows[at:at + n] for at in range(0, len(rows), n)]
