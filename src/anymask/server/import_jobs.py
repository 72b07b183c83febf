"""Imports in the background: jobs that wait for each other and outlive the server's process.

A job is a folder: the upload, and its state as JSON, written anew as it goes on. A server that is
stopped or killed starts its unfinished jobs again; what was imported before is not imported twice.
"""

import dataclasses
import json
import logging
import queue
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from anymask.core.errors import AnymaskError, NotFoundError
from anymask.core.files import write_json
from anymask.dataset.formats.problems import Problem
from anymask.engine.store.tables import User
from anymask.server.import_run import FILES, UPLOAD, ImportRun, ImportState
from anymask.server.studio import Studio

_LOG = logging.getLogger(__name__)
_STATE = "state.json"
_ID = re.compile(r"[0-9a-f]{32}")
_KEPT_SECONDS = 7 * 24 * 3600.0
# An upload may still be coming in, to another process.
_UPLOAD_SECONDS = 24 * 3600.0


class ImportJobs:
    """The imports of a server, one after another in a thread that starts with the first.

    Args:
        studio: into whose projects.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._folder = Path(studio.settings.folder) / "imports"
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._is_closing = threading.Event()
        self._worker: threading.Thread | None = None
        self._starting = threading.Lock()
        self._take_up_again()

    def new_upload(self) -> Path:
        """Return the path of a file to be written, which `start` then takes."""
        folder = self._folder / secrets.token_hex(16)
        folder.mkdir(parents=True)
        return folder / UPLOAD

    def discard(self, upload: Path) -> None:
        """Remove an upload that is not wanted after all."""
        shutil.rmtree(upload.parent, ignore_errors=True)

    def start(self, upload: Path, project_id: int, user: User, name: str) -> ImportState:
        """Let an upload be imported; return its state, which waits."""
        state = ImportState(
            id=upload.parent.name,
            project_id=project_id,
            user_id=user.id,
            name=name,
            created_at=self._studio.database.now(),
        )
        self._write(state)
        self._enqueue(state.id)
        return state

    def get(self, import_id: str) -> ImportState:
        """Return an import's state; NotFoundError if there is none."""
        path = self._folder / import_id / _STATE
        if not _ID.fullmatch(import_id) or not path.is_file():
            raise NotFoundError(f"import must exist, got {import_id[:40]}. List the project's.")
        return ImportState.from_json(json.loads(path.read_bytes()))

    def of_project(self, project_id: int) -> list[ImportState]:
        """Return a project's imports, newest first; finished ones for a week."""
        states = [state for state in self._states() if state.project_id == project_id]
        return sorted(states, key=lambda state: -state.created_at)

    def close(self) -> None:
        """Stop after the file in hand; the rest goes on when the server starts again."""
        self._is_closing.set()
        self._queue.put(None)
        if self._worker is not None:
            self._worker.join()

    def _enqueue(self, import_id: str) -> None:
        with self._starting:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="imports", daemon=True)
                self._worker.start()
        self._queue.put(import_id)

    def _take_up_again(self) -> None:
        if not self._folder.is_dir():
            return
        states = {state.id: state for state in self._states()}
        for folder in self._folder.iterdir():
            state = states.get(folder.name)
            if state is None:
                if folder.stat().st_mtime < time.time() - _UPLOAD_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            elif state.status in ("waiting", "running"):
                self._enqueue(state.id)
            elif state.created_at < self._studio.database.now() - _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _remove_files(folder)

    def _states(self) -> Iterator[ImportState]:
        for path in self._folder.glob(f"*/{_STATE}"):
            yield ImportState.from_json(json.loads(path.read_bytes()))

    def _write(self, state: ImportState) -> None:
        write_json(self._folder / state.id / _STATE, dataclasses.asdict(state))

    def _work(self) -> None:
        while (import_id := self._queue.get()) is not None:
            state = self._run(self.get(import_id))
            if state.status in ("done", "failed"):
                _remove_files(self._folder / import_id)
            if self._is_closing.is_set():
                return

    def _run(self, state: ImportState) -> ImportState:
        """Import, and return the last state, which is written as all before it."""
        run = ImportRun(self._studio, self._folder / state.id, state, self._is_closing)
        try:
            for told in run.states():
                self._write(told)
            return run.state
        except Exception as error:
            if isinstance(error, AnymaskError):
                text = str(error)
            elif isinstance(error, OSError):
                text = f"the import could not go on: {error.strerror}. Make room on the server."
            else:
                text = "the server failed; its log says more. Please report it."
                _LOG.exception("import %s failed", state.id)
            problem = Problem(file=state.name, text=text)
            failed = dataclasses.replace(
                run.state,
                status="failed",
                problems=(*run.state.problems, problem),
                num_problems=run.state.num_problems + 1,
            )
            self._write(failed)
            return failed


def _remove_files(folder: Path) -> None:
    """Leave the state of a job that has ended, and nothing else."""
    shutil.rmtree(folder / FILES, ignore_errors=True)
    (folder / UPLOAD).unlink(missing_ok=True)
