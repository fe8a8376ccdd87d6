"""The dumping windows: compared with an independent definition over whole years, and at their edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.inventory.loader import builtin_city, load_city
from city.inventory.windows import ALL_DAY, DumpingHours, Window, Windows, parse_window

KUPANG = ZoneInfo("Asia/Makassar")
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY_MIN = 24 * 60
MINUTE = timedelta(minutes=1)


def every_day(*windows: Window, exceptions: dict[date, Windows] | None = None) -> DumpingHours:
    """Hours that are the same on each day of the week."""
    w = tuple(windows)
    return DumpingHours("default", "Everywhere", (w, w, w, w, w, w, w), exceptions or {})


def painted_year(hours: DumpingHours, year: int) -> bytearray:
    """One byte per wall-clock minute of a year, painted window by window: the independent definition."""
    first = date(year, 1, 1)
    length_min = (date(year + 1, 1, 1) - first).days * DAY_MIN
    painted = bytearray(length_min)
    for offset in range(-1, length_min // DAY_MIN):
        day = first + timedelta(days=offset)
        for window in hours.exceptions.get(day, hours.weekly[day.weekday()]):
            start = offset * DAY_MIN + window.start.hour * 60 + window.start.minute
            lasts_min = (window.end.hour - window.start.hour) * 60 + window.end.minute - window.start.minute
            end = start + (lasts_min if lasts_min > 0 else lasts_min + DAY_MIN)
            for minute in range(max(start, 0), min(end, length_min)):
                painted[minute] = 1
    return painted


def at(text: str, zone: ZoneInfo = KUPANG) -> datetime:
    """A local time."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


DEFAULT = every_day(Window(time(17), time(5)))
LILIBA = every_day(Window(time(18), time(6)))
MIXED = DumpingHours(
    "mixed",
    "A bit of everything",
    (
        (Window(time(17), time(5)),),
        (),
        (ALL_DAY,),
        (Window(time(2, 30), time(3, 15)), Window(time(23), time(0))),
        (Window(time(5), time(5)),),
        (Window(time(22), time(2, 30)),),
        (Window(time(2), time(3)),),
    ),
    {date(2026, 12, 25): (ALL_DAY,), date(2026, 8, 17): (), date(2026, 3, 29): (Window(time(1, 30), time(2, 30)),)},
)


@pytest.mark.parametrize("zone", [KUPANG, AMSTERDAM], ids=str)
@pytest.mark.parametrize("hours", [DEFAULT, MIXED], ids=["default", "mixed"])
def test_every_minute_of_a_year_agrees_with_a_painted_calendar(hours: DumpingHours, zone: ZoneInfo) -> None:
    """Every real minute of 2026 is judged by what its wall clock shows, skipped and repeated hours included."""
    painted = painted_year(hours, 2026)
    start = datetime(2026, 1, 1, tzinfo=zone).astimezone(UTC)
    end = datetime(2027, 1, 1, tzinfo=zone).astimezone(UTC)
    wrong = []
    for minute in range((end - start) // MINUTE):
        moment = start + minute * MINUTE
        wall = moment.astimezone(zone)
        expected = painted[(wall.timetuple().tm_yday - 1) * DAY_MIN + wall.hour * 60 + wall.minute]
        if hours.allows(moment, zone) != bool(expected):
            wrong.append(wall)
    assert not wrong


clock_times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 59]))
day_windows = st.lists(st.builds(Window, clock_times, clock_times), max_size=2).map(tuple)
random_hours = st.builds(
    DumpingHours,
    st.just("random"),
    st.just("Random"),
    st.tuples(*[day_windows] * 7),
    st.dictionaries(st.dates(date(2026, 3, 20), date(2026, 4, 5)), day_windows, max_size=3),
)


@settings(max_examples=40, deadline=None)
@given(hours=random_hours, zone=st.sampled_from([KUPANG, AMSTERDAM]), probes=st.lists(st.integers(0, 525_599)))
def test_any_hours_agree_with_a_painted_calendar(hours: DumpingHours, zone: ZoneInfo, probes: list[int]) -> None:
    """Whatever the windows and exceptions, a moment is allowed exactly when its minute is painted."""
    painted = painted_year(hours, 2026)
    for minute in [*probes, *range(86 * DAY_MIN, 89 * DAY_MIN, 7)]:
        moment = datetime(2026, 1, 1, tzinfo=zone) + minute * MINUTE
        wall = moment.astimezone(UTC).astimezone(zone)
        index = (wall.timetuple().tm_yday - 1) * DAY_MIN + wall.hour * 60 + wall.minute
        assert hours.allows(moment.astimezone(UTC), zone) == bool(painted[index]), wall


@settings(max_examples=60, deadline=None)
@given(
    hours=random_hours,
    zone=st.sampled_from([KUPANG, AMSTERDAM]),
    start=st.datetimes(datetime.fromisoformat("2026-03-27"), datetime.fromisoformat("2026-03-31")),
)
def test_the_next_change_is_the_first_one(hours: DumpingHours, zone: ZoneInfo, start: datetime) -> None:
    """Nothing changes before the moment that is given, and there it does."""
    now = start.replace(tzinfo=UTC, second=0, microsecond=0)
    answer = hours.allows(now, zone)
    change = hours.next_change(now, zone)
    horizon = change or now + timedelta(days=2)
    for minute in range(min((horizon - now) // MINUTE, 2 * DAY_MIN)):
        assert hours.allows(now + minute * MINUTE, zone) == answer
    if change:
        assert hours.allows(change, zone) != answer
        assert change.tzinfo is zone


@pytest.mark.parametrize(
    ("clock", "allowed"),
    [
        ("04:59:59", True),
        ("05:00:00", False),
        ("16:59:59", False),
        ("16:59:59.999999", False),
        ("17:00:00", True),
        ("00:00:00", True),
        ("12:00:00", False),
    ],
)
def test_the_default_window_opens_at_five_in_the_evening_and_ends_before_five(clock: str, *, allowed: bool) -> None:
    """17:00 is inside, 05:00 is outside, to the second."""
    assert DEFAULT.allows(at(f"2026-03-04T{clock}"), KUPANG) is allowed


@pytest.mark.parametrize(
    ("clock", "allowed"),
    [("05:30:00", True), ("05:59:59", True), ("06:00:00", False), ("17:30:00", False), ("18:00:00", True)],
)
def test_liliba_keeps_its_own_hours(clock: str, *, allowed: bool) -> None:
    """The built-in city's TPS Liliba opens and ends an hour later than the rest."""
    city = load_city(builtin_city("kupang"))
    assert city.hours_at("tps-liliba").allows(at(f"2026-03-04T{clock}"), city.time_zone) is allowed
    assert city.hours_at("tps-liliba").describe() == "18:00-06:00"
    assert city.hours_at("tps-oebobo").describe() == "17:00-05:00"
    assert city.hours_at("no-such-site") is city.hours["default"]


def test_moments_in_any_zone_are_judged_by_the_local_clock() -> None:
    """09:00 UTC is 17:00 in Kupang."""
    assert DEFAULT.allows(datetime(2026, 3, 4, 9, 0, tzinfo=UTC), KUPANG)
    assert not DEFAULT.allows(datetime(2026, 3, 4, 8, 59, 59, tzinfo=UTC), KUPANG)


def test_an_exception_replaces_the_windows_that_start_on_its_date() -> None:
    """On a closed date the night before still ends at five, and the morning after stays closed."""
    hours = every_day(Window(time(17), time(5)), exceptions={date(2026, 8, 17): ()})
    assert hours.allows(at("2026-08-17T04:59:59"), KUPANG)
    assert not hours.allows(at("2026-08-17T20:00:00"), KUPANG)
    assert not hours.allows(at("2026-08-18T03:00:00"), KUPANG)
    assert hours.allows(at("2026-08-18T17:00:00"), KUPANG)


def test_an_all_day_exception_lasts_from_midnight_to_midnight() -> None:
    """Waste may be put out on the whole date; the next morning it may not, as no window started the evening before."""
    hours = every_day(Window(time(17), time(5)), exceptions={date(2026, 12, 25): (ALL_DAY,)})
    assert hours.allows(at("2026-12-25T12:00:00"), KUPANG)
    assert hours.allows(at("2026-12-25T23:59:59"), KUPANG)
    assert not hours.allows(at("2026-12-26T00:00:00"), KUPANG)


def test_the_next_change_tells_when_it_opens_and_closes() -> None:
    """At noon it is the opening, at night and at the opening itself the end; hours that never change have none."""
    assert DEFAULT.next_change(at("2026-03-04T12:00:00"), KUPANG) == at("2026-03-04T17:00:00")
    assert DEFAULT.next_change(at("2026-03-04T23:00:00"), KUPANG) == at("2026-03-05T05:00:00")
    assert DEFAULT.next_change(at("2026-03-04T17:00:00"), KUPANG) == at("2026-03-05T05:00:00")
    assert every_day(ALL_DAY).next_change(at("2026-03-04T12:00:00"), KUPANG) is None


def test_hours_describe_themselves() -> None:
    """Days that keep the same hours are named together."""
    week = ((Window(time(17), time(5)),),) * 5
    hours = DumpingHours("x", "X", (*week, (ALL_DAY,), ()))
    assert hours.describe() == "Mon-Fri 17:00-05:00, Sat all day, Sun closed"
    assert LILIBA.describe() == "18:00-06:00"
    assert every_day(Window(time(6), time(7)), Window(time(17), time(18))).describe() == "06:00-07:00 and 17:00-18:00"


def test_a_naive_moment_is_refused() -> None:
    """A time without a zone could be anything."""
    with pytest.raises(ValueError, match="no time zone"):
        DEFAULT.allows(datetime.fromisoformat("2026-03-04T12:00:00"), KUPANG)


def test_windows_are_parsed() -> None:
    """`24:00` is midnight at the end, `all_day` the whole day."""
    assert parse_window("17:00-05:00") == Window(time(17), time(5))
    assert parse_window("08:15-24:00") == Window(time(8, 15), time(0))
    assert parse_window("00:00-24:00") == parse_window("all_day") == ALL_DAY


@pytest.mark.parametrize(
    "text", ["", "17-05", "24:00-05:00", "25:00-05:00", "17:00-05:60", "17:00 - 05:00", "1700-0500"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    """The message repeats what was given."""
    with pytest.raises(ValueError, match="is not a window like '17:00-05:00'"):
        parse_window(text)
