"""What people and shells ask of the command line itself: help, completion, settings, complaints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from whiteout.cli import COMMANDS, run
from whiteout.cli.settings import meanings, names
from whiteout.collector.settings import CollectorSettings, Limits
from whiteout.enrich import EnrichSettings
from whiteout.kafka.settings import KafkaSettings
from whiteout.lake.settings import LoaderSettings

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "_WHITEOUT_COMPLETE"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("evnts", "'evnts'"),
        ("up --prot 1", "--port"),
        ("up --port x", "--port must be a valid int"),
        ("up --port x", "got 'x'; see whiteout up --help"),
        ("up --port=99999", "--port must be in the range 0<=x<=65535, got '99999'"),
        ("up --durability never", "--durability 'never' is not one of 'disk', 'process'"),
        ("collector", "--to is missing: where to keep"),
        ("query", "SQL is missing: one SELECT"),
        ("query a b", "(b); see whiteout query --help"),
        ("settings --set connections=1", "did you mean limits.connections?"),
        ("settings --set limits.conections=1", "did you mean limits.connections"),
        ("settings --set limits.connections=no", "limits.connections must be"),
        ("up --kafka-set partitions=1", "--kafka-set needs --kafka HOST:PORT, got 'partitions=1'"),
        ("collector --to spool://x --kafka-set a=1", "--kafka-set needs --to kafka://HOST:PORT"),
        ("enrich --from spool://x --to x --kafka-set a=1", "--kafka-set needs --from kafka://"),
        ("settings --set lake.seen=1", "did you mean lake.seen_days"),
        ("settings --set enrich.accept=true", "'enrich.accept' is not an option of enrich"),
        ("settings --set enrich.durable=true", "'enrich.durable' is not an option of enrich"),
        ("settings --set lake.durable=true", "'lake.durable' is not an option of the lake"),
        ("settings --set lake.seen_days", "must look like lake.option=value, got 'lake.seen_days'"),
        ("settings --set lake.seen_days=0", "seen_days must be at least 1, got 0"),
        ("settings --set lake.retention_hours=-1", "retention_hours must be at least 0, got -1"),
        ("settings --set enrich.max_record_bytes=0", "max_record_bytes must be at least 1, got 0"),
        ("settings --set enrich.atomic_limits={x=1}", "atomic_limits: 'x' is not a text column"),
        ("enrich --from spool://x --to x --set cookie_name=a", "--set takes enrich.… and lake.…"),
        ("enrich --from kafka://a:1 --set lake.seen_days=1", "--set takes enrich.… here"),
        ("loader --from kafka://a:1 --set enrich.accept_invalid=true", "--set takes lake.… here"),
        ("collector --to spool://x --set lake.seen_days=1", "is not an option of the collector"),
        ("up --kafka localhost:1 --set lake.seen_days=0", "seen_days must be at least 1, got 0"),
        ("settings --kafka-set partition=1", "'partition' is not an option of Kafka"),
    ],
)
def test_a_complaint_names_what_is_wrong_its_value_and_the_cure(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(arguments.split())

    message = capsys.readouterr().err
    assert status == 2
    assert message.startswith("whiteout: ")
    assert message.count("\n") == 1, "one line"
    assert said in message


def test_the_first_words_of_each_command_are_shown_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out.partition("Commands:")[2]

    assert "..." not in shown
    assert all(f"\n  {name} " in shown for name in COMMANDS)


# --- settings --------------------------------------------------------------------------------


def settings(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["settings", *arguments, "--format", "json"]) == 0
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return {line["option"]: line for line in lines}


def test_each_option_of_each_stage_has_a_meaning_and_a_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = settings(capsys)

    assert all(one["meaning"] for one in found.values())
    assert found["limits.connections"]["default"] == Limits().connections
    assert found["lake.seen_days"]["default"] == LoaderSettings().seen_days
    known = [name for stage in ("collector", "enrich", "lake", "kafka") for name in names(stage)]
    assert {name.rstrip(".") for name in known} == {option.removesuffix(".…") for option in found}


@pytest.mark.parametrize("stage", ["collector", "enrich", "lake", "kafka"])
def test_the_settings_of_one_stage_are_listed_alone(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {one["stage"] for one in settings(capsys, stage).values()} == {stage}


def test_what_has_an_option_of_its_own_is_no_setting() -> None:
    """There is one place to say it."""
    assert "enrich.keep_tracker_identifiers" not in names("enrich")
    assert not {"lake.durable", "lake.retention_days"} & {*names("lake")}


@pytest.mark.parametrize(
    "documented", [CollectorSettings, Limits, EnrichSettings, LoaderSettings, KafkaSettings]
)
def test_each_attribute_of_the_settings_is_documented(documented: Any) -> None:  # noqa: ANN401 - a dataclass
    assert list(documented.__slots__) == [
        name for name in meanings(documented) if name in documented.__slots__
    ]


def test_the_value_that_holds_is_shown_wherever_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "whiteout.toml"
    file.write_text(
        '[collector]\ncookie_name = "file"\n[kafka.client]\n"sasl.password" = "p"\n'
        "[enrich.atomic_limits]\npage_url = 4096\n[lake]\nseen_days = 7\nmax_records = 2\n"
    )
    monkeypatch.setenv("WHITEOUT_COLLECTOR_LIMITS_CONNECTIONS", "5")
    monkeypatch.setenv("WHITEOUT_ENRICH_ACCEPT_INVALID", "true")
    monkeypatch.setenv("WHITEOUT_LAKE_MAX_RECORDS", "3")
    given = ("--config", str(file), "--set", "trusted_networks=10.0.0.0/8")

    found = settings(
        capsys, "--changed", *given, "--set", "trusted_proxies=1", "--set", "lake.max_records=4"
    )

    assert {name: one["value"] for name, one in found.items()} == {
        "cookie_name": "file",
        "limits.connections": 5,
        "trusted_networks": ["10.0.0.0/8"],
        "trusted_proxies": 1,
        "enrich.accept_invalid": True,
        "enrich.atomic_limits": {"page_url": 4096},
        "lake.max_records": 4,
        "lake.seen_days": 7,
    }


def test_a_password_for_kafka_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    found = settings(capsys, "kafka", "--kafka-set", "client.sasl.password=secret")

    assert "secret" not in json.dumps(found)
    assert found["client.…"]["value"] is None


def test_a_table_in_a_file_has_no_spaces_at_the_ends(capsys: pytest.CaptureFixture[str]) -> None:
    run(["settings", "kafka"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stage", "option", "value", "default", "meaning"]
    assert [line.rstrip() for line in lines] == lines


# --- completion ------------------------------------------------------------------------------


def completions(
    words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """What bash is told can follow; the last word is the one that is being typed."""
    monkeypatch.setenv(VARIABLE, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert run([]) == 0
    return capfd.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("whiteout se", ["settings"]),
        ("whiteout --", ["--version", "--help"]),
        ("whiteout up --dura", ["--durability"]),
        ("whiteout up --durability ", ["disk", "process"]),
        ("whiteout up --set limits.conn", ["limits.connections="]),
        ("whiteout up --set lake.se", ["lake.seen_days="]),
        ("whiteout loader --set ma", []),
        ("whiteout enrich --set enrich.acc", ["enrich.accept_invalid="]),
        ("whiteout enrich --kafka-set pr", ["prefix=", "producer."]),
        ("whiteout completion ", ["bash", "zsh", "fish", "powershell"]),
    ],
)
def test_a_shell_is_told_what_can_follow(
    words: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert completions(words, monkeypatch, capfd) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_script_of_a_shell_asks_this_program(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out

    assert f"complete_{shell}" in script
    assert VARIABLE in script
    assert "whiteout" in script
    assert shell != "zsh" or script.startswith("#compdef whiteout\n")


@pytest.mark.parametrize(
    ("shell", "more"),
    [
        ("zsh", {}),
        ("fish", {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
        ("powershell", {"_TYPER_COMPLETE_WORD_TO_COMPLETE": "doc"}),
    ],
)
def test_each_shell_is_answered_as_its_script_asks(
    shell: str,
    more: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Where the shell itself is not here to try."""
    script_asks = {VARIABLE: f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "whiteout doc", **more}
    for name, value in script_asks.items():
        monkeypatch.setenv(name, value)

    assert run([]) == 0
    assert re.findall(r"\bdoc\w*", capfd.readouterr().out) == ["doctor"]


# A line of each shell's own, with its script read, that shows what can follow "whiteout doc".
ASKED_BY_SHELL = {
    "bash": "source <(whiteout completion bash); COMP_WORDS=(whiteout doc); COMP_CWORD=1\n"
    '_whiteout_completion whiteout; echo "${COMPREPLY[@]}"',
    "zsh": "compdef() { : }; _arguments() { print -r -- $@ }\n"
    "whiteout completion zsh > script; source ./script\n"
    "words=(whiteout doc); CURRENT=2; _whiteout_completion",
    "fish": "whiteout completion fish | source; complete --do-complete 'whiteout doc'",
    "powershell": "whiteout completion powershell | Out-String | Invoke-Expression\n"
    "[Management.Automation.CommandCompletion]::CompleteInput('whiteout doc', 12, $null)"
    ".CompletionMatches.CompletionText",
}


@pytest.mark.parametrize("shell", ASKED_BY_SHELL)
def test_a_real_shell_completes_by_its_script(tmp_path: Path, shell: str) -> None:
    """The program is found as `whiteout`."""
    found = shutil.which({"powershell": "pwsh"}.get(shell, shell))
    if found is None:
        pytest.skip(f"{shell} is not here")
    program = tmp_path / "whiteout"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m whiteout.cli "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    done = subprocess.run(
        [found, "-c", ASKED_BY_SHELL[shell]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env=environment,
    )

    assert done.stderr == ""
    assert re.findall(r"\bdoc\w*", done.stdout) == ["doctor"]
