"""The Dockerfile, as far as it can be tried without Docker: what it copies, builds and runs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib

from packaging.requirements import Requirement
from tests.deployment.test_compose import parse
from tests.support.pages import REPOSITORY

from whiteout.collector.pages import HEALTH_PATHS

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
INSTRUCTIONS = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in DOCKERFILE.splitlines()
    if line and not line.startswith("#")
]


def values(instruction: str) -> list[str]:
    return [value for name, value in INSTRUCTIONS if name == instruction]


def copied() -> list[str]:
    """What of the checkout goes into the build."""
    ways = [shlex.split(value) for value in values("COPY") if not value.startswith("--from")]
    return [name for way in ways for name in way[:-1]]


def test_what_is_copied_is_there_and_is_all_that_docker_is_given() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()

    assert all((REPOSITORY / name).exists() for name in copied())
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())


def test_extras_and_pinned_versions_are_ours() -> None:
    run = " ".join(values("RUN"))
    extras = re.search(r'"\$wheel\[([a-z,]+)]"', run)
    pattern = re.search(r"sed -n '(.+?)' requirements-dev.txt", run)
    assert extras is not None
    assert pattern is not None
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = subprocess.run(
        ["sed", "-n", pattern[1], str(REPOSITORY / "requirements-dev.txt")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    requirements = [Requirement(one) for one in pinned]  # with the systems that each is for

    assert set(extras[1].split(",")) <= project["optional-dependencies"].keys()
    assert {"confluent-kafka", "deltalake", "uvloop"} <= {one.name for one in requirements}
    here = [one.name for one in requirements if one.marker is None or one.marker.evaluate()]
    assert len(here) == len(set(here)), "no package is pinned twice"


def test_it_runs_as_nobody_in_particular_and_says_whether_it_is_well() -> None:
    (health,) = values("HEALTHCHECK")
    (url,) = re.findall(r"http://127\.0\.0\.1:(\d+)(/[a-z-]+)'", health)
    command = json.loads(values("CMD")[0])
    parameters = parse(command)

    assert values("USER") == ["10001"]
    assert "--uid 10001" in " ".join(values("RUN"))
    assert values("ENTRYPOINT") == ['["whiteout"]']
    assert url[1].encode() in HEALTH_PATHS
    assert int(url[0]) == parameters["port"] == int(values("EXPOSE")[0])
    compile(json.loads(health[health.index("[") :])[2], "HEALTHCHECK", "exec")
