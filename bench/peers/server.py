"""server.py infinity|fastapi MODEL_DIR PORT THREADS - a peer as a server; both answer POST /embed {"inputs": ...}.

fastapi: sentence-transformers behind one route, as one writes it in an afternoon.  infinity: its own application; a
request on /embed is renamed to its /embeddings before its router sees it, so that one client can ask everybody.
"""
import sys


def fastapi_app(directory):
    from fastapi import FastAPI
    from sentence_transformers import SentenceTransformer
    model, app = SentenceTransformer(directory, device='cpu'), FastAPI()

    @app.post('/embed')
    def embed(body: dict):
        return model.encode(body['inputs'], normalize_embeddings=True).tolist()
    return app


def infinity_app(directory):
    from infinity_emb import EngineArgs
    from infinity_emb.infinity_server import create_server
    app = create_server(engine_args_list=[EngineArgs(
        model_name_or_path=directory, served_model_name='model', engine='torch', device='cpu', dtype='float32',
        bettertransformer=False, compile=False, lengths_via_tokenize=False)])

    async def renamed(scope, receive, send):
        if scope['type'] != 'http' or scope['path'] != '/embed':
            return await app(scope, receive, send)
        body, more = b'', True
        while more:
            message = await receive()
            body, more = body + message.get('body', b''), message.get('more_body', False)
        body = body.replace(b'{"inputs":', b'{"model":"model","input":', 1)
        size = b'%d' % len(body)
        headers = [(key, size if key == b'content-length' else value) for key, value in scope['headers']]
        given = [{'type': 'http.request', 'body': body, 'more_body': False}]

        async def once():
            return given.pop() if given else await receive()
        await app({**scope, 'path': '/embeddings', 'raw_path': b'/embeddings', 'headers': headers}, once, send)
    return renamed


def main():
    kind, directory, port, threads = sys.argv[1:]
    import torch
    import uvicorn
    torch.set_num_threads(int(threads))
    app = {'fastapi': fastapi_app, 'infinity': infinity_app}[kind](directory)
    uvicorn.run(app, host='127.0.0.1', port=int(port), log_level='warning')


if __name__ == '__main__':
    main()
