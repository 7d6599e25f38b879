"""Online: the BentoML service, live user state, feedback and the page."""

from kinoloop.telemetry import switch_off

switch_off()
