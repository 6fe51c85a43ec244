#!/usr/bin/env python3
"""make_unicode_tables.py - writes unicode_tables.inc: what BERT's normalizer knows about characters, as C arrays.

usage: runtime/text/make_unicode_tables.py [/usr/share/unicode] > runtime/text/unicode_tables.inc

Input: UnicodeData.txt, DerivedAge.txt and DerivedCoreProperties.txt of Unicode 15.0.0 (Debian package unicode-data).
The reference (Hugging Face tokenizers) mixes four versions of Unicode: general categories are those of 8.0,
decompositions and combining classes of 9.0, lowercase of 17.0; White_Space has been the same in all.  The small
corrections below bring 15.0.0 there; another input version is refused by the digest of the result.
"""
import hashlib
import json
import os
import sys

FOLDER = sys.argv[1] if len(sys.argv) > 1 else '/usr/share/unicode'
DIGEST = '7aeed16766b1a04413c8c887cfaef9b9ff181506fa08ad88d916c10ea61f1067'  # of the tables checked against the reference
BLOCK = 128
FLAGS = {'drop': 1, 'ws': 2, 'cjk': 4, 'nfd': 8, 'mn': 16, 'punct': 32, 'lower': 64, 'ccc': 128}  # the enum of unicode.h
HANGUL = range(0xAC00, 0xD7A4)


def read_characters():
    """code point -> (category, class, canonical decomposition or None, simple lowercase or None)"""
    table, first = {}, 0
    for line in open(os.path.join(FOLDER, 'UnicodeData.txt')):
        code, name, category, klass, _, mapping, *rest = line.split(';')
        code = int(code, 16)
        if name.endswith(', First>'):
            first = code
            continue
        start = first if name.endswith(', Last>') else code
        canonical = [int(x, 16) for x in mapping.split()] if mapping and mapping[0] != '<' else None
        lower = int(rest[7], 16) if rest[7] else None
        for c in range(start, code + 1):
            table[c] = (category, int(klass), canonical, lower)
    return table


def read_ranges(name):
    """[(first, last, property)] of a file of derived properties"""
    for line in open(os.path.join(FOLDER, name)):
        fields = [x.strip() for x in line.split('#')[0].split(';')]
        if len(fields) >= 2:
            ends = fields[0].split('..')
            yield int(ends[0], 16), int(ends[-1], 16), fields[1]


characters = read_characters()
age = {c: float(v) for a, b, v in read_ranges('DerivedAge.txt') for c in range(a, b + 1)}


def old(c, version):
    return age.get(c, 99.0) <= version


def in_category(test, version=99.0):
    return {c for c, row in characters.items() if test(row[0]) and old(c, version)}


space = set(range(9, 14)) | {0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000} | set(range(0x2000, 0x200B))
drop = {0, 0xFFFD} | (in_category('Cc'.__eq__) - {9, 10, 13}) | in_category('Cf'.__eq__, 8.0)
drop |= {c for c, row in characters.items() if row[0] == 'Co'}
mark = (in_category('Mn'.__eq__, 8.0) - {0x1885, 0x1886, 0xA9BD, 0x111C9}) | {0x1734}
punctuation = in_category(lambda g: g[0] == 'P', 8.0) | {0x166D, 0x111C9}
punctuation |= {c for c in range(33, 127) if not chr(c).isalnum()}
ideographs = [[0x4E00, 0x9FFF], [0x3400, 0x4DBF], [0x20000, 0x2A6DF], [0x2A700, 0x2B73F], [0x2B740, 0x2B81F],
              [0x2B920, 0x2CEAF],  # the reference has 2B920 where others have 2B820
              [0xF900, 0xFAFF], [0x2F800, 0x2FA1F]]


def expand(c):
    parts = characters[c][2] if c in characters else None
    return [y for x in parts for y in expand(x)] if parts else [c]


decomposition = {c: expand(c) for c, row in characters.items() if row[2] and old(c, 9.0)}
combining = {c: row[1] for c, row in characters.items() if row[1] and old(c, 9.0)}
lower = {c: [row[3]] for c, row in characters.items() if row[3] is not None}
lower[0x130] = [0x69, 0x307]
for a, b in ((0x1C89, 0x1C8A), (0xA7CB, 0x264), (0xA7CC, 0xA7CD), (0xA7CE, 0xA7CF), (0xA7D2, 0xA7D3), (0xA7D4, 0xA7D5),
             (0xA7DA, 0xA7DB), (0xA7DC, 0x19B)):  # Unicode 16 and 17
    lower[a] = [b]
lower.update({c: [c + 0x20] for c in range(0x10D50, 0x10D66)})
lower.update({c: [c + 0x1B] for c in range(0x16EA0, 0x16EB9)})


def ranges(members):
    out = []
    for c in sorted(members):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def check_digest():
    tables = {'drop': ranges(drop), 'ws': ranges(space), 'punct': ranges(punctuation), 'mn': ranges(mark), 'cjk': ideographs}
    for name, mapping in (('nfd', decomposition), ('ccc', combining), ('lower', lower)):
        tables[name] = sorted([c, v] for c, v in mapping.items())
    if hashlib.sha256(json.dumps(tables, separators=(',', ':')).encode()).hexdigest() != DIGEST:
        sys.exit('%s gives other tables than the verified ones: is it Unicode 15.0.0?' % FOLDER)


def flag_blocks():
    flags = bytearray(0x110000)
    cjk = {c for a, b in ideographs for c in range(a, b + 1)}
    for name, members in (('drop', drop), ('ws', space), ('cjk', cjk), ('nfd', decomposition), ('nfd', HANGUL), ('mn', mark),
                          ('punct', punctuation), ('lower', lower), ('ccc', combining)):
        for c in members:
            flags[c] |= FLAGS[name]
    number, index, blocks = {}, [], []
    for start in range(0, len(flags), BLOCK):
        block = bytes(flags[start:start + BLOCK])
        if block not in number:
            number[block] = len(number)
            blocks += block
        index.append(number[block])
    return index, blocks


def word_ranges():
    """\\w of Unicode regular expressions: Alphabetic, M, Nd, Pc, Join_Control"""
    members = {c for a, b, p in read_ranges('DerivedCoreProperties.txt') if p == 'Alphabetic' for c in range(a, b + 1)}
    members |= in_category(lambda g: g[0] == 'M' or g in ('Nd', 'Pc')) | {0x200C, 0x200D}
    return [x for pair in ranges(members) for x in pair]


def array(kind, name, values):
    scope = '' if name.startswith('unicode_flag') else 'static '  # flags are looked up inline, from other files
    print('%sconst %s %s[%d] = {' % (scope, kind, name, len(values)))
    line = ''
    for v in values:
        if len(line) + len(str(v)) + 1 > 118:
            print(line)
            line = ''
        line += '%d,' % v
    print(line + '\n};')


check_digest()
print('/* Written by make_unicode_tables.py from Unicode 15.0.0; do not edit. */')
index, blocks = flag_blocks()
array('uint8_t', 'unicode_flag_index', index)
array('uint8_t', 'unicode_flag_block', blocks)
keys = sorted(decomposition)
firsts = [0]
for c in keys:
    firsts.append(firsts[-1] + len(decomposition[c]))
array('uint32_t', 'unicode_nfd_key', keys)
array('uint16_t', 'unicode_nfd_first', firsts)
array('uint32_t', 'unicode_nfd_pool', [x for c in keys for x in decomposition[c]])
array('uint32_t', 'unicode_ccc_key', sorted(combining))
array('uint8_t', 'unicode_ccc_value', [combining[c] for c in sorted(combining)])
array('uint32_t', 'unicode_lower_key', sorted(lower))
array('uint32_t', 'unicode_lower_value', [lower[c][0] for c in sorted(lower)])
array('uint32_t', 'unicode_word_range', word_ranges())
