from kinoloop.cli.readiness import why_not_ready

ARRIVING = {"error": "release_arriving", "what": "it is being fetched", "next_step": "wait"}
NOTHING = {"error": "no_release", "what": "nothing was promoted", "next_step": "kinoloop promote"}


def test_a_service_is_not_ready_before_it_can_answer():
    said = iter([ARRIVING, ARRIVING, {}])
    assert why_not_ready("", ask=lambda _: next(said)) == ""
    assert next(said, "asked to the end") == "asked to the end"


def test_what_does_not_go_away_by_itself_is_reported_at_once_with_the_next_step():
    said = iter([ARRIVING, NOTHING])
    told = why_not_ready("", ask=lambda _: next(said))
    assert told == "nothing was promoted; next: kinoloop promote"


def test_patience_ends():
    told = why_not_ready("", ask=lambda _: ARRIVING, patience_s=0.0)
    assert told.startswith("it is being fetched")


def test_a_port_where_nobody_listens_is_not_ready():
    assert "gives no answer" in why_not_ready("http://127.0.0.1:1/readyz")
