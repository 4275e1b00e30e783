"""Ports of a stack, on the real ones of this machine."""

import socket
from collections.abc import Iterator

import pytest

from amanah.embedded import ports
from amanah.fault import Fault

NAMES = ("kafka", "intake", "routing")


@pytest.fixture
def run() -> Iterator[int]:
    """The first of twenty ports that are free now."""
    return next(base for base in ports.bases("a test of ports") if all(map(ports.free, range(base, base + 20))))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_without_any_wish_a_run_of_free_ports(run: int) -> None:
    found = ports.choose(NAMES, "somewhere", {}, {}, None)
    assert list(found) == list(NAMES)
    assert list(found.values()) == list(range(found["kafka"], found["kafka"] + 3))
    assert all(map(ports.free, found.values()))


def test_two_places_begin_to_look_at_different_ports() -> None:
    assert next(ports.bases("here")) != next(ports.bases("there"))
    assert len(set(ports.bases("here"))) == ports.SPAN // ports.STRIDE
    assert all(ports.LOWEST <= base < 32_768 for base in ports.bases("here"))


def test_the_first_choice_is_taken_if_it_is_free_and_passed_over_otherwise(run: int) -> None:
    assert ports.choose(NAMES, "x", {}, {}, None, [run])["kafka"] == run
    with socket.create_server(("127.0.0.1", run + 2)):
        assert ports.choose(NAMES, "x", {}, {}, None, [run])["kafka"] != run


def test_ports_of_earlier_are_kept_while_they_are_free(run: int) -> None:
    earlier = {"kafka": run + 4, "intake": run + 9, "routing": run + 6, "postgres": 1}
    assert ports.choose(NAMES, "x", earlier, {}, None, [run]) == {n: earlier[n] for n in NAMES}
    with socket.create_server(("127.0.0.1", run + 9)):
        assert ports.choose(NAMES, "x", earlier, {}, None, [run])["kafka"] == run


def test_an_earlier_stack_with_fewer_parts_is_no_guide(run: int) -> None:
    assert ports.choose(NAMES, "x", {"kafka": run + 4, "intake": run + 5}, {}, None, [run])["routing"] == run + 2


def test_what_was_asked_for_is_given_and_the_rest_stays_away_from_it(run: int) -> None:
    assert ports.choose(NAMES, "x", {}, {"intake": run + 1, "unknown": 5}, None, [run])["intake"] == run + 1
    found = ports.choose(NAMES, "x", {}, {"intake": run}, run + 10)
    assert found == {"kafka": run + 10, "intake": run, "routing": run + 12}


def test_a_taken_port_is_named(taken: int) -> None:
    with pytest.raises(
        Fault, match=rf"Port {taken} for intake is taken\. Stop what listens there, or give another port"
    ):
        ports.choose(NAMES, "x", {}, {"intake": taken}, None)
    with pytest.raises(Fault, match=f"Port {taken} for kafka is taken"):
        ports.choose(NAMES, "x", {}, {}, taken)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_that_does_not_exist(port: int) -> None:
    with pytest.raises(Fault, match="ports go from 1 to 65535"):
        ports.choose(NAMES, "x", {}, {"kafka": port}, None)


def test_one_port_twice(run: int) -> None:
    with pytest.raises(Fault, match="given twice"):
        ports.choose(NAMES, "x", {}, {"kafka": run, "intake": run}, None)


def test_a_claimed_port_is_free_for_its_holder_only(run: int) -> None:
    first, second = ports.Claims(), ports.Claims()
    assert first.hold([run, run + 1])
    assert not ports.free(run)
    assert not second.hold([run + 2, run + 1])
    assert ports.free(run + 2), "who could not have all keeps none"
    with socket.create_server(("127.0.0.1", run)):
        pass  # the holder's own server finds its place
    first.release()
    assert second.hold([run, run + 1])
    second.release()
