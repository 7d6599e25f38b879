"""What the search log teaches `/search`: mean reciprocal rank of what was watched, held out.

    python -m benchmarks.search_log DATA_DIR

Writes a release of the data with plain popularity, learns the shares of meaning, words and labels
from the older pairs of the log as a retrain does, and prints their figures on the newer pairs.

Needs: a directory with the Delta tables of an ingest, and text vectors by MiniLM (DATA_DIR)
"""

import argparse
import logging
import tempfile
from pathlib import Path

from kinoloop.data.catalogue import load_catalogue
from kinoloop.data.interactions import load_histories
from kinoloop.data.interest import InterestConfig
from kinoloop.data.search_log import load_search_log
from kinoloop.data.tables import Tables
from kinoloop.models.base import build
from kinoloop.release.bundle import write_bundle
from kinoloop.release.info import Provenance
from kinoloop.release.search_training import MOST_PAIRS


def main() -> None:
    """Learn and print."""
    parser = argparse.ArgumentParser(description="What the search log teaches a search.")
    parser.add_argument("data", type=Path, help="directory with the Delta tables")
    tables = Tables(parser.parse_args().data)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("kinoloop.release.search_training").setLevel(logging.INFO)
    catalogue = load_catalogue(tables)
    log = load_search_log(tables, catalogue.ids, most=MOST_PAIRS)
    print(f"{len(log)} pairs, {len(set(log.queries))} different queries, {len(catalogue)} videos")
    histories = load_histories(tables, catalogue.ids, InterestConfig())
    with tempfile.TemporaryDirectory() as folder:
        info = write_bundle(
            Path(folder) / "bundle",
            recommender=build({"kind": "popularity"}).fit(histories, catalogue),
            catalogue=catalogue,
            histories=histories,
            provenance=Provenance(encoders={"text": {"kind": "minilm"}}),
            searches=log,
        )
    print(f"taken: {info.search}" if info.search else "nothing is taken")


if __name__ == "__main__":
    main()
