"""An endpoint with OpenAI's pages for files and fine-tuning jobs, and faults on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web
from openai.types import FileObject
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from tests.helpers.endpoint import FaultyEndpoint


class FinetuneEndpoint(FaultyEndpoint):
    """Jobs go one state on at each look; what is kept and counted is for the tests to read."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.uploads = 0
        self.creations = 0
        self.looks = 0
        self.keeps_metadata = True
        self.lose_uploads = 0
        """How many of the next uploads are answered and then forgotten."""
        self.unanswered: set[str] = set()
        """Of `upload` and `create`: the next one is done, and its answer lost."""
        self.refused_looks = 0
        """How many of the next looks at a job are answered with 500."""
        self.down: Callable[[web.Request], bool] = lambda request: False
        """Which requests are lost: their connection is closed, nothing is done."""
        self.fails = ""
        """The message that the job fails with."""
        self.states = ["validating_files", "queued", "running", "succeeded"]
        self.steps = 4
        self.page = 100
        self.trained_tokens: int | None = 1234
        self.on_reached: Callable[[str], object] = lambda what: None
        """Called before and after a file or a job is made."""
        self.queries: list[dict[str, str]] = []

    def add_routes(self, app: web.Application) -> None:
        """The pages."""
        app.middlewares.append(self._line)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_get("/v1/files/{id}", self._file)
        jobs = "/v1/fine_tuning/jobs"
        app.router.add_post(jobs, self._create)
        app.router.add_get(jobs, self._list_jobs)
        app.router.add_get(f"{jobs}/{{id}}", self._job)
        app.router.add_get(f"{jobs}/{{id}}/events", self._events)
        app.router.add_post(f"{jobs}/{{id}}/cancel", self._cancel)

    @web.middleware
    async def _line(self, request: web.Request, handler: Any) -> Any:
        if self.down(request) and request.transport is not None:
            request.transport.close()
            return web.Response(status=500)
        return await handler(request)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if (refusal := self._refusal(request)) is not None:
            return refusal
        part = form["file"]
        assert isinstance(part, web.FileField)
        assert form["purpose"] == "fine-tune"
        self.on_reached("upload received")
        self.uploads += 1
        made = f"file-{self.uploads}"
        content = part.file.read()
        file = {
            "id": made, "object": "file", "bytes": len(content), "created_at": 1_790_000_000,
            "filename": part.filename, "purpose": "fine-tune", "status": "processed",
        }  # fmt: skip
        FileObject.model_validate(file)
        self.headers.append(dict(request.headers))
        if self.lose_uploads:
            self.lose_uploads -= 1
        else:
            self.files[made], self.contents[made] = file, content
        return await self._answer(request, "upload", file)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["training_file"] not in self.files:
            said = f"{body['training_file']} does not exist"
            return web.json_response({"error": {"message": said, "param": None}}, status=400)
        self.on_reached("create received")
        self.creations += 1
        self.bodies.append(body)
        made = f"ftjob-{self.creations}"
        job = {
            "id": made, "object": "fine_tuning.job", "created_at": 1_790_000_000 + self.creations,
            "model": body["model"], "status": self.states[0], "training_file":
            body["training_file"], "validation_file": body.get("validation_file"), "seed": 1,
            "organization_id": "org", "result_files": [], "hyperparameters": {},
            "method": body.get("method"), "fine_tuned_model": None, "finished_at": None,
            "trained_tokens": None, "error": None,
            "metadata": body.get("metadata") if self.keeps_metadata else None,
        }  # fmt: skip
        FineTuningJob.model_validate(job)
        self.jobs[made] = {**job, "suffix": body.get("suffix") or "", "look": 0}
        self.events[made] = []
        self._tell(made, "Created fine-tuning job")
        return await self._answer(request, "create", job)

    async def _answer(self, request: web.Request, what: str, body: Any) -> web.StreamResponse:
        self.on_reached(f"{what} done")
        if what in self.unanswered:
            self.unanswered.discard(what)
            assert request.transport is not None
            request.transport.close()
        return web.json_response(body)

    def _tell(self, job: str, message: str, data: dict[str, Any] | None = None) -> None:
        known = self.events[job]
        event = {
            "id": f"ev-{len(known)}", "object": "fine_tuning.job.event", "level": "info",
            "created_at": 1_790_000_100 + len(known), "message": message, "data": data,
            "type": "metrics" if data else "message",
        }  # fmt: skip
        FineTuningJobEvent.model_validate(event)
        known.append(event)

    async def _job(self, request: web.Request) -> web.StreamResponse:
        self.looks += 1
        self.queries.append(dict(request.query))
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return web.json_response({"error": {"message": "no such job"}}, status=404)
        if self.refused_looks:
            self.refused_looks -= 1
            return web.json_response({"error": {"message": "out of order"}}, status=500)
        if job["status"] != "cancelled":
            self._on(job)
        return web.json_response({key: value for key, value in job.items() if key != "look"})

    def _on(self, job: dict[str, Any]) -> None:
        before, job["look"] = job["status"], job["look"] + 1
        job["status"] = self.states[min(job["look"], len(self.states) - 1)]
        if job["status"] == before:
            return
        if job["status"] == "running":
            for step in range(1, self.steps + 1):
                loss = round(2.0 / step, 4)
                data = {"step": step, "total_steps": self.steps, "train_loss": loss}
                self._tell(job["id"], f"Step {step}/{self.steps}: training loss={loss}", data)
        if job["status"] == "succeeded" and self.fails:
            job["status"] = "failed"
            job["error"] = {"code": "server_error", "message": self.fails, "param": None}
        elif job["status"] == "succeeded":
            job["fine_tuned_model"] = f"ft:{job['model']}:org:{job['suffix']}:{job['id'][6:]}"
        if job["status"] in ("succeeded", "failed"):
            job["trained_tokens"] = self.trained_tokens
            self._tell(job["id"], f"The job has {job['status']}")

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        job = self.jobs[request.match_info["id"]]
        job["status"] = "cancelled"
        return web.json_response({key: value for key, value in job.items() if key != "look"})

    async def _list_files(self, request: web.Request) -> web.StreamResponse:
        return self._paged(request, [*reversed(self.files.values())])

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file = self.files.get(request.match_info["id"])
        if file is None:
            return web.json_response({"error": {"message": "no such file"}}, status=404)
        return web.json_response(file)

    async def _list_jobs(self, request: web.Request) -> web.StreamResponse:
        return self._paged(request, [*reversed(self.jobs.values())])

    async def _events(self, request: web.Request) -> web.StreamResponse:
        return self._paged(request, [*reversed(self.events[request.match_info["id"]])])

    def _paged(self, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
        after = request.query.get("after")
        at = [item["id"] for item in items].index(after) + 1 if after else 0
        page = items[at : at + min(self.page, int(request.query.get("limit", 20)))]
        more = at + len(page) < len(items)
        return web.json_response({"object": "list", "data": page, "has_more": more})
