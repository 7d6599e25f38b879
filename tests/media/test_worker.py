import subprocess
import sys


def test_cpu_time_is_granted_on_top_of_what_was_used():
    code = (
        "import resource\n"
        "from kinoloop.media.worker import _grant_cpu\n"
        "used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))\n"
        "_grant_cpu(5)\n"
        "print(resource.getrlimit(resource.RLIMIT_CPU)[0] - used)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) in {6, 7}
