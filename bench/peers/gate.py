"""gate.py - what a number must pass before it counts, and how numbers become one; Python's own library only."""
import math
import statistics

COSINE = 0.99  # below it an engine computes something else, however fast


def compare(rows, reference):
    """(largest difference in any component, least cosine) of vectors of length 1."""
    if len(rows) != len(reference):
        raise ValueError('%d vectors, wanted %d' % (len(rows), len(reference)))
    worst, least = 0.0, 1.0
    for row, wanted in zip(rows, reference):
        if len(row) != len(wanted):
            raise ValueError('a vector of %d numbers, wanted %d' % (len(row), len(wanted)))
        off = max(abs(a - b) for a, b in zip(row, wanted))
        cosine = sum(a * b for a, b in zip(row, wanted)) / math.sqrt(sum(a * a for a in row) *
                                                                      sum(b * b for b in wanted) or math.nan)
        if not math.isfinite(cosine):  # as it is with any NaN, infinity or row of zeros
            return math.inf, -1.0
        worst, least = max(worst, off), min(least, cosine)
    return worst, least


def accurate(cosine):
    return cosine is not None and cosine >= COSINE


def middle(samples):
    """(median, median distance from it as a share of it); samples above 0."""
    median = statistics.median(samples)
    return median, statistics.median(abs(sample - median) for sample in samples) / median
