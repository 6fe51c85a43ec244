#!/usr/bin/env python3
"""Tests of the gate, of the goals' arithmetic, of the tables, and of what all engines are asked; no peer is needed."""
import math
import os
import re
import sys
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import beeline
import gate
import over_http
import run
import table
import workloads


def row(engine, precision, workload, samples_ms, tokens=128, cosine=1.0, max_error=1e-7, **more):
    ms, spread = gate.middle(samples_ms)
    return {'engine': engine, 'precision': precision, 'workload': workload, 'tokens': tokens,
            'tokens_per_s': tokens / ms * 1e3, 'latency_ms': ms, 'spread': spread, 'samples_ms': samples_ms,
            'cosine': cosine, 'max_error': max_error, **more}


def result(rows, flags=('avx2', 'avx512f', 'avx512_bf16', 'avx512_vnni'), http=(), absent=()):
    environment = {'processor': 'A Processor', 'flags': list(flags), 'threads': 2, 'date': '2001-02-03',
                   'build': 'beeline 9.9', 'quick': False, 'command': 'run.py DIR', 'versions': {'openvino': '1.2'}}
    return {'environment': environment, 'rows': list(rows), 'http': list(http), 'absent': list(absent)}


def cell(rows, goal_begin, column_name, **more):
    goal = next(goal for goal in table.GOALS if goal[0].startswith(goal_begin))
    column = [column[0] for column in table.COLUMNS].index(column_name)
    return table.goal_cell(table.Results(result(rows, **more)), goal, column)


class Gate(unittest.TestCase):
    def test_it_says_the_largest_error_and_the_least_cosine_of_all_rows(self):
        worst, least = gate.compare([[1, 0], [0.6, 0.8]], [[1, 0], [0.8, 0.6]])
        self.assertAlmostEqual(worst, 0.2)
        self.assertAlmostEqual(least, 0.96)

    def test_a_nan_an_infinity_or_a_row_of_zeros_is_no_vector(self):
        for bad in ([math.nan, 0], [math.inf, 0], [0, 0]):
            worst, least = gate.compare([[1, 0], bad], [[1, 0], [0, 1]])
            self.assertFalse(gate.accurate(least), bad)
            self.assertEqual(worst, math.inf)

    def test_too_few_rows_or_numbers_are_refused(self):
        with self.assertRaises(ValueError):
            gate.compare([[1, 0]], [[1, 0], [0, 1]])
        with self.assertRaises(ValueError):
            gate.compare([[1, 0, 0]], [[1, 0]])

    def test_the_limit_itself_passes_and_nothing_below_it(self):
        self.assertTrue(gate.accurate(0.99))
        self.assertFalse(gate.accurate(0.98999))
        self.assertFalse(gate.accurate(None))

    def test_one_slow_turn_moves_neither_median_nor_spread(self):
        self.assertEqual(gate.middle([10, 10, 11, 10, 99]), (10, 0))


class Best(unittest.TestCase):
    def test_the_best_is_the_fastest_peer_that_is_accurate_at_that_precision(self):
        results = table.Results(result([
            row('beeline', 'int8', '1 x 128', [1]), row('wrong', 'int8', '1 x 128', [2], cosine=0.9),
            row('good', 'int8', '1 x 128', [3]), row('slow', 'int8', '1 x 128', [4]),
            row('other', 'float32', '1 x 128', [1])]))
        self.assertEqual(results.best('int8', '1 x 128')['engine'], 'good')
        self.assertEqual([r['engine'] for r in results.faster_but_inaccurate('int8', '1 x 128')], ['wrong'])
        self.assertIsNone(results.best('bfloat16', '1 x 128'))

    def test_the_ratio_is_the_median_of_the_turns_not_the_ratio_of_medians(self):
        results = table.Results(result([row('beeline', 'float32', '1 x 128', [10, 20, 30]),
                                        row('peer', 'float32', '1 x 128', [20, 60, 15])]))
        self.assertAlmostEqual(results.speedup('float32', '1 x 128'), 2)

    def test_without_turns_in_common_it_is_the_ratio_of_medians(self):
        results = table.Results(result([row('beeline', 'float32', '1 x 128', [10, 10]),
                                        row('peer', 'float32', '1 x 128', [15])]))
        self.assertAlmostEqual(results.speedup('float32', '1 x 128'), 1.5)

    def test_we_do_not_count_either_when_we_are_not_accurate(self):
        rows = [row('beeline', 'int8', '1 x 128', [1], cosine=0.98), row('peer', 'int8', '1 x 128', [2])]
        self.assertIsNone(table.Results(result(rows)).speedup('int8', '1 x 128'))
        self.assertIn('unmeasured', cell(rows, 'tokens/s, S = 128, batch 1', 'VNNI, int8'))


class Goals(unittest.TestCase):
    def test_at_least_and_at_most_hold_at_their_limit(self):
        self.assertEqual(table.verdict('at least', 1.12, 1.12), 'reached')
        self.assertEqual(table.verdict('at least', 1.12, 1.11), 'missed')
        self.assertEqual(table.verdict('at most', 0.65, 0.65), 'reached')
        self.assertEqual(table.verdict('at most', 0.65, 0.66), 'missed')
        self.assertEqual(table.verdict('at most', 0.65, None), 'unmeasured')

    def test_throughput_is_a_ratio_up_and_latency_a_ratio_down(self):
        rows = [row('beeline', 'float32', w, [10]) for w in ('1 x 16', '1 x 128')]
        rows += [row('peer', 'float32', w, [20]) for w in ('1 x 16', '1 x 128')]
        self.assertEqual(cell(rows, 'tokens/s, S = 128, batch 1', 'AVX-512, fp32'), '>= 1.12x: 2.00x reached')
        self.assertEqual(cell(rows, 'one request of 16', 'AVX-512, fp32'), '<= 0.65x: 0.50x reached')

    def test_what_is_missed_stands_out(self):
        rows = [row('beeline', 'float32', '8 x 128', [10]), row('peer', 'float32', '8 x 128', [10])]
        self.assertEqual(cell(rows, 'tokens/s, S = 128, batch 8', 'AVX-512, fp32'), '>= 1.03x: 1.00x **missed**')

    def test_a_column_that_the_machine_cannot_test_is_unmeasured(self):
        rows = [row('beeline', 'float32', '1 x 128', [10]), row('peer', 'float32', '1 x 128', [20])]
        batch_1 = 'tokens/s, S = 128, batch 1'
        self.assertIn('unmeasured', cell(rows, batch_1, 'AVX2, fp32'))
        self.assertIn('reached', cell(rows, batch_1, 'AVX2, fp32', flags=('avx2',)))
        self.assertIn('unmeasured', cell(rows, batch_1, 'AVX-512, fp32', flags=('avx2',)))

    def test_a_goal_without_our_row_or_without_a_peer_is_unmeasured(self):
        for rows in ([row('beeline', 'float32', '1 x 128', [10])], [row('peer', 'float32', '1 x 128', [10])], []):
            self.assertIn('unmeasured', cell(rows, 'tokens/s, S = 128, batch 1', 'AVX-512, fp32'))

    def test_mixed_over_uniform_compares_our_own_tokens_per_second(self):
        rows = [row('beeline', 'float32', '32 mixed', [100], tokens=2196),
                row('beeline', 'float32', '32 uniform', [96], tokens=2208)]
        self.assertEqual(cell(rows, 'mixed over uniform', 'AVX-512, fp32'), '>= 0.95: 0.95 reached')

    def test_the_error_counts_although_the_gate_failed(self):
        rows = [row('beeline', 'int8', '1 x 128', [1], cosine=0.9, max_error=0.2)]
        self.assertEqual(cell(rows, 'max error', 'VNNI, int8'), '<= 0.019: 0.20 **missed**')

    def test_int8_without_vnni_is_held_to_the_best_error_of_the_peers(self):
        rows = [row('beeline', 'int8', '1 x 128', [1], max_error=0.02),
                row('a', 'int8', '1 x 128', [1], max_error=0.03), row('b', 'int8', '1 x 128', [1], max_error=0.025)]
        self.assertEqual(cell(rows, 'max error', 'AVX2, int8', flags=('avx2',)), '<= 0.025: 0.02 reached')

    def test_http_and_the_tail_come_from_our_server_at_that_precision(self):
        http = [{'engine': 'infinity-emb', 'precision': 'float32', 'over_in_process': 9, 'p99_over_p50': 1},
                {'engine': 'beeline', 'precision': 'float32', 'over_in_process': 0.97, 'p99_over_p50': 1.7}]
        self.assertEqual(cell([], 'HTTP', 'AVX-512, fp32', http=http), '>= 0.95: 0.97 reached')
        self.assertEqual(cell([], 'p99/p50', 'AVX-512, fp32', http=http), '<= 1.5: 1.70 **missed**')
        self.assertIn('unmeasured', cell([], 'p99/p50', 'AVX-512, bf16', http=http))

    def test_every_goal_has_a_limit_or_none_for_every_column(self):
        for goal in table.GOALS:
            self.assertEqual(len(goal[2]), len(table.COLUMNS), goal[0])


class Markdown(unittest.TestCase):
    def setUp(self):
        self.rows = [row('beeline', 'float32', '1 x 128', [10]), row('openvino', 'float32', '1 x 128', [12]),
                     row('quick', 'float32', '1 x 128', [5], cosine=0.5)]

    def test_it_has_both_sides_the_ratio_and_what_was_left_out(self):
        text = table.markdown(result(self.rows))
        self.assertIn('| float32 | 1 x 128 | 12800 | 10667 | openvino | 1.20 | quick 25600 (cosine 0.5000) |', text)
        self.assertIn('quick (inaccurate, not counted)', text)

    def test_what_was_not_measured_is_a_line_with_its_reason(self):
        text = table.markdown(result(self.rows, absent=[{'engine': 'x', 'precision': 'int8', 'why': 'no wheel'}]))
        self.assertIn('- x int8: no wheel', text)

    def test_all_rows_of_a_table_have_as_many_cells_as_its_head(self):
        http = [{'engine': 'beeline', 'precision': 'float32', 'tokens_per_s': 1, 'cosine': 1, 'p99_over_p50': None}]
        for part in re.findall(r'(?:^\|.*\n)+', table.markdown(result(self.rows, http=http)), re.M):
            self.assertEqual(len({line.count('|') for line in part.splitlines()}), 1, part)

    def test_the_readme_keeps_all_but_what_is_between_the_markers(self):
        text = 'a\n%s\nold\n%s\nb\n' % (table.BEGIN, table.END)
        once = table.put_between(text, 'new\n')
        self.assertEqual(once, 'a\n%s\nnew\n%s\nb\n' % (table.BEGIN, table.END))
        self.assertEqual(table.put_between(once, 'new\n'), once)

    def test_a_readme_without_its_markers_is_refused(self):
        for text in ('', table.BEGIN, table.END + table.BEGIN, table.BEGIN + table.END + table.END):
            with self.assertRaises(ValueError):
                table.put_between(text, 'new\n')


class Workloads(unittest.TestCase):
    def test_mixed_and_uniform_have_the_same_tokens_to_half_a_text(self):
        mixed, uniform = (sum(workloads.LENGTHS[name]) for name in ('32 mixed', '32 uniform'))
        self.assertLessEqual(abs(mixed - uniform), 34)

    def test_the_names_are_those_of_the_model_bench(self):
        with open(os.path.join(workloads.HERE, '..', 'model.c')) as file:
            text = file.read()
        shapes = dict((name, (int(n), tokens)) for name, n, tokens in
                      re.findall(r'\{"([^"]+)", (\d+|SEQUENCES), (\w+)\}', text.replace('SEQUENCES,', '32,')))
        self.assertEqual(set(shapes), set(workloads.LENGTHS))
        for name, (sequences, tokens) in shapes.items():
            self.assertEqual(len(workloads.LENGTHS[name]), sequences)
            if tokens != 'WORKLOAD_MIXED':
                self.assertEqual(set(workloads.LENGTHS[name]), {int(tokens)})

    def test_ids_are_the_vocabularys_and_each_text_has_its_length(self):
        batch = workloads.batch([3, 5], 100)
        self.assertEqual([len(one) for one in batch], [3, 5])
        self.assertEqual(batch[0], [0, 61, 26])  # t * 2654435761 mod 2^32 mod vocabulary, as bench/workload.c
        self.assertTrue(all(0 <= token < 100 for one in batch for token in one))

    def test_the_gate_has_texts_of_many_lengths_and_none_is_empty(self):
        words = [len(text.split()) for text in workloads.sentences()]
        self.assertGreater(len(words), 40)
        self.assertTrue(min(words) > 3 and max(words) > 100)

    def test_a_batch_that_beeline_counts_otherwise_is_not_compared(self):
        rows = [{'table': 'model cpu float32', 'name': '1 x 16', 'tokens': 16, 'median_ms': 2, 'share_of_peak': 0.5}]
        self.assertEqual(beeline.Beeline.of_rows(rows), {'1 x 16': (2, 0.5)})
        rows[0]['tokens'] = 17
        with self.assertRaises(beeline.Unavailable):
            beeline.Beeline.of_rows(rows)


class Client:
    """Ours, of a server that answers so many requests per second and names no tokens."""
    bench, knows = 'bench', {'bench': {'--concurrency'}}

    def __init__(self, goodput_per_s):
        self.goodput_per_s = goodput_per_s

    def load(self, _port, _options):
        return {('load', 'closed'): {'errors': 0, 'goodput_per_s': self.goodput_per_s, 'tokens_per_s': 0}}, []


def server_of(goodput_per_s):
    server = over_http.Server.__new__(over_http.Server)
    server.engine, server.precision, server.port = 'peer', 'float32', 1
    server.samples, server.over, server.faults = [], [], []
    server.run = types.SimpleNamespace(beeline=Client(goodput_per_s), quick=True, lengths_file='x')
    return server


class OverHttp(unittest.TestCase):
    def test_a_server_that_answers_nothing_in_time_is_a_reason_and_no_number(self):
        server = server_of(0)
        with self.assertRaisesRegex(beeline.Unavailable, 'no reply within 3 s'):
            server.saturate(3)
        self.assertEqual(server.samples, [])

    def test_tokens_are_those_of_the_texts_sent_whatever_a_server_says_of_them(self):
        server = server_of(10)
        server.saturate(3)
        self.assertAlmostEqual(server.samples[0], 10 * sum(workloads.MIXED) / 32)


class Machine(unittest.TestCase):
    def test_its_name_is_the_make_and_the_widest_that_it_has(self):
        self.assertEqual(run.machine('Intel(R) Xeon(R) Processor', ['avx2', 'avx512f', 'amx_tile']), 'xeon-amx')
        self.assertEqual(run.machine('AMD EPYC', ['avx2', 'avx512f']), 'epyc-avx512')
        self.assertEqual(run.machine('AMD EPYC', ['avx2']), 'epyc-avx2')
        self.assertEqual(run.machine('', []), 'cpu-plain')


if __name__ == '__main__':
    unittest.main()
