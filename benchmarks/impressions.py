"""What recording impressions costs a request, and whether every place that was shown lands.

    python -m benchmarks.impressions                    # 20,000 requests
    python -m benchmarks.impressions --requests 2000 --rounds 3

Two services of one release, one with and one without, are asked in turns by one client, so that a
busy moment hits both: the ratio of their p50 is what counts. Then eight clients ask the one that
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

import polars as pl

from benchmarks.serve import measure
from kinoloop.testing.service import running, synthetic_bundle

CLIENTS = 8


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
        p50 = {name: sorted(run["p50_ms"] for run in runs) for name, runs in taken.items()}
        middle = {name: values[len(values) // 2] for name, values in p50.items()}
        cpu = {name: sorted(run["cpu_ms"] for run in runs) for name, runs in taken.items()}
        ratios = sorted(
            on["p50_ms"] / off["p50_ms"]
            for on, off in zip(taken["true"], taken["false"], strict=True)
        )
        print(
            f"/recommend p50 of {arguments.rounds} rounds in turns: {middle['false']:.2f} ms "
            f"without, {middle['true']:.2f} ms with; ratio of each round, middle: "
            f"{ratios[len(ratios) // 2]:.3f} (from {ratios[0]:.3f} to {ratios[-1]:.3f}); "
            f"CPU per request {cpu['false'][len(ratios) // 2]:.2f} ms without, "
            f"{cpu['true'][len(ratios) // 2]:.2f} ms with"
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
