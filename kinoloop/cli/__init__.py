"""The `kinoloop` command: a thin face over flows and library."""

from kinoloop.telemetry import switch_off

switch_off()
