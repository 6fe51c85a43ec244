#!/usr/bin/env python3
"""half_model.py FROM TO - a model directory with its float32 weights as float16: half the bytes to carry.

The standard library alone.  A weight beyond float16 ends it.
"""
import array
import json
import os
import shutil
import struct
import sys

KEPT = ('config.json', 'tokenizer.json', 'tokenizer_config.json', 'vocab.txt', 'special_tokens_map.json',
        'modules.json', 'sentence_bert_config.json', 'config_sentence_transformers.json', '1_Pooling/config.json')
CHUNK = 1 << 16


def halves(data):
    """Little-endian float32 -> float16, rounded to nearest even."""
    numbers = array.array('f', data)
    if sys.byteorder == 'big':
        numbers.byteswap()
    return b''.join(struct.pack('<%de' % len(part), *part)
                    for part in (numbers[at:at + CHUNK] for at in range(0, len(numbers), CHUNK)))


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: half_model.py FROM TO')
    source, target = sys.argv[1:]
    for name in KEPT:
        if os.path.exists(os.path.join(source, name)):
            os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
            shutil.copyfile(os.path.join(source, name), os.path.join(target, name))
    with open(os.path.join(source, 'model.safetensors'), 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = file.read()
    out, offset, parts = {}, 0, []
    for name, tensor in sorted((item for item in header.items() if item[0] != '__metadata__'),
                               key=lambda item: item[1]['data_offsets']):
        begin, end = tensor['data_offsets']
        part, kind = data[begin:end], tensor['dtype']
        if kind == 'F32':
            part, kind = halves(part), 'F16'
        out[name] = {'dtype': kind, 'shape': tensor['shape'], 'data_offsets': [offset, offset + len(part)]}
        offset += len(part)
        parts.append(part)
    text = json.dumps(out).encode()
    text += b' ' * (-len(text) % 8)
    with open(os.path.join(target, 'model.safetensors'), 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(parts))


if __name__ == '__main__':
    main()
