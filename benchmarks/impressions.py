"""What recording impressions costs a request, and whether every place that was shown lands.

    python -m benchmarks.impressions                    # 20,000 requests
    python -m benchmarks.impressions --requests 2000 --rounds 3

Two services of one release, one with and one without, are asked in turns by one client, so that a
busy moment hits both: the ratio of the medians over rounds of their p50, with the 95 % interval of
a bootstrap over rounds, is what counts (goal: 1.05 at most). Then eight clients ask the one that
records; it is stopped, and the rows in its landing zone are counted against the places in its
answers.
"""

import argparse
import http.client
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.serve import measure
from kinoloop.testing.service import running, synthetic_bundle

CLIENTS = 8
RESAMPLES = 10_000


def ask(url: str, first: int, requests: int) -> tuple[int, int]:
    """Ask a share of the requests on one connection; places shown, and requests that failed."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    places = failed = 0
    for number in range(first, first + requests):
        body = json.dumps({"user_id": f"user-{number % 5000}", "surface": "home", "device": "tv"})
        headers = {"content-type": "application/json"}
        try:
            connection.request("POST", "/recommend", body, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            places += len(content["slate"]) if answer.status == 200 else 0
            failed += answer.status != 200
        except (OSError, http.client.HTTPException):
            connection.close()
            failed += 1
    return places, failed


def ratio_of_medians(
    on: NDArray[np.float64], off: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Median of one over that of the other, with its 95 % interval; rounds are drawn in pairs."""
    drawn = np.random.default_rng(0).integers(0, len(on), (RESAMPLES, len(on)))
    ratios = np.median(on[drawn], axis=1) / np.median(off[drawn], axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(np.median(on) / np.median(off)), float(low), float(high)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as services:
        root = Path(folder)
        bundle = synthetic_bundle(root / "bundle", kind="item_knn")
        urls = {}
        for name in ("false", "true"):
            settings = root / f"{name}.toml"
            settings.write_text(f"[serving]\nimpressions = {name}\nspare_workers = 0\n")
            variables = {"KINOLOOP_SETTINGS_FILE": str(settings)}
            service = running(root / name, bundle=bundle, **variables)
            urls[name] = services.enter_context(service)
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
        for turn in range(arguments.rounds + 1):
            for name in sorted(urls, reverse=turn % 2 == 1):
                run = measure(
                    urls[name], "/recommend", clients=1, seconds=arguments.seconds, users="user-{}"
                )
                taken[name] += [run] if turn else []  # the first turn warms up
        print(f"/recommend with impressions against without, {arguments.rounds} rounds in turns:")
        for figure, name in (("p50_ms", "p50"), ("cpu_ms", "CPU per request")):
            off, on = (np.array([r[figure] for r in taken[side]]) for side in ("false", "true"))
            ratio, low, high = ratio_of_medians(on, off)
            print(
                f"  {name}: {np.median(off):.2f} ms without, {np.median(on):.2f} ms with, "
                f"ratio {ratio:.3f} [{low:.3f}, {high:.3f}]"
            )
        share = arguments.requests // CLIENTS
        with ThreadPoolExecutor(CLIENTS) as pool:
            firsts = range(0, share * CLIENTS, share)
            done = list(pool.map(lambda first: ask(urls["true"], first, share), firsts))
        services.close()  # SIGTERM: what waits is exported
        files = sorted((root / "true" / "landing" / "events" / "impressions").glob("*.parquet"))
        rows = pl.concat([pl.read_parquet(file) for file in files])
        mine = rows.filter(pl.col("device") == "tv")
        places, failed = (sum(column) for column in zip(*done, strict=True))
        print(
            f"{share * CLIENTS} requests of {CLIENTS} clients: {failed} failed, {places} places "
            f"shown, {len(mine)} rows of them in {len(files)} landing files, "
            f"{mine['event_id'].n_unique()} different"
        )


if __name__ == "__main__":
    main()
