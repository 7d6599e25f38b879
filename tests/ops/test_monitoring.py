"""The dashboard and the alerts name what `/metrics` has, and the alerts fire where they should."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from serving import metrics

OPS = Path(__file__).resolve().parents[2] / "ops"
RULES = OPS / "prometheus" / "alerts.yml"
DASHBOARD = OPS / "grafana" / "dashboards" / "kinoloop.json"
PROMTOOL = shutil.which("promtool")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None and not os.environ.get("CI"),
    reason="needs promtool, which Debian's package prometheus has",
)


def told() -> dict[str, set[str]]:
    """Labels of every series that the service tells, by name; `up` is Prometheus's own."""
    found = {"up": {"job", "instance"}}
    for collector in vars(metrics).values():
        if not isinstance(collector, Counter | Gauge | Histogram):
            continue
        for family in collector.describe():
            for suffix in _SUFFIXES[family.type]:
                labels = {*collector._labelnames, "instance", "job"}
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def panels():
    return [p for p in json.loads(DASHBOARD.read_text())["panels"] if p["type"] != "row"]


def expressions() -> list[str]:
    """Every expression of dashboard and alerts, as Prometheus is asked."""
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]
    asked = [e.replace("$__rate_interval", "5m").replace("$instance", ".*") for e in asked]
    return asked + [rule["expr"] for rule in rules]


def names_of(expression: str) -> set[str]:
    return set(re.findall(r"\bkinoloop_\w+|\bup\b", re.sub(r'"[^"]*"', '""', expression)))


def test_every_query_names_a_metric_and_labels_that_the_service_has():
    for expression in expressions():
        names = names_of(expression)
        assert names, expression
        assert names <= set(told()), expression
        labels = set.union(*(told()[name] for name in names))
        plain = re.sub(r'"[^"]*"', '""', expression)
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", plain))
        for group in re.findall(r"by \(([^)]*)\)", plain):
            asked |= {label.strip() for label in group.split(",")}
        assert asked <= labels, expression


def test_every_metric_of_the_service_is_on_the_dashboard():
    shown = set().union(*(names_of(e) for e in expressions()))
    for name in {re.sub("_(bucket|sum|count)$", "", name) for name in told()}:
        assert any(one.startswith(name) for one in shown), name


def test_the_values_that_queries_compare_labels_with_are_told():
    said = " ".join(family.documentation for family in REGISTRY.collect())
    outcomes = {"rejected"}  # of feedback: serving/receipts.py
    for expression in expressions():
        for values in re.findall(r'outcome=~?"([^"]*)"', expression):
            for value in values.split("|"):
                assert value in said or value in outcomes, expression


def test_panels_are_distinct_and_do_not_cover_each_other():
    laid = json.loads(DASHBOARD.read_text())["panels"]
    assert len({p["id"] for p in laid}) == len(laid)
    cells = [
        (x, y)
        for p in laid
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def promtool(*arguments) -> str:
    assert PROMTOOL is not None, "CI installs promtool: .ci/run"
    done = subprocess.run(
        [PROMTOOL, *map(str, arguments)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_prometheus_reads_the_configuration_the_rules_and_every_query(tmp_path):
    assert f"{len(expressions()) - sum(len(p['targets']) for p in panels())} rules" in promtool(
        "check", "rules", RULES
    )
    promtool("check", "config", "--syntax-only", OPS / "prometheus" / "prometheus.yml")
    rules = [{"record": f"q:{n}", "expr": e} for n, e in enumerate(expressions())]
    queries = tmp_path / "queries.yml"
    queries.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", queries)


@needs_promtool
def test_every_alert_fires_where_it_should_and_only_there():
    promtool("test", "rules", OPS / "prometheus" / "alerts_test.yml")
    tests = yaml.safe_load((OPS / "prometheus" / "alerts_test.yml").read_text())["tests"]
    asked = [
        (one["alertname"], bool(one["exp_alerts"])) for t in tests for one in t["alert_rule_test"]
    ]
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    alerts = {rule["alert"] for rule in rules}
    assert {name for name, fires in asked if fires} == alerts
    assert {name for name, fires in asked if not fires} == alerts
