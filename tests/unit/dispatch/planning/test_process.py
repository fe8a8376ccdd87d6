"""The planning process: a deadline, a crash, a plan that breaks a rule."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from dispatch.planning.checker import check_plan
from dispatch.planning.plan import CollectionPlan
from dispatch.planning.problem import RouteProblem
from dispatch.planning.process import PlanFailedError, plan_in_process
from dispatch.planning.worker import PlanAnswer, PlanRequest
from tests.support.route_problems import line_table, make_landfill, make_stop, make_truck

DEADLINE_S = 60.0


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
