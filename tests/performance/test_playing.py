"""Playing rounds: warm-ups stand apart, several models alternate, and one's failure is its own."""

import dataclasses
import statistics
from types import SimpleNamespace

import pytest

from pytest_slm.core.rounds import Conditions
from pytest_slm.errors import BackendError
from pytest_slm.performance import Decode, Load, Round, RoundPlayer, Rounds, Subject, play
from pytest_slm.performance.rounds import QuantitySpec

CALM = Conditions(
    **{"seconds": 1.0, "steal_share": 0.0, "foreign_cores": 0.0, "load_1m": 1.0, "throttled": 0},
    **{"voluntary_switches": 3, "involuntary_switches": 5, "frequency_mhz": 3000.0},
)


class Scripted(Rounds):
    """Rounds that give what they are told to, without a model."""

    quantities = (QuantitySpec(name="tps", unit="tok/s", higher_is_better=True, decides=True),)

    def __init__(self, values, log=None, name="", fails_at=None):
        self._values, self._log, self._name, self._fails_at = iter(values), log, name, fails_at
        self._n = 0

    def run(self):
        if self._n == self._fails_at:
            raise BackendError("gone", slug="host-died")
        self._n += 1
        if self._log is not None:
            self._log.append(self._name)
        value = next(self._values)
        return Round(values={"tps": value}, seconds=1 / value)


@pytest.fixture
def played(rule):
    """What is measured of rounds that are played to their end."""

    def play_alone(rounds):
        player = RoundPlayer(rounds, rule)
        play([player])
        return player.measured()

    return play_alone


def test_warm_ups_are_kept_apart_from_rounds(played):
    found = played(Scripted([50.0, 99.0, *[100.0, 101.0] * 20]))
    (speed,) = found.measurements
    assert speed.warmups[:2] == (50.0, 99.0)
    assert set(speed.values) <= {100.0, 101.0}
    assert len(speed.values) == len(found.rounds) == 6
    assert found.metrics[0].value == statistics.median(speed.values)
    assert found.timing.rounds_reason == "interval within 2 %"
    assert found.timing.warmups_agree is True


def test_rounds_that_have_a_process_each_warm_up_once(played):
    rounds = Scripted([50.0, *[100.0, 101.0] * 20])
    rounds.fresh = True
    found = played(rounds)
    assert found.measurements[0].warmups == (50.0,)
    assert len(found.rounds) == 6
    assert found.timing.warmups_agree is None


def test_every_round_has_its_conditions_as_the_models_process_saw_them(hosted, played):
    found = played(Decode(hosted(pace_s=[0.01]), 10))
    conditions = [one.conditions for one in (*found.warmups, *found.rounds)]
    assert tuple(conditions) == found.timing.conditions
    assert all(one.seconds > 0 for one in conditions)


def test_rounds_that_nobody_observes_have_none(played):
    found = played(Scripted([100.0] * 40))
    assert found.timing.conditions == ()
    assert found.timing.verdict == "stable"


def test_a_round_with_a_process_of_its_own_has_the_conditions_of_its_start(hosted, played):
    made = []

    def reopen(between):
        between()
        made.append(hosted())
        started = dataclasses.replace(CALM, seconds=float(len(made)))
        host = dataclasses.replace(made[-1].host, load_s=1.0, start_s=2.0, starting=started)
        return SimpleNamespace(host=host)

    found = played(Load(Subject(quantization="Q", open=hosted, reopen=reopen), "warm"))
    assert [one.seconds for one in found.timing.conditions] == [1.0 + n for n in range(len(made))]
    assert [m.values[0] for m in found.measurements] == [1.0, 2.0]


def test_rounds_that_disagree_are_noisy(played, rule):
    found = played(Scripted([100.0, 200.0] * 40))
    assert found.timing.verdict == "noisy"
    assert found.timing.rounds_reason == "round limit"
    assert len(found.rounds) == rule.most


def test_an_engine_that_fails_has_no_speed(rule):
    player = RoundPlayer(Scripted([100.0] * 40, fails_at=4), rule)
    play([player])
    with pytest.raises(BackendError, match="gone"):
        player.measured()


def test_rounds_of_several_models_alternate(rule):
    log = []
    players = [RoundPlayer(Scripted([speed] * 40, log, name), rule) for name, speed in (("A", 10.0), ("B", 20.0))]
    play(players)
    assert log == ["A", "B"] * (len(log) // 2)
    assert [player.measured().metrics[0].value for player in players] == [10.0, 20.0]


def test_one_that_fails_or_is_done_does_not_end_the_others(rule):
    log = []
    players = [
        RoundPlayer(Scripted([10.0] * 40, log, "A", fails_at=1), rule),
        RoundPlayer(Scripted([20.0] * 40, log, "B"), rule),
        RoundPlayer(Scripted([20.0, 30.0] * 40, log, "C"), rule),
    ]
    play(players)
    assert players[1].measured().timing.verdict in ("stable", "noisy")
    assert log[:5] == ["A", "B", "C", "B", "C"]
    assert log.count("C") > log.count("B") > log.count("A") == 1


def test_energy_is_absent_with_the_reason_or_a_number(hosted, played):
    found = played(Decode(hosted(pace_s=[0.01]), 10))
    names = {measurement.name for measurement in found.measurements}
    if "energy_per_token" in names:
        assert found.timing.energy == "RAPL"
    else:
        assert found.timing.energy
