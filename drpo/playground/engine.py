"""The process that holds the playground's models.

It listens on a Unix socket in a folder that only its owner may enter, and answers only requests
that carry its secret. Requests are served in threads, but one token at a time altogether: streams
of several checkpoints and of several visitors take turns. After some idle time the process ends,
and with it goes all the memory it held.

Started by `drpo.playground.client`; the secret comes on standard input.
"""

from __future__ import annotations

import gc
import hmac
import json
import logging
import signal
import socketserver
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import torch

from drpo.data.gold_reward import Gold
from drpo.errors import ConfigError, DrpoError
from drpo.home import brought
from drpo.modeling.chat_template import PromptFormat
from drpo.modeling.model_loading import load_adapted, load_causal
from drpo.modeling.models import load_vocabulary
from drpo.modeling.reward_model import RewardModel, load_reward_model
from drpo.modeling.weights_hash import weights_hash
from drpo.playground.branching import branch
from drpo.playground.generation import Voice, write
from drpo.playground.gold import any_text, gold_for
from drpo.playground.protocol import MOST, PlaygroundSource, Sampling, socket_note
from drpo.store import workspace
from drpo.system import processes
from drpo.system.limits import limit_this_process

log = logging.getLogger(__name__)

IDLE_SECONDS = 600.0
LOOK_SECONDS = 0.5
ATTEMPTS = 20
LONGEST_REQUEST = 4_000_000
"""Bytes of one request; a prompt is text that somebody typed or a row of a file."""
T = TypeVar("T")


Stamp = tuple[tuple[str, int, int], ...]


class Cache(Generic[T]):
    """Keeps the last few models that were loaded, as long as their files stay what they were.

    Args:
        size: How many are kept.
        load: Loads one from its folder or Hub id.
    """

    def __init__(self, size: int, load: Callable[[str], T]) -> None:
        self._size, self._load = size, load
        self._kept: OrderedDict[str, tuple[Stamp, T]] = OrderedDict()

    def get(self, folder: str) -> T:
        """Return a model, loading it when it is not here or its files were written anew."""
        # A resumed run writes its checkpoints again, in the same folders.
        folder = brought(folder)
        stamp = stamp_of(folder)
        if folder in self._kept and self._kept[folder][0] != stamp:
            del self._kept[folder]
        if folder not in self._kept:
            while len(self._kept) >= self._size:
                self._kept.popitem(last=False)
                gc.collect()
            self._kept[folder] = stamp, self._load(folder)
        self._kept.move_to_end(folder)
        return self._kept[folder][1]

    def __len__(self) -> int:
        return len(self._kept)


def stamp_of(folder: str) -> Stamp:
    """Name, time of writing and bytes of each file of a folder; nothing for a Hub id."""
    files = sorted(path for path in Path(folder).glob("*") if path.is_file())
    told = ((path.name, path.stat()) for path in files)
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in told)


class Engine:
    """Loads checkpoints and lets them write."""

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.turn = threading.Lock()
        """Held for one token, or one loading, at a time."""
        self.busy = 0
        self.used_at = time.monotonic()
        self._policies: Cache[tuple[torch.nn.Module, str]] = Cache(MOST, self._policy)
        self._starts: Cache[tuple[torch.nn.Module, str]] = Cache(2, self._policy)
        self._rewards: dict[PromptFormat, Cache[RewardModel]] = {
            reads: Cache(2, partial(self._reward, reads)) for reads in get_args(PromptFormat)
        }

    def answer(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Serve one request; yields the lines of its answer."""
        if request["op"] == "hello":
            yield {"kind": "done", "cached": len(self._policies), "device": str(self.device)}
            return
        sampling = Sampling(**request["sampling"]).checked()
        sources = [PlaygroundSource(**source) for source in request["sources"]]
        if not 1 <= len(sources) <= MOST:
            raise ConfigError(f"Ask one to {MOST} checkpoints at once, got {len(sources)}.")
        streams = {at: self._stream(source, request, sampling) for at, source in enumerate(sources)}
        while streams:
            for at in list(streams):
                line = self._next(streams[at])
                if line is None:
                    del streams[at]
                else:
                    yield {"at": at, **line}
        yield {"kind": "done"}

    def _stream(
        self, source: PlaygroundSource, request: dict[str, Any], sampling: Sampling
    ) -> Iterator[dict[str, Any]]:
        prompt = request["prompt"]
        if request["op"] == "write":
            voice = self._voice(source, any_text(source.data))
            yield from write(voice, prompt, request["prefix"], sampling)
            return
        gold, facts = gold_for(source.data, prompt)
        yield from branch(
            self._voice(source, gold),
            prompt,
            request["answer"],
            facts,
            positions=request["positions"],
            count=request["count"],
            sampling=sampling,
        )

    def _voice(self, source: PlaygroundSource, gold: Gold | None) -> Voice:
        policy, weights = self._policies.get(source.policy)
        start, _ = self._starts.get(source.start)
        return Voice(
            policy=policy,
            start=start,
            vocabulary=load_vocabulary(
                source.policy, policy, source.prompt_format, source.chat_template
            ),
            reward=None
            if source.reward is None
            else self._rewards[source.prompt_format].get(source.reward),
            weights=weights,
            device=self.device,
            gold=gold,
        )

    def _next(self, stream: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
        """Take one line of a stream; what goes wrong ends this stream in a sentence."""
        with self.turn:
            self.used_at = time.monotonic()
            try:
                return next(stream, None)
            except DrpoError as error:
                return {"kind": "error", "message": str(error)}
            except torch.OutOfMemoryError:
                log.exception("out of memory")
                return {
                    "kind": "error",
                    "message": "Not enough memory for this checkpoint now; "
                    "ask fewer at once, or wait until the running training ends.",
                }
            except Exception as error:
                log.exception("a generation failed")
                return {
                    "kind": "error",
                    "message": f"The checkpoint could not answer "
                    f"({type(error).__name__}); playground.log tells more.",
                }

    def _policy(self, folder: str) -> tuple[torch.nn.Module, str]:
        # Adapters are hashed as they were trained, before they disappear in their base.
        adapted = (Path(folder) / "adapter_config.json").is_file()
        model = load_adapted(folder) if adapted else load_causal(folder)
        weights = weights_hash(model)
        if adapted:
            model = model.merge_and_unload()
        return model.to(self.device).eval(), weights

    def _reward(self, reads: PromptFormat, folder: str) -> RewardModel:
        return load_reward_model(folder, device=self.device, prompt_format=reads)


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        """Read one request, write lines until it is answered or the other side is gone."""
        engine = self.server.engine
        text = self.rfile.readline(LONGEST_REQUEST)
        try:
            request = json.loads(text)
            if not hmac.compare_digest(str(request.pop("secret", "")), self.server.secret):
                return
        except (ValueError, AttributeError):
            return
        engine.busy += 1
        try:
            for line in engine.answer(request):
                self._say(line)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the visitor went elsewhere: nothing more to write
        except DrpoError as error:
            self._say({"kind": "error", "at": None, "message": str(error)})
        finally:
            engine.busy -= 1
            engine.used_at = time.monotonic()

    def _say(self, line: dict[str, Any]) -> None:
        self.wfile.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The socket; one thread a request."""

    daemon_threads = True

    def __init__(self, path: Path, secret: str, engine: Engine) -> None:
        self.secret, self.engine = secret, engine
        super().__init__(str(path), _Handler)


def serve(folder: Path, secret: str, idle_seconds: float) -> None:
    """Answer requests until nobody has asked for a while."""
    engine = Engine()
    server = Server(folder / "socket", secret, engine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    note = socket_note(workspace())
    note.touch(mode=0o600)
    note.write_text(json.dumps({"socket": str(folder / "socket"), "secret": secret}))
    try:
        while engine.busy or time.monotonic() - engine.used_at < idle_seconds:
            time.sleep(LOOK_SECONDS)
    finally:
        note.unlink(missing_ok=True)
        server.shutdown()
        (folder / "socket").unlink(missing_ok=True)
        folder.rmdir()


def main() -> None:
    """Serve from the folder named on the command line; the secret is the first line of input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    lock = processes.Lock(workspace() / "playground.lock")
    for _ in range(ATTEMPTS):  # whoever only looks whether it is free holds it for a moment
        if lock.acquire():
            break
        time.sleep(0.1)
    else:
        return  # another one serves this workspace
    limit_this_process()
    torch.set_num_threads(max(1, processes.cores() // 2))
    idle = float(sys.argv[2]) if len(sys.argv) > 2 else IDLE_SECONDS
    serve(Path(sys.argv[1]), sys.stdin.readline().strip(), idle)


if __name__ == "__main__":
    main()
