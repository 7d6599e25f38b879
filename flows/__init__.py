"""When: one Prefect flow per file, named after what it does; composes tasks, computes nothing."""

import os

from kinoloop.ownership import end_with_owner, end_without
from kinoloop.telemetry import switch_off

switch_off()
end_with_owner()
end_without(os.environ.get("PREFECT_API_URL"))
