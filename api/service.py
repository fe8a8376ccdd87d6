"""The service `api`: REST and console, on the store that ingest of the same process has opened."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from api.app import create_app
from api.context import ApiContext
from api.http.server import GRACE_S, http_server
from api.queries.alarm_conditions import observe
from api.queries.broker_refusals import BrokerRefusals
from api.queries.city_checks import CHECKS
from api.queries.collections import LastCollections
from api.queries.crew_alerts import CrewAlerts
from api.queries.crew_photos import CrewPhotos
from api.queries.day_inputs import DaySources
from api.queries.day_planner import PLAN_JOB_KINDS, DayPlanner
from api.queries.dispatch_board import DispatchBoard
from api.queries.dispatch_day import DispatchDay
from api.queries.evidence_service import EvidenceService
from api.queries.fill_forecasts import FillForecasts, collect_alerts
from api.queries.reviews import ReviewService
from city.inventory.editing.editor import CityEditor
from city.inventory.model import Profile
from city.runtime.connected_devices import ConnectedDevices
from city.runtime.gateways import Gateways
from city.runtime.password_changes import PasswordChanges
from city.runtime.passwords import Passwords
from city.runtime.ports import PortTakenError, is_loopback
from city.runtime.recipient_problems import write_recipient_problems
from city.runtime.service import Runtime, city_files, city_folder
from dispatch.alarms.rules import LiveRules
from dispatch.alarms.service import Alarms
from dispatch.alarms.watcher import AlarmBoard, AlarmWatcher
from dispatch.notifications.board import NotificationBoard
from dispatch.notifications.deliveries import Deliveries
from dispatch.notifications.feed import NotificationFeed
from dispatch.notifications.notifier import Notifier
from dispatch.notifications.recipients import FILE_NAME as NOTIFICATIONS_FILE
from dispatch.notifications.recipients import RecipientsFile
from dispatch.services import dispatch_services
from ingest.codecs.runner import IsolatedCodecRunner
from ingest.decoding.dry_run import DryRunResult, dry_run
from ingest.pipeline.http_intake import accept
from ingest.pipeline.journal_params import open_journal
from ingest.pipeline.replay import replay
from ingest.store.factory import Account, open_store
from ingest.store.parked.quarantine import QuarantinedMessage
from people.grafana_sign_in import GrafanaSignIn
from people.service import open_people
from vision.evidence.photos import PhotoRedactor
from vision.evidence.retention import keep_enforcing, lifetimes_of
from vision.evidence.store import open_evidence_store
from vision.models.known import chosen_model


def clock() -> datetime:
    """The current time, UTC."""
    return datetime.now(UTC)


def serve(runtime: Runtime) -> None:
    """Serve HTTP until the runtime stops."""
    settings = runtime.settings
    rules = LiveRules(city_files(settings))
    # A process that also runs ingest has one store, and writes to it.
    account: Account = "ingest" if "ingest" in runtime.services else "api"
    opened = runtime.share("store", lambda: open_store(settings, runtime.inventory, account))
    journal = open_journal(settings, runtime.secrets)
    codecs = runtime.share("codecs", IsolatedCodecRunner)

    def replay_dead_letters(ids: Sequence[int]) -> int:
        return replay(opened.dead_letters, journal, ids)

    def receive(topic: str, payload: bytes) -> None:
        accept(journal, topic, payload, clock())

    def preview(profile: str | Profile, message: QuarantinedMessage, model: str) -> DryRunResult:
        return dry_run(runtime.city, profile, message.arrival(), model=model, codecs=codecs)

    # Grafana compares the issuer with `KOTA_PUBLIC_URL` as it is written, with or without a slash at its end.
    public_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    people = open_people(settings.data, settings.database_url.get_secret_value(), runtime.secrets, clock)
    refusals = BrokerRefusals(settings.data, people.audit, clock)
    runtime.thread("broker-refusals", lambda: refusals.keep_taking(runtime.stop))
    room = open_evidence_store(settings, runtime.secrets)
    runtime.thread("evidence-retention", lambda: keep_enforcing(room, lifetimes_of(settings), runtime.stop))
    board = AlarmBoard()
    dispatch = dispatch_services(people.database, people.audit, runtime.secrets.crew_key(), clock)
    forecasts = FillForecasts(opened.store, runtime.inventory, clock, dispatch.visits.received_between)
    collections = LastCollections()
    sources = DaySources(opened.store, forecasts, collections, dispatch, lambda: collect_alerts(board))
    folder = city_folder(settings.city)
    planner = DayPlanner(runtime.inventory, folder, settings.data, sources, people.audit, clock)
    context = ApiContext(
        inventory=runtime.inventory,
        reader=opened.store,
        dead_letters=opened.dead_letters,
        quarantine=opened.quarantine,
        health=opened.health,
        secrets=runtime.secrets,
        people=people,
        alarms=Alarms(people.database, people.audit, clock),
        alarm_board=board,
        deliveries=Deliveries(people.database, clock),
        notification_board=NotificationBoard(),
        forecasts=forecasts,
        dispatch=dispatch,
        dispatch_board=DispatchBoard(),
        planner=planner,
        collections=collections,
        open_id=people.open_id(settings.secrets_folder or settings.data),
        grafana=GrafanaSignIn(runtime.secrets.grafana_seed(), public_url, settings.grafana_public_url),
        gateways=Gateways(settings.data),
        passwords=Passwords(runtime.secrets, PasswordChanges(settings.data)),
        data=settings.data,
        evidence=EvidenceService(room, runtime.inventory, settings.evidence_clear_key, clock),
        # Like an outbox of its own: a new life, so that its seqs are never taken for older ones.
        reviews=ReviewService(runtime.city.id, secrets.token_hex(5), journal.append),
        crew_alerts=CrewAlerts(runtime.city.id, journal.append),
        crew_photos=CrewPhotos(room, PhotoRedactor(lambda: chosen_model(settings))),
        demo=settings.demo,
        # Where other machines could ask, as in a container, nobody is let in without a token.
        is_open=settings.demo and is_loopback(settings.host),
        public_url=public_url.rstrip("/"),
        replay=replay_dead_letters,
        receive=receive,
        preview=preview,
        refresh=runtime.additions.refresh,
        clock=clock,
        codecs=codecs,
        connected=ConnectedDevices(settings.data),
        editor=CityEditor(city_files(settings), clock, CHECKS),
        file_problems=lambda: runtime.additions.problems,
    )
    file = RecipientsFile((settings.secrets_folder or settings.data) / NOTIFICATIONS_FILE, lambda: runtime.city)
    notifier = Notifier(
        file,
        NotificationFeed(people.database, rules.current, clock),
        context.deliveries,
        context.notification_board,
        lambda: runtime.city,
        context.public_url,
        is_demo=settings.demo,
        clock=clock,
        publish=partial(write_recipient_problems, settings.data),
    )
    notifying = runtime.thread(
        "api-notifications",
        lambda: notifier.keep_looking(runtime.stop, lambda: runtime.beat("api-notifications")),
    )
    watcher = AlarmWatcher(context.alarms, board, rules.current, partial(observe, context), clock)
    kept = timedelta(days=settings.event_days)
    watching = runtime.thread(
        "api-alarms", lambda: watcher.keep_looking(runtime.stop, lambda: runtime.beat("api-alarms"), kept)
    )
    forecasting = runtime.thread(
        "api-forecast", lambda: forecasts.keep_looking(runtime.stop, lambda: runtime.beat("api-forecast"))
    )
    day = DispatchDay(context, context.dispatch_board, kept)
    following = runtime.thread(
        "api-dispatch", lambda: day.keep_looking(runtime.stop, lambda: runtime.beat("api-dispatch"))
    )
    planning = [
        runtime.thread(name, partial(planner.keep_planning, kind, runtime.stop, partial(runtime.beat, name)))
        for kind in PLAN_JOB_KINDS
        for name in (f"api-planning-{kind}",)
    ]
    app = create_app(context)
    server = http_server(
        app, settings.host, settings.port, beat=lambda: runtime.beat("api"), trusted_proxies=settings.trusted_proxies
    )
    thread = runtime.thread("api-http", server.run)
    while not runtime.stop.wait(0.2):
        if not thread.is_alive():
            raise PortTakenError("the HTTP server ended; is its port taken?")
    server.should_exit = True
    thread.join(GRACE_S + 1)
    watching.join(GRACE_S + 1)
    notifying.join(GRACE_S + 1)
    forecasting.join(GRACE_S + 1)
    for thread in (following, *planning):
        thread.join(GRACE_S + 1)
    journal.close()
    people.close()
