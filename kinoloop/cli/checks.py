"""What `kinoloop doctor` looks at: one function per fact, each with its fix.

A check returns findings and never raises on what it looks for.
"""

from kinoloop.cli import machine_checks, project_checks, settings_check
from kinoloop.cli.finding import Check

CHECKS: tuple[Check, ...] = (
    machine_checks.python,
    machine_checks.packages,
    machine_checks.codecs,
    machine_checks.torch,
    machine_checks.text_model,
    machine_checks.picture_model,
    machine_checks.language_model,
    machine_checks.harm_model,
    machine_checks.speech_model,
    machine_checks.reading_model,
    machine_checks.room,
    project_checks.ports,
    settings_check.settings,
    project_checks.landing,
    project_checks.pseudonym_key,
    project_checks.strangers,
    project_checks.versioning,
    project_checks.registry,
    project_checks.live_state,
    machine_checks.telemetry,
)
"""In the order in which they are shown."""
