"""An app of Celery whose workers are forked after the tracker was made; its broker is a folder.

python -m tests.process.celery_app 40    # ask for so much work
python -m celery --app tests.process.celery_app worker --pool prefork
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from celery import Celery  # type: ignore[import-untyped] # has no type hints
from tests.support.child import create, say, track

import whiteout

FOLDER = os.environ["FOLDER"]
COLLECTOR = os.environ["COLLECTOR"]
BROKER = Path(FOLDER, "broker")
BROKER.mkdir(parents=True, exist_ok=True)

app: Any = Celery("site", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(BROKER),
        "data_folder_out": str(BROKER),
        "control_folder": str(BROKER / "control"),
    },
    task_ignore_result=True,
    worker_redirect_stdouts=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=1,
)


def work(number: int) -> None:
    """Track as what was there before the fork, and say who did."""
    tracker = whiteout.get_tracker("app")
    if tracker is not None:
        track(tracker, f"task {number}")
    say(f"worker {os.getpid()}")


task: Any = app.task(name="work")(work)


def main() -> None:
    """Ask for work, without a tracker."""
    for number in range(int(sys.argv[1])):
        app.send_task("work", args=[number])


if __name__ == "__main__":
    main()
else:
    track(create(FOLDER, COLLECTOR), "parent")
