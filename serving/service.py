"""The BentoML service: `bentoml serve serving.service:Kinoloop`.

Endpoints are thin: request validation (serving/request_validation.py) lets only well-formed
requests through, the release answers, and each handler is a few lines between them. They run on the
event loop: an answer takes a millisecond or two, less than handing it to a thread and back would
cost under load.
"""

import math
import os
import threading

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported: cores are for workers
os.environ.setdefault("POLARS_MAX_THREADS", "1")  # and when polars is

from typing import TYPE_CHECKING, Any, cast

import bentoml
from starlette.responses import Response

from kinoloop.data.situations import situation_of
from kinoloop.environment import Environment
from kinoloop.ingestion.rule import IngestConfig
from kinoloop.policy.config import PolicyConfig
from kinoloop.policy.filters import Filters
from kinoloop.privacy.pseudonyms import load_pseudonyms
from kinoloop.release.availability import now
from kinoloop.settings import read_section
from serving import messages, protocol, standby, startup
from serving.admission import Admission
from serving.answers import Asker, sent
from serving.asking import Asking, Wish
from serving.batch import Batches
from serving.collector import collect_when
from serving.config import ServingConfig
from serving.connections import Connections
from serving.direct import Direct
from serving.drain import Drain
from serving.event_check import EventCheck
from serving.feedback import FeedbackWriter
from serving.guard import Guard
from serving.housekeeping import Housekeeping
from serving.observe import Observe
from serving.outbox import Outbox
from serving.problems import Waiting, answered, no_release, unknown_video
from serving.readiness import Readiness
from serving.reading import Reading
from serving.receipts import receipt_of
from serving.recommending import Recommending
from serving.records import Records
from serving.request_validation import RequestValidation
from serving.routes import BODIES, READ
from serving.site import build_site
from serving.slates import AskedSearch, AskedSimilar, slate_of
from serving.state import open_state
from serving.takedowns import Takedowns

if TYPE_CHECKING:  # the process that only watches the workers need not import all of it
    from serving.in_service import InService

environment = Environment()
config = read_section("serving", ServingConfig, environment.settings_file)
site = build_site(config.example_users)
direct = Direct(lambda: site.state.served)
site.state.guard = guard = Guard(startup.known_tokens(environment, config), config)
admission = Admission(longest=config.max_queue, longest_overloaded=config.max_queue_overloaded)
connections = Connections(config.max_connections)
drain = Drain(connections, longest_s=config.drain_s)
protocol.install(protocol.Bounds(admission, connections, config.header_s))


@bentoml.service(
    name="kinoloop",
    workers=config.workers + config.spare_workers,
    http={"cors": startup.cors(config.origins)},
    traffic={"timeout": 15},  # seconds; BentoML keeps a timer this long for every request
    tracing={"excluded_urls": ".*"},  # five spans per request, a third of its cost, and no exporter
    metrics={"enabled": False},  # labels of unbounded number: see serving/metrics.py
    logging={"access": {"enabled": False}},  # a line per request: see serving/observe.py
)
@bentoml.asgi_app(site)
class Kinoloop:
    """Recommends videos, finds similar ones, searches, and learns from feedback at once."""

    def __init__(self) -> None:
        place = standby.Place(config.workers)
        place.take(prepare=startup.prepare_process)
        folder = environment.state_dir / "serving"
        self._pseudonyms = load_pseudonyms(environment)
        check = EventCheck(
            read_section("ingest", IngestConfig, environment.settings_file),
            pseudonym=self._pseudonyms.of,
            clock_skew_s=config.clock_skew_s,
        )
        self._state = open_state(environment, hurried=True)
        self._writer = FeedbackWriter(self._state, check)
        policy = read_section("policy", PolicyConfig, environment.settings_file)
        self._records = Records(folder, environment, self._state, config=config, policy=policy)
        self._answers = self._records.answers
        self._reading = Reading(self._state)
        self._asking = Asking.by_settings(
            environment, self._state, fatigue=self._records.fatigue, reading=self._reading
        )
        self._recommending = Recommending(
            self._required,
            self._pseudonyms.of,
            asking=self._asking,
            records=self._records,
            budget_ms=config.budget_ms or math.inf,
        )
        self._batches = Batches(self._recommending, admission, charge=guard.charge_user)
        outbox = Outbox(self._state, environment.landing, max_rows=config.export_rows)
        self._housekeeping = Housekeeping(
            config, state=self._state, outbox=outbox, records=self._records, policy=policy
        )
        self.takedowns = Takedowns(self._state, lambda: self.in_service)
        self._champion = startup.watch_champion(
            environment, config, self._pseudonyms.key_id, prepare=self.takedowns.apply
        )
        self.takedowns.start()
        self._reading.start(lambda: self.in_service)
        self._records.first_slates.start()
        collect_when(lambda: admission.idle, stop=threading.Event())
        site.state.served = self
        drain.watch()
        place.ready()

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Once, before the workers are started."""
        startup.say_who_may_ask(environment, config)
        standby.prepare()

    @property
    def in_service(self) -> "InService | None":
        """The release in service."""
        return self._champion.current

    @property
    def waiting(self) -> Waiting:
        """Why there is no release in service, while there is none."""
        return self._champion.waiting

    def lineage_of(self, request_id: str) -> dict[str, Any] | None:
        """Return what is known of an answer."""
        return self._records.lineage.find(request_id)

    def upload_seconds(self) -> list[float]:
        """Return how long the newest uploads took to their first slate."""
        return self._records.first_slates.newest()

    def __is_ready__(self) -> bool:
        """Whether there is a release to answer with, and a future; `/livez` is fine without."""
        return self.in_service is not None and not drain.begun

    @bentoml.on_shutdown
    def leave(self) -> None:
        """Leave nothing behind: feedback is on the disk, then in the landing zone."""
        self._champion.close()
        self.takedowns.close()
        self._records.first_slates.close()
        self._writer.close()
        self._reading.close()
        self._housekeeping.close()
        self._state.shut()

    @bentoml.api(input_spec=messages.RecommendRequest, output_spec=messages.Slate)
    @answered
    async def recommend(
        self,
        user_id: str,
        top_k: int,
        history: list[str] | None,
        exclude: list[str],
        include_seen: bool,  # noqa: FBT001 (BentoML passes by keyword)
        cursor: str | None,
        filters: Filters,
        explain: bool,  # noqa: FBT001 (likewise)
        surface: str | None,
        device: str | None,
        context: dict[str, Any] | None,
    ) -> Response:
        """Recommend videos to a user, from what is on record or from a history given here."""
        situation = situation_of(surface or "recommend", device, context)
        wish = Wish(top_k, history, exclude, include_seen, situation, filters, explain)
        asker = Asker(None, surface, device, context)
        return sent(await self._recommending.to(user_id, wish, asker, cursor=cursor))

    @bentoml.api(
        route="/recommend/batch",
        input_spec=messages.BatchRequest,
        output_spec=messages.BatchAnswer,
    )
    @answered
    async def recommend_batch(
        self,
        users: list[Any],
        top_k: int,
        exclude: list[str],
        include_seen: bool,  # noqa: FBT001 (BentoML passes by keyword)
        filters: Filters,
        explain: bool,  # noqa: FBT001 (likewise)
        surface: str | None,
        device: str | None,
        context: dict[str, Any] | None,
    ) -> Response:
        """Recommend videos to many users: each is answered as /recommend would, in their order."""
        self._required(filters)
        situation = situation_of(surface or "recommend", device, context)
        wish = Wish(top_k, None, exclude, include_seen, situation, filters, explain)
        return self._batches.answer(users, wish, Asker(None, surface, device, context))

    @bentoml.api(input_spec=messages.SimilarRequest, output_spec=messages.Slate)
    @answered
    async def similar(
        self,
        video_id: str,
        top_k: int,
        user_id: str | None,
        filters: Filters,
        surface: str | None,
        device: str | None,
        context: dict[str, Any] | None,
    ) -> Response:
        """Find videos that look, sound and read like one video."""
        current = self._required(filters)
        if not current.release.shows(video_id):
            raise unknown_video(video_id, current.dataset_version)
        allowed = self._asking.allowed(context)
        asked = AskedSimilar(video_id, top_k, now(), filters, current.overruled, allowed)
        asker = Asker(self._known_as(user_id), surface, device, context)
        slate = slate_of(current.release, asked)
        return sent(self._answers.give("similar", current, slate, asker, asked=asked))

    @bentoml.api(input_spec=messages.SearchRequest, output_spec=messages.Slate)
    @answered
    async def search(
        self,
        query: str,
        top_k: int,
        user_id: str | None,
        filters: Filters,
        surface: str | None,
        device: str | None,
        context: dict[str, Any] | None,
    ) -> Response:
        """Find videos by a text: by its meaning and by its words."""
        current = self._required(filters)
        allowed = self._asking.allowed(context)
        asked = AskedSearch(query, top_k, now(), filters, current.overruled, allowed)
        asker = Asker(self._known_as(user_id), surface, device, context)
        slate = slate_of(current.release, asked)
        if asker.pseudonym is not None:  # it counts in the next slate
            await self._reading.searched(asker.pseudonym, asked, slate, current.release.texts)
        return sent(self._answers.give("search", current, slate, asker, asked=asked))

    @bentoml.api(input_spec=messages.FeedbackRequest, output_spec=messages.FeedbackReceipt)
    @answered
    async def feedback(self, events: list[Any]) -> messages.FeedbackReceipt:
        """Take what users did. Accepted events are on the disk and count in the next request."""
        return await self._take(events)

    @bentoml.api(input_spec=messages.IdentifyRequest, output_spec=messages.FeedbackReceipt)
    @answered
    async def identify(self, user_id: str, person_id: str) -> messages.FeedbackReceipt:
        """Say which person an id is (a device, somebody before the login): one history from now."""
        said = {"user_id": user_id, "event": "identify", "person_id": person_id}
        return await self._take([said])

    @bentoml.api(input_spec=messages.NoopRequest, output_spec=messages.Nothing)
    async def noop(self) -> messages.Nothing:
        """Do nothing: what an answer costs at least, to compare `/recommend` with."""
        return messages.Nothing()

    async def _take(self, events: list[Any]) -> messages.FeedbackReceipt:
        return await receipt_of(events, self._writer, self.in_service, most=config.max_events)

    def _required(self, filters: Filters) -> "InService":
        current = self.in_service
        if current is None:
            raise no_release(self.waiting)
        current.check(filters)
        self.takedowns.look()
        return current

    def _known_as(self, user_id: str | None) -> str | None:
        return None if user_id is None else self._pseudonyms.of(user_id)


_service = cast("Any", Kinoloop)  # the decorators have made it a bentoml.Service
_service.add_asgi_middleware(
    Observe, routes=[*BODIES, *READ], log_share=config.access_log_share, drain=drain
)
_service.add_asgi_middleware(Readiness, served=lambda: site.state.served, drain=drain)
# the last one: what comes next is CORS, which says whose pages may read its refusals
_service.add_asgi_middleware(
    RequestValidation, bodies=BODIES, config=config, admission=admission, guard=guard, direct=direct
)
