"""Celery: tasks track with the tracker that was made before the workers were forked.

    export COLLECTOR=http://127.0.0.1:9090 STORAGE=/tmp/shop BROKER=/tmp/broker
    cd examples/features
    celery --app celery_tasks call celery_tasks.send_receipt --args '[17]'
    celery --app celery_tasks worker

What to look at: nothing is set up in the workers. Each finds the tracker, and starts threads and
connections of its own with its first event; what one leaves behind, another sends.
"""

from __future__ import annotations

import os
from pathlib import Path

from celery import Celery  # type: ignore[import-untyped] # has no types

import whiteout
from whiteout import EmitterConfiguration, Structured, TrackerConfiguration

BROKER = Path(os.environ["BROKER"])  # a folder here; Redis or RabbitMQ in earnest
BROKER.mkdir(parents=True, exist_ok=True)
FOLDERS = {"data_folder_in": str(BROKER), "data_folder_out": str(BROKER)}

app = Celery("shop", broker="filesystem://")
app.conf.broker_transport_options = {**FOLDERS, "control_folder": str(BROKER / "control")}
app.conf.task_ignore_result = True
tracker = whiteout.create_tracker(
    "celery",
    os.environ["COLLECTOR"],
    TrackerConfiguration(app_id="shop", install_autotracking=False),
    EmitterConfiguration(storage_dir=os.environ["STORAGE"]),
)


@app.task  # type: ignore[untyped-decorator] # Celery has no types
def send_receipt(order: int) -> None:
    """Work in a worker."""
    tracker.track(Structured(category="receipt", action="sent", label=str(order)))
