"""``sensorium doctor``: what is wrong on this machine, and what to do."""

import dataclasses
import json as jsonlib
from typing import TYPE_CHECKING

import typer

from sensorium_apps import options

if TYPE_CHECKING:
    from sensorium_apps.doctor import Finding

COLOURS = {"ok": typer.colors.GREEN, "warn": typer.colors.YELLOW, "fail": typer.colors.RED}


def doctor(bundle: options.Bundle = None, json: options.Json = False) -> None:
    """Look at Python, packages, devices, disk and bundle; run each graph on its golden inputs.

    Exits with 1 only where something does not work; a missing microphone is a warning.

    Examples:

      sensorium doctor

      sensorium doctor --json
    """
    from sensorium_apps.doctor import Status, examine

    findings = []
    for finding in examine(bundle):
        findings.append(finding)
        if not json:
            _tell(finding)
    if json:
        typer.echo(jsonlib.dumps({"findings": [dataclasses.asdict(finding) for finding in findings]}))
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


def _tell(finding: "Finding") -> None:
    typer.secho(f"{finding.status:<5}", fg=COLOURS[finding.status], nl=False)
    typer.echo(f" {finding.what:<22} {finding.told}")
    if finding.advice:
        typer.echo(f"{'':<28} -> {finding.advice}")
