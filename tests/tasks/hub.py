"""A small HTTP server that answers as the Hugging Face hub does, for one process at a time."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

COMMIT = "a" * 40


def answer(repositories: dict[str, Path], path: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body for a path; repositories are `models/ID` or `datasets/ID`."""
    parts = [part for part in unquote(path).split("/") if part]
    if parts[:1] == ["api"]:
        for name, folder in repositories.items():
            kind, _, repo = name.partition("/")
            prefix = ["api", kind, *repo.split("/")]
            if parts[: len(prefix)] != prefix:
                continue
            files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
            rest = parts[len(prefix) :]
            if rest[:1] == ["tree"]:
                children = sorted(folder.joinpath(*rest[2:]).iterdir())
                tree = [entry(folder, child.relative_to(folder).as_posix()) for child in children]
                return 200, {}, json.dumps(tree).encode()
            if rest[:1] == ["paths-info"]:
                return 200, {}, json.dumps([entry(folder, file) for file in files]).encode()
            siblings = [{"rfilename": file} for file in files]
            info = {"id": repo, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
            info |= {"gated": False, "disabled": False, "downloads": 0, "likes": 0}
            return 200, {}, json.dumps(info).encode()
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
    for name, folder in repositories.items():
        kind, _, repo = name.partition("/")
        prefix = [*([kind] if kind == "datasets" else []), *repo.split("/"), "resolve"]
        if parts[: len(prefix)] == prefix:
            file = folder / "/".join(parts[len(prefix) + 1 :])
            if not file.is_file():
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
            body = file.read_bytes()
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            return 200, {"ETag": tag, "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}, body
    return 404, {"X-Error-Code": "RepoNotFound"}, b""


def entry(folder: Path, file: str) -> dict[str, object]:
    """Return a file or a folder as the hub's tree lists it."""
    if (folder / file).is_dir():
        return {"type": "directory", "path": file, "size": 0, "oid": hashlib.sha1(file.encode()).hexdigest()}
    body = (folder / file).read_bytes()
    return {"type": "file", "path": file, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}


@contextmanager
def hub(repositories: dict[str, Path]) -> Iterator[str]:
    """Serve repositories and yield the address for ``HF_ENDPOINT``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, *, body: bool) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            status, headers, content = answer(repositories, urlparse(self.path).path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def do_GET(self) -> None:
            self.reply(body=True)

        def do_POST(self) -> None:
            self.reply(body=True)

        def do_HEAD(self) -> None:
            self.reply(body=False)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
