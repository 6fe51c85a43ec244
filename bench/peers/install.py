"""install.py - the peers in environments of their own under build/peers, each package once, from pip's own index.

What did not install is kept with its reason, and is not tried again until build/peers is removed.
"""
import json
import os
import subprocess
import sys
import venv

# environment: what is installed there together, one group after the other, so that one that fails takes none with it
GROUPS = {
    'engines': [['numpy', 'safetensors', 'tokenizers'], ['torch', 'onnx', 'onnxscript'], ['onnxruntime'],
                ['openvino', 'nncf'], ['ctranslate2', 'transformers'],
                ['sentence-transformers', 'fastapi', 'uvicorn']],
    'infinity': [['infinity-emb[server,torch]']],
}
SECONDS = 1800  # of one group


class Installed:
    def __init__(self, root):
        self.root, self.record = root, os.path.join(root, 'installed.json')
        self.failed = {}  # 'engines: openvino, nncf' -> reason
        os.makedirs(root, exist_ok=True)
        if os.path.exists(self.record):
            with open(self.record) as file:
                self.failed = json.load(file)

    def python(self, environment):
        return os.path.join(self.root, environment, 'bin', 'python')

    def ensure(self, environments, say):
        for name in environments:
            if not os.path.exists(self.python(name)):
                say('installing %s under %s' % (name, self.root))
                venv.create(os.path.join(self.root, name), with_pip=True)
            for group in GROUPS[name]:
                self.group(name, group)
        with open(self.record, 'w') as file:
            json.dump(self.failed, file, indent=1)
        for what, why in self.failed.items():
            say('not installed: %s: %s' % (what, why))

    def group(self, name, group):
        key = '%s: %s' % (name, ', '.join(group))
        if key in self.failed or not self.missing(name, group):
            return
        try:
            pip = subprocess.run([self.python(name), '-m', 'pip', 'install', '--quiet', *group], capture_output=True,
                                 text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.failed[key] = 'pip took more than %d s' % SECONDS
            return
        if pip.returncode:
            lines = [line for line in pip.stderr.splitlines() if 'ERROR' in line or 'error:' in line]
            self.failed[key] = (lines or pip.stderr.splitlines() or ['pip said nothing'])[-1].strip()[:300]

    def missing(self, name, group):
        have = self.versions(name)
        return [package for package in group if package.split('[')[0].lower() not in have]

    def versions(self, name):
        """{package: version} of an environment; {} when there is none."""
        code = ('import importlib.metadata as m, json; '
                'print(json.dumps({d.name.lower().replace("_", "-"): d.version for d in m.distributions()}))')
        if not os.path.exists(self.python(name)):
            return {}
        return json.loads(subprocess.run([self.python(name), '-c', code], capture_output=True, text=True,
                                         check=True).stdout)


def main():
    installed = Installed(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'build', 'peers'))
    installed.ensure(GROUPS, print)
    return 1 if installed.failed else 0


if __name__ == '__main__':
    sys.exit(main())
