"""A server with OpenAI's pages for files and fine-tuning jobs, to try the way there and back.

It trains nothing: what was uploaded is counted, the losses are made up, and no model comes of it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Self

from aiohttp import web

STATES = ("validating_files", "queued", "running", "succeeded")
STEPS = 8


class TrainingServer:
    """The server, in a thread; jobs go on by one state at each look.

    Example: `with TrainingServer() as server: print(server.url)`.
    """

    def __init__(self) -> None:
        self.url = ""
        self._files: dict[str, dict[str, Any]] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=512 * 2**20)
        jobs = "/v1/fine_tuning/jobs"
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", lambda _: self._list(self._files.values()))
        app.router.add_get("/v1/files/{id}", lambda asked: self._one(self._files, asked))
        app.router.add_post(jobs, self._create)
        app.router.add_get(jobs, lambda _: self._list(self._jobs.values()))
        app.router.add_get(f"{jobs}/{{id}}", self._look)
        app.router.add_get(f"{jobs}/{{id}}/events", self._tell)
        app.router.add_post(f"{jobs}/{{id}}/cancel", self._cancel)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        part = form["file"]
        content = part.file.read()
        name = f"file-{len(self._files) + 1}"
        self._files[name] = {
            "id": name, "object": "file", "bytes": len(content), "created_at": int(time.time()),
            "filename": part.filename, "purpose": form["purpose"], "status": "processed",
        }  # fmt: skip
        return web.json_response(self._files[name])

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("training_file") not in self._files:
            return _refusal(400, "training_file: no such file")
        name = f"ftjob-{len(self._jobs) + 1}"
        self._jobs[name] = {
            "object": "fine_tuning.job", "organization_id": "practice", "result_files": [],
            "hyperparameters": {}, "seed": 1, "validation_file": None, "fine_tuned_model": None,
            "finished_at": None, "trained_tokens": None, "error": None, **asked, "id": name,
            "created_at": int(time.time()), "status": STATES[0],
        }  # fmt: skip
        self._events[name] = []
        self._say(name, "Created fine-tuning job")
        return web.json_response(self._jobs[name])

    async def _look(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["id"])
        if job is not None and job["status"] in STATES[:-1]:
            job["status"] = STATES[STATES.index(job["status"]) + 1]
            if job["status"] == "running":
                for step in range(1, STEPS + 1):
                    loss = round(1.2 / step**0.5, 3)
                    data = {"step": step, "total_steps": STEPS, "train_loss": loss}
                    self._say(job["id"], f"Step {step}/{STEPS}: training loss={loss}", data)
            if job["status"] == "succeeded":
                size = self._files[job["training_file"]]["bytes"]
                job["trained_tokens"] = size // 4
                job["finished_at"] = int(time.time())
                job["fine_tuned_model"] = f"ft:{job['model']}:practice:{job['id']}"
                self._say(job["id"], "The job has succeeded")
        return await self._one(self._jobs, request)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._jobs.get(request.match_info["id"])
        if job is not None and job["status"] in STATES[:-1]:
            job["status"] = "cancelled"
        return await self._one(self._jobs, request)

    async def _tell(self, request: web.Request) -> web.Response:
        return await self._list(self._events.get(request.match_info["id"], []))

    def _say(self, job: str, message: str, data: dict[str, Any] | None = None) -> None:
        self._events[job].append({
            "id": f"event-{job}-{len(self._events[job]) + 1}", "object": "fine_tuning.job.event",
            "created_at": int(time.time()), "level": "info", "message": message, "data": data,
            "type": "metrics" if data else "message",
        })  # fmt: skip

    @staticmethod
    async def _one(found: dict[str, dict[str, Any]], request: web.Request) -> web.Response:
        item = found.get(request.match_info["id"])
        return web.json_response(item) if item else _refusal(404, "there is no such thing")

    @staticmethod
    async def _list(items: Any) -> web.Response:
        """Everything on one page, the newest first."""
        newest = list(items)[::-1]
        return web.json_response({"object": "list", "data": newest, "has_more": False})


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "param": None}}, status=status)
