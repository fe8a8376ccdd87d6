"""The planning process: a deadline, a crash, a plan that breaks a rule; the plan in force survives them all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from city.errors import StorageError
from dispatch.planning.checker import check_plan
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.plans import NoProposalError, PlanBook, StoredPlan
from dispatch.planning.problem import RouteProblem
from dispatch.planning.process import PlanFailedError, plan_in_process
from dispatch.planning.worker import PlanAnswer, PlanRequest
from tests.support.route_problems import line_table, make_landfill, make_stop, make_truck

DEADLINE_S = 60.0
NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)


def problem() -> RouteProblem:
    return RouteProblem(
        stops=(make_stop(1), make_stop(2)),
        landfills=(make_landfill(3),),
        trucks=(make_truck(),),
        travel={"large": line_table([0, 1000, 2000, 3000])},
    )


def command(code: str) -> Sequence[str]:
    return (sys.executable, "-c", code)


def failure_of(code: str, deadline_s: float = DEADLINE_S) -> PlanFailedError:
    with pytest.raises(PlanFailedError) as caught:
        plan_in_process(PlanRequest(problem(), 0.1), deadline_s, command=command(code))
    return caught.value


def test_a_plan_is_made_in_another_process_and_passes_the_checker() -> None:
    plan = plan_in_process(PlanRequest(problem(), 0.2), DEADLINE_S)
    assert check_plan(problem(), plan) == []
    assert {visit.id for route in plan.routes for visit in route.visits} == {"s1", "s2", "tpa"}


def test_a_process_that_is_not_done_at_the_deadline_is_ended(tmp_path: Path) -> None:
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    assert failure_of(code, 3.0).failure == "deadline"
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "exit -9"),
        ("raise ValueError('no memory')", "no memory"),
        ("print('hello')", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_process_that_fails_is_told_with_its_last_words(code: str, told: str) -> None:
    error = failure_of(code)
    assert error.failure == "crash"
    assert told in str(error)


def test_a_planner_that_cannot_be_started_is_told() -> None:
    with pytest.raises(PlanFailedError) as caught:
        plan_in_process(PlanRequest(problem(), 0.1), DEADLINE_S, command=("/nonexistent/planner",))
    assert caught.value.failure == "crash"


def test_a_problem_without_a_plan_is_told() -> None:
    heavy = msgspec.structs.replace(problem(), stops=(make_stop(1, load=101.0),))
    with pytest.raises(PlanFailedError, match="no route for 1 stops: s1") as caught:
        plan_in_process(PlanRequest(heavy, 0.1), DEADLINE_S)
    assert caught.value.failure == "impossible"


def test_a_problem_that_contradicts_itself_is_told() -> None:
    wrong = msgspec.structs.replace(problem(), landfills=())
    with pytest.raises(PlanFailedError, match="there is no landfill"):
        plan_in_process(PlanRequest(wrong, 0.1), DEADLINE_S)


def test_a_plan_that_breaks_a_rule_is_none(tmp_path: Path) -> None:
    answer = msgspec.msgpack.encode(PlanAnswer(CollectionPlan((), (), "given")))
    (tmp_path / "answer").write_bytes(answer)
    error = failure_of(f"import sys; sys.stdout.buffer.write(open({str(tmp_path / 'answer')!r}, 'rb').read())")
    assert error.failure == "faulty"
    assert "stop_missing s1" in str(error)


def test_the_process_has_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOTA_SNMP_COMMUNITY", "secret")
    assert "KOTA" not in str(failure_of("import os; raise ValueError(sorted(os.environ))"))


def test_whoever_asks_for_plans_loads_no_solver() -> None:
    code = (
        "import sys, dispatch.planning.service, dispatch.planning.explain, dispatch.planning.sources;"
        "print([name for name in ('pyvrp', 'scipy', 'osmium', 'numpy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(command(code), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def stored(made_at: datetime) -> StoredPlan:
    return StoredPlan(date(2026, 12, 1), made_at, problem(), CollectionPlan((), (), "given"), {})


def test_a_proposal_comes_into_force_when_it_is_accepted(tmp_path: Path) -> None:
    book = PlanBook(tmp_path)
    assert book.current() is None
    book.propose(stored(NOW))
    assert book.current() is None
    assert book.accept(NOW) == stored(NOW)
    assert PlanBook(tmp_path).current() == stored(NOW)
    assert book.proposal() is None


def test_a_rejected_proposal_leaves_the_plan_in_force(tmp_path: Path) -> None:
    book = PlanBook(tmp_path)
    book.propose(stored(NOW))
    book.accept(NOW)
    later = NOW + timedelta(hours=1)
    book.propose(stored(later))
    book.reject(later)
    assert book.current() == stored(NOW)
    assert book.proposal() is None


@pytest.mark.parametrize("act", ["accept", "reject"])
def test_a_proposal_that_was_replaced_meanwhile_is_refused(tmp_path: Path, act: str) -> None:
    book = PlanBook(tmp_path)
    book.propose(stored(NOW))
    book.propose(stored(NOW + timedelta(minutes=1)))
    with pytest.raises(NoProposalError):
        getattr(book, act)(NOW)
    assert book.proposal() == stored(NOW + timedelta(minutes=1))


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xc1", msgspec.msgpack.encode({"version": 99})])
def test_a_damaged_file_is_no_plan(tmp_path: Path, content: bytes) -> None:
    book = PlanBook(tmp_path)
    book.propose(stored(NOW))
    (tmp_path / "planning" / "proposal.msgpack").write_bytes(content)
    assert book.proposal() is None


def test_a_disk_that_refuses_leaves_the_plan_in_force(tmp_path: Path) -> None:
    book = PlanBook(tmp_path)
    book.propose(stored(NOW))
    book.accept(NOW)
    (tmp_path / "planning" / ".proposal.msgpack.part").mkdir()
    with pytest.raises(StorageError):
        book.propose(stored(NOW + timedelta(hours=1)))
    assert book.current() == stored(NOW)
