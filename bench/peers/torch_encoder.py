#!/usr/bin/env python3
"""torch_encoder.py [--models minilm,base,large] [--model DIR] - the same encoder in PyTorch, for a side by side.

Times a BERT of the shapes of bench/random_model.c (random weights, or those of DIR) on the batches of
bench/cuda/model.c, mixed lengths from bench/lengths.inc:

  eager padded       scaled_dot_product_attention over [S, longest], with a mask where lengths differ
  compiled padded    the same through torch.compile(mode="reduce-overhead"), which replays a CUDA graph
  eager packed       torch.nn.attention.varlen over [T], no padding, where this PyTorch has it
  compiled packed    the same, compiled

Each is first held to a float32 forward of the padded form.  Medians with device events; a compiled form that does not
compile, or comes after --seconds, is a note and no row.  JSON as beeline-bench writes it.
"""
import argparse
import json
import os
import re
import statistics
import struct
import sys
import time

import torch
import torch.nn.functional as F

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:
    varlen_attn = None

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPES = {  # layers, hidden, heads, inner, vocab, positions: as bench/random_model.c
    'tiny': (2, 64, 2, 128, 100, 64),
    'minilm': (6, 384, 12, 1536, 30522, 512),
    'base': (12, 768, 12, 3072, 30522, 512),
    'large': (24, 1024, 16, 4096, 30522, 512),
}
BATCHES = [('1x16', [16]), ('1x128', [128]), ('1x512', [512]), ('32x128', [128] * 32), ('mixed', None)]
QUICK_BATCHES = [('1x16', [16]), ('3x40', [40] * 3), ('mixed', None)]
TOKENS, QUICK_TOKENS = 4096, 128


def mixed_lengths(most, positions):
    with open(os.path.join(HERE, '..', 'lengths.inc')) as file:
        numbers = re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)
    lengths = []
    for number in re.findall(r'\d+', numbers):
        if sum(lengths) + int(number) > most:
            break
        lengths.append(int(number))
    return [min(length, positions) for length in lengths]


def read_safetensors(path):
    """Every tensor of the file as float32."""
    types = {'F32': torch.float32, 'F16': torch.float16, 'BF16': torch.bfloat16}
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = bytearray(file.read())
    header.pop('__metadata__', None)
    return {name: torch.frombuffer(data[t['data_offsets'][0]:t['data_offsets'][1]], dtype=types[t['dtype']])
            .reshape(t['shape']).float() for name, t in header.items() if t['dtype'] in types}


class Layer(torch.nn.Module):
    def __init__(self, hidden, heads, inner):
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(hidden, 3 * hidden)
        self.out = torch.nn.Linear(hidden, hidden)
        self.norm1 = torch.nn.LayerNorm(hidden, eps=1e-12)
        self.inner = torch.nn.Linear(hidden, inner)
        self.outer = torch.nn.Linear(inner, hidden)
        self.norm2 = torch.nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x, attend):
        x = self.norm1(x + self.out(attend(self.qkv(x), self.heads)))
        return self.norm2(x + self.outer(F.gelu(self.inner(x))))


class Encoder(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        layers, hidden, heads, inner, vocab, positions = shape
        self.word = torch.nn.Embedding(vocab, hidden)
        self.position = torch.nn.Embedding(positions, hidden)
        self.token_type = torch.nn.Embedding(2, hidden)
        self.norm = torch.nn.LayerNorm(hidden, eps=1e-12)
        self.layers = torch.nn.ModuleList(Layer(hidden, heads, inner) for _ in range(layers))
        for module in self.modules():
            if isinstance(module, (torch.nn.Linear, torch.nn.Embedding)):
                torch.nn.init.normal_(module.weight, std=0.02)

    def load(self, tensors):
        def put(module, name):
            module.weight.data.copy_(tensors[name + '.weight'])
            if getattr(module, 'bias', None) is not None:
                module.bias.data.copy_(tensors[name + '.bias'])
        for name in ('word', 'position'):
            put(getattr(self, name), 'embeddings.%s_embeddings' % name)
        put(self.token_type, 'embeddings.token_type_embeddings')
        put(self.norm, 'embeddings.LayerNorm')
        for i, layer in enumerate(self.layers):
            at = 'encoder.layer.%d.' % i
            for kind in ('weight', 'bias'):
                parts = [tensors['%sattention.self.%s.%s' % (at, part, kind)] for part in ('query', 'key', 'value')]
                getattr(layer.qkv, kind).data.copy_(torch.cat(parts))
            put(layer.out, at + 'attention.output.dense')
            put(layer.norm1, at + 'attention.output.LayerNorm')
            put(layer.inner, at + 'intermediate.dense')
            put(layer.outer, at + 'output.dense')
            put(layer.norm2, at + 'output.LayerNorm')

    def encode(self, ids, positions, attend):
        x = self.norm(self.word(ids) + self.position(positions) + self.token_type.weight[0])
        for layer in self.layers:
            x = layer(x, attend)
        return x

    def padded(self, ids, positions, mask, weights):
        """ids [S,n]; mask [S,1,1,n] or None; weights [S,n]: 1/length where there is a token."""
        def attend(qkv, heads):
            q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
        x = self.encode(ids, positions, attend)
        return F.normalize(torch.einsum('snh,sn->sh', x.float(), weights))

    def packed(self, ids, positions, starts, longest, sequence, weights):
        """ids [T]; starts [S+1]; sequence [T]: whose token it is; weights [T]: 1/length."""
        def attend(qkv, heads):
            q, k, v = (part.unflatten(-1, (heads, -1)) for part in qkv.chunk(3, dim=-1))
            return varlen_attn(q, k, v, starts, starts, longest, longest).flatten(1)
        x = self.encode(ids, positions, attend).float() * weights[:, None]
        rows = torch.zeros(starts.numel() - 1, x.shape[1], device=x.device)
        return F.normalize(rows.index_add(0, sequence, x))


def make_inputs(lengths, vocab, device):
    """(arguments of padded, arguments of packed) for the same tokens."""
    longest, total = max(lengths), sum(lengths)
    flat = (torch.arange(total, dtype=torch.int64) * 2654435761 % 4294967296 % vocab)
    ids, weights = torch.zeros(len(lengths), longest, dtype=torch.int64), torch.zeros(len(lengths), longest)
    starts = [0]
    for row, n in enumerate(lengths):
        ids[row, :n] = flat[starts[-1]:starts[-1] + n]
        weights[row, :n] = 1 / n
        starts.append(starts[-1] + n)
    mask = None if min(lengths) == longest else (weights > 0)[:, None, None, :].to(device)
    positions = torch.arange(longest).expand(len(lengths), longest)
    padded = (ids.to(device), positions.to(device), mask, weights.to(device))
    packed = (flat.to(device), torch.cat([torch.arange(n) for n in lengths]).to(device),
              torch.tensor(starts, dtype=torch.int32, device=device), longest,
              torch.cat([torch.full((n,), row) for row, n in enumerate(lengths)]).to(device),
              torch.cat([torch.full((n,), 1 / n) for n in lengths]).to(device))
    return padded, packed


def measure(call, device, quick):
    """Median and median distance from it, in microseconds."""
    samples, least, budget_s = [], 3 if quick else 30, 0.2 if quick else 1.0
    for _ in range(2 if quick else 5):
        call()
    end = time.monotonic() + budget_s
    while len(samples) < least or (time.monotonic() < end and len(samples) < 500):
        if device == 'cuda':
            before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            before.record()
            call()
            after.record()
            after.synchronize()
            samples.append(before.elapsed_time(after) * 1e3)
        else:
            begun = time.perf_counter()
            call()
            samples.append((time.perf_counter() - begun) * 1e6)
    middle = statistics.median(samples)
    return middle, statistics.median(abs(sample - middle) for sample in samples) / middle


class Run:
    def __init__(self, options):
        self.options, self.rows, self.notes = options, [], []
        self.end = time.monotonic() + options.seconds

    def note(self, text):
        print(text, flush=True)
        self.notes.append(text)

    def one(self, model_name, encoder, reference, form, batch, arguments):
        """reference: float32 vectors.  form: 'eager padded'..."""
        kind = form.split()[1]
        name = '%s %s %s' % (model_name, form, batch)
        if kind == 'packed' and (varlen_attn is None or self.options.device != 'cuda'):
            return self.note('%-40s not available: %s' % (name, 'no torch.nn.attention.varlen' if varlen_attn is None
                                                          else 'flash attention runs on CUDA only'))
        if time.monotonic() > self.end:
            return self.note('%-40s not measured: %d s are spent' % (name, self.options.seconds))
        function = getattr(encoder, kind)
        try:
            if form.startswith('compiled'):
                torch._dynamo.reset()
                function = torch.compile(function, mode='reduce-overhead', dynamic=False)
            with torch.inference_mode():
                cosine = F.cosine_similarity(function(*arguments).float(), reference).min().item()
                if not cosine > 0.999:
                    return self.note('%-40s WRONG, no time: cosine %g to float32' % (name, cosine))
                us, spread = measure(lambda: function(*arguments), self.options.device, self.options.quick)
        except Exception as why:  # whatever a compiler or a kernel says: the other forms still run
            return self.note('%-40s not measured: %s' % (name, str(why).strip().split('\n')[0][:160]))
        row = {'table': 'torch', 'name': name, 'model': model_name, 'form': form, 'batch': batch, 'us': us,
               'spread': spread, 'cosine': cosine}
        self.rows.append(row)
        print('%-40s %12.1f us  spread %.3f  cosine %.6f' % (name, us, spread, cosine), flush=True)

    def model(self, name, encoder, shape):
        device = self.options.device
        dtype = torch.float16 if device == 'cuda' else torch.float32
        encoder = encoder.eval().to(device)
        half = Encoder(shape).eval().to(device)
        half.load_state_dict(encoder.state_dict())
        half.to(dtype)
        for batch, lengths in QUICK_BATCHES if self.options.quick else BATCHES:
            if lengths is None:
                lengths = mixed_lengths(QUICK_TOKENS if self.options.quick else TOKENS, shape[5])
            padded, packed = make_inputs(lengths, shape[4], device)
            with torch.inference_mode():
                reference = encoder.padded(*padded)
            self.one(name, half, reference, 'eager padded', batch, padded)
            self.one(name, half, reference, 'eager packed', batch, packed)
            self.one(name, half, reference, 'compiled padded', batch, padded)
            self.one(name, half, reference, 'compiled packed', batch, packed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--models', default='minilm,base,large', help='names of shapes, random weights')
    parser.add_argument('--model', help='a directory with all-MiniLM-L6-v2: real weights for minilm')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--seconds', type=int, default=200, help='after so many no further form is begun')
    parser.add_argument('--quick', action='store_true', help='small batches: that it works, not how fast')
    parser.add_argument('--json', help='a file for the numbers')
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    run = Run(options)
    gpu = torch.cuda.get_device_name() if options.device == 'cuda' else 'none, on the CPU'
    environment = {'torch': torch.__version__, 'cuda': str(torch.version.cuda), 'gpu': gpu,
                   'dtype': 'float16' if options.device == 'cuda' else 'float32', 'command': ' '.join(sys.argv)}
    for key, value in environment.items():
        print('# %s: %s' % (key, value), flush=True)
    for name in options.models.split(','):
        encoder = Encoder(SHAPES[name])
        if options.model and name == 'minilm':
            encoder.load(read_safetensors(os.path.join(options.model, 'model.safetensors')))
        run.model(name, encoder, SHAPES[name])
    if options.json:
        with open(options.json, 'w') as file:
            json.dump({'environment': environment, 'notes': run.notes, 'rows': run.rows}, file, indent=1)
            file.write('\n')
    return 0 if run.rows else 1


if __name__ == '__main__':
    sys.exit(main())
