"""engines.py MODEL_DIR FOLDER ENGINE PRECISION THREADS - one engine in a process of its own, asked line by line.

Runs in the environment that install.py made.  A line on stdin is a request, a line on stdout its reply, both JSON:

  {"do": "tokenize", "texts": ["..."]}             {"ids": [[ids]...]}
  {"do": "embed", "batches": [[[ids]...]...]}      {"rows": base64 of float64, "columns": n}
  {"do": "time", "batch": [[ids]...], "s": 0.1}    {"ns": of one forward, "runs": how many fit}

What it cannot do is {"error": "..."}.  FOLDER keeps converted models between runs.  Every engine gets the batch as it
comes, padded to its longest, but CTranslate2, which takes lists; turning ids into arrays is not timed.
"""
import base64
import json
import os
import sys
import time

import numpy


def padded(batch):
    longest = max(map(len, batch))
    ids, mask = (numpy.zeros((len(batch), longest), dtype=numpy.int64) for _ in range(2))
    for row, one in enumerate(batch):
        ids[row, :len(one)], mask[row, :len(one)] = one, 1
    return ids, mask


def once(path, make):
    """path, made by make(path) unless a run before this one did; a run that was cut off leaves nothing there."""
    if not os.path.exists(path):
        begun = '%s.%d%s' % (path, os.getpid(), os.path.splitext(path)[1])
        make(begun)
        if os.path.exists(os.path.splitext(begun)[0] + '.bin'):  # an OpenVINO model is two files, found by their name
            os.replace(os.path.splitext(begun)[0] + '.bin', os.path.splitext(path)[0] + '.bin')
        os.replace(begun, path)
    return path


class Job:
    def __init__(self, directory, folder, precision, threads):
        self.directory, self.folder, self.precision, self.threads = directory, folder, precision, threads

    def config(self):
        with open(os.path.join(self.directory, 'config.json')) as file:
            return json.load(file)

    def onnx(self):
        import bert
        return once(os.path.join(self.folder, 'plain.onnx'), lambda path: bert.export(self.directory, path))

    def fused_onnx(self):
        def make(path):
            from onnxruntime.transformers import optimizer
            c = self.config()
            fused = optimizer.optimize_model(self.onnx(), model_type='bert', num_heads=c['num_attention_heads'],
                                             hidden_size=c['hidden_size'])
            if not fused.get_fused_operator_statistics()['Attention']:
                raise RuntimeError('the optimizer found no attention to fuse')
            fused.save_model_to_file(path)
        return once(os.path.join(self.folder, 'fused.onnx'), make)

    def tokenize(self, texts):
        import tokenizers
        words = tokenizers.Tokenizer.from_file(os.path.join(self.directory, 'tokenizer.json'))
        words.no_padding()
        words.no_truncation()
        return [one.ids for one in words.encode_batch(texts)]

    def calibration(self):
        """200 texts of all lengths, as ids; none of them is among the gate's."""
        import workloads
        return workloads.calibration_ids()


class OnnxRuntime:
    """fused: by its transformer optimizer; int8: dynamic quantization, as its guide has it."""

    def __init__(self, job, fused):
        import onnxruntime

        def quantized(path):
            from onnxruntime.quantization import QuantType, quantize_dynamic
            import onnx
            quantize_dynamic(job.fused_onnx() if fused else job.onnx(), path, weight_type=QuantType.QInt8,
                             extra_options={'DefaultTensorType': onnx.TensorProto.FLOAT})  # of what fused nodes give
        path = job.fused_onnx() if fused else job.onnx()
        if job.precision == 'int8':
            path = once(os.path.join(job.folder, 'fused_int8.onnx' if fused else 'int8.onnx'), quantized)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
        self.session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
        self.inputs = [i.name for i in self.session.get_inputs()]

    def prepare(self, batch):
        return dict(zip(self.inputs, padded(batch)))

    def run(self, inputs):
        return self.session.run(None, inputs)[0]


class OpenVino:
    """float32: by the hint; bfloat16: as it comes, refused where that is something else; int8: NNCF, 200 texts."""

    def __init__(self, job):
        import openvino
        core = openvino.Core()
        config = {'INFERENCE_NUM_THREADS': job.threads, 'NUM_STREAMS': 1, 'PERFORMANCE_HINT': 'LATENCY'}
        path = job.onnx()
        if job.precision == 'float32':
            config['INFERENCE_PRECISION_HINT'] = 'f32'
        if job.precision == 'int8':
            path = once(os.path.join(job.folder, 'nncf.xml'), lambda to: self.quantize(job, core, to))
        compiled = core.compile_model(path, 'CPU', config)
        chosen = compiled.get_property('INFERENCE_PRECISION_HINT').get_type_name()
        if job.precision == 'bfloat16' and chosen != 'bf16':
            raise RuntimeError('as it comes it computes in %s on this CPU' % chosen)
        self.request = compiled.create_infer_request()

    @staticmethod
    def quantize(job, core, path):
        import nncf
        import openvino
        texts = nncf.Dataset([dict(zip(('input_ids', 'attention_mask'), padded([one]))) for one in job.calibration()])
        model = nncf.quantize(core.read_model(job.onnx()), texts, model_type=nncf.ModelType.TRANSFORMER,
                              subset_size=len(job.calibration()))
        openvino.save_model(model, path, compress_to_fp16=False)

    def prepare(self, batch):
        return dict(zip(('input_ids', 'attention_mask'), padded(batch)))

    def run(self, inputs):
        return next(iter(self.request.infer(inputs, share_inputs=True).values()))


class CTranslate2:
    def __init__(self, job):
        import ctranslate2
        wanted = job.precision
        have = ctranslate2.get_supported_compute_types('cpu')
        if wanted not in have:
            raise RuntimeError('on this CPU it has %s' % ', '.join(sorted(have)))

        def convert(path):
            ctranslate2.converters.TransformersConverter(job.directory).convert(path)
        folder = once(os.path.join(job.folder, 'ctranslate2'), convert)
        self.encoder = ctranslate2.Encoder(folder, device='cpu', compute_type=wanted, inter_threads=1,
                                           intra_threads=job.threads)
        self.wide = ctranslate2.DataType.float32

    def prepare(self, batch):
        return batch

    def run(self, batch):
        states = numpy.asarray(self.encoder.forward_batch(batch).last_hidden_state.to(self.wide))
        rows = numpy.stack([states[row, :len(one)].mean(0) for row, one in enumerate(batch)])
        return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


class Torch:
    """float64 is the reference of the gate; bfloat16 is autocast."""

    def __init__(self, job, compiled):
        import bert
        import torch
        torch.set_num_threads(job.threads)
        self.torch, self.cast = torch, job.precision == 'bfloat16'
        model = bert.Encoder(job.directory, plain=job.precision == 'float64')
        self.model = model.double() if job.precision == 'float64' else model
        if compiled:
            os.environ['TORCHINDUCTOR_CACHE_DIR'] = os.path.join(job.folder, 'inductor')
            self.model = torch.compile(self.model, dynamic=True)

    def prepare(self, batch):
        return [self.torch.from_numpy(array) for array in padded(batch)]

    def run(self, inputs):
        with self.torch.inference_mode(), self.torch.autocast('cpu', self.torch.bfloat16, enabled=self.cast):
            return self.model(*inputs).numpy(force=True)


class SentenceTransformers:
    def __init__(self, job):
        import sentence_transformers
        import torch
        torch.set_num_threads(job.threads)
        self.torch = torch
        self.model = sentence_transformers.SentenceTransformer(job.directory, device='cpu')

    def prepare(self, batch):
        return dict(zip(('input_ids', 'attention_mask'), (self.torch.from_numpy(array) for array in padded(batch))))

    def run(self, inputs):
        with self.torch.inference_mode():
            return self.model(dict(inputs))['sentence_embedding'].numpy()


ENGINES = {
    'onnxruntime': lambda job: OnnxRuntime(job, fused=False),
    'onnxruntime fused': lambda job: OnnxRuntime(job, fused=True),
    'openvino': OpenVino,
    'ctranslate2': CTranslate2,
    'torch eager': lambda job: Torch(job, compiled=False),
    'torch compiled': lambda job: Torch(job, compiled=True),
    'sentence-transformers': SentenceTransformers,
}


def answer(job, engine, request):
    if request['do'] == 'tokenize':
        return {'ids': job.tokenize(request['texts'])}
    if request['do'] == 'embed':
        rows = [numpy.asarray(engine.run(engine.prepare(batch)), dtype=numpy.float64) for batch in request['batches']]
        rows = numpy.concatenate(rows)
        return {'rows': base64.b64encode(rows.tobytes()).decode(), 'columns': rows.shape[1]}
    inputs, runs, begun = engine.prepare(request['batch']), 0, time.perf_counter_ns()
    while True:
        engine.run(inputs)
        runs, took = runs + 1, time.perf_counter_ns() - begun
        if took >= request['s'] * 1e9:
            return {'ns': took / runs, 'runs': runs}


def say(stream, reply):
    stream.write(json.dumps(reply) + '\n')
    stream.flush()


def main():
    directory, folder, name, precision, threads = sys.argv[1:]
    replies = os.fdopen(os.dup(1), 'w')  # what libraries print goes where their errors go
    os.dup2(2, 1)
    try:
        job = Job(directory, folder, precision, int(threads))
        engine = ENGINES[name](job)
    except Exception as why:  # whatever a library says: it is the reason why there is no such row
        return say(replies, {'error': '%s: %s' % (type(why).__name__, ' '.join(str(why).split())[:300])})
    say(replies, {'ready': True})
    for line in sys.stdin:
        try:
            reply = answer(job, engine, json.loads(line))
        except Exception as why:
            reply = {'error': '%s: %s' % (type(why).__name__, ' '.join(str(why).split())[:300])}
        say(replies, reply)


if __name__ == '__main__':
    main()
