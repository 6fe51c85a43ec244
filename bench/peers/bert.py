"""bert.py - the encoder by its definition, in the layout that exporters and optimizers know, from a model directory.

Its float64 form is the reference of the accuracy gate; its float32 form is exported for the engines that read ONNX, and
is PyTorch's own entry in the tables.  Mean over the tokens and L2 norm are part of it, so that every engine does them.
"""
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


class Layer(torch.nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden, self.heads = c['hidden_size'], c['num_attention_heads']
        self.query, self.key, self.value, self.dense = (torch.nn.Linear(hidden, hidden) for _ in range(4))
        self.inner, self.outer = (torch.nn.Linear(*shape) for shape in
                                  ((hidden, c['intermediate_size']), (c['intermediate_size'], hidden)))
        self.norm1, self.norm2 = (torch.nn.LayerNorm(hidden, eps=c['layer_norm_eps']) for _ in range(2))

    def split(self, x):
        return x.view(x.size(0), x.size(1), self.heads, -1).permute(0, 2, 1, 3)

    def attend(self, x, mask):
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        if self.plain:
            scores = torch.matmul(q, k.transpose(-1, -2)) / (q.size(-1) ** 0.5) + mask
            mixed = torch.matmul(torch.softmax(scores, dim=-1), v)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype))
        mixed = mixed.permute(0, 2, 1, 3).contiguous()
        return mixed.view(mixed.size(0), mixed.size(1), -1)

    def forward(self, x, mask):
        x = self.norm1(self.dense(self.attend(x, mask)) + x)
        return self.norm2(self.outer(F.gelu(self.inner(x))) + x)


class Encoder(torch.nn.Module):
    """plain: attention in single operations, which is what optimizers look for; else PyTorch's fused one."""

    def __init__(self, directory, plain=False):
        super().__init__()
        with open(os.path.join(directory, 'config.json')) as file:
            c = json.load(file)
        hidden = c['hidden_size']
        self.words = torch.nn.Embedding(c['vocab_size'], hidden)
        self.positions = torch.nn.Embedding(c['max_position_embeddings'], hidden)
        self.types = torch.nn.Embedding(c['type_vocab_size'], hidden)
        self.norm = torch.nn.LayerNorm(hidden, eps=c['layer_norm_eps'])
        self.layers = torch.nn.ModuleList(Layer(c) for _ in range(c['num_hidden_layers']))
        for layer in self.layers:
            layer.plain = plain
        self.load(load_file(os.path.join(directory, 'model.safetensors')))
        self.eval().requires_grad_(False)

    def load(self, tensors):
        def put(module, name):
            for kind, parameter in module.named_parameters(recurse=False):
                parameter.data.copy_(tensors['%s.%s' % (name, kind)])
        for module, name in ((self.words, 'word_embeddings'), (self.positions, 'position_embeddings'),
                             (self.types, 'token_type_embeddings'), (self.norm, 'LayerNorm')):
            put(module, 'embeddings.' + name)
        for i, layer in enumerate(self.layers):
            for module, name in ((layer.query, 'attention.self.query'), (layer.key, 'attention.self.key'),
                                 (layer.value, 'attention.self.value'), (layer.dense, 'attention.output.dense'),
                                 (layer.norm1, 'attention.output.LayerNorm'), (layer.inner, 'intermediate.dense'),
                                 (layer.outer, 'output.dense'), (layer.norm2, 'output.LayerNorm')):
                put(module, 'encoder.layer.%d.%s' % (i, name))

    def forward(self, ids, mask):
        """ids, mask [S,n], mask 1 where there is a token -> [S,H] of length 1."""
        weights = self.words.weight
        kept = mask.to(weights.dtype)
        positions = self.positions(torch.arange(ids.size(1), device=ids.device).unsqueeze(0))
        x = self.norm(self.words(ids) + self.types(torch.zeros_like(ids)) + positions)
        away = (1.0 - mask[:, None, None, :].to(weights.dtype)) * torch.finfo(weights.dtype).min
        for layer in self.layers:
            x = layer(x, away)
        x = x.to(weights.dtype) * kept.unsqueeze(-1)
        return F.normalize(x.sum(1) / kept.sum(1, keepdim=True))


def export(directory, path):
    """The plain float32 form as ONNX, sequences and tokens free."""
    ids = torch.ones(2, 8, dtype=torch.int64)
    free = {0: 'sequences', 1: 'tokens'}
    torch.onnx.export(Encoder(directory, plain=True), (ids, torch.ones_like(ids)), path, dynamo=False,
                      input_names=['input_ids', 'attention_mask'], output_names=['vectors'], opset_version=17,
                      dynamic_axes={'input_ids': free, 'attention_mask': free, 'vectors': {0: 'sequences'}})
