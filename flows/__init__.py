"""When: one Prefect flow a file, named after what it does; composes tasks, computes nothing."""

from kinoloop.ownership import end_with_owner
from kinoloop.telemetry import switch_off

switch_off()
end_with_owner()
