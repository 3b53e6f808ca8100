"""Work in threads: in order, and no more of it than is used."""

import threading

import pytest

from bias_toolkit.foundation.threads import ordered_map


def test_work_that_waits_is_not_begun_once_nobody_wants_it():
    begun, released = [], threading.Event()

    def work(item):
        if item > 0:
            begun.append(item)
            released.wait(10)
        return item

    results = ordered_map(work, range(20), workers=1, ahead=5)
    assert next(results) == 0
    threading.Timer(0.2, released.set).start()
    # Closing waits for the item that is being worked on.
    results.close()
    assert begun in ([], [1])


def test_a_fault_is_raised_at_its_place():
    results = ordered_map(lambda item: 6 // item, [3, 2, 0, 1])
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
