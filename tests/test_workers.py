"""Worker processes: each question gets its answer, or the reason why it has none."""

import contextlib
import os

import pytest

from bilevel_core.sweep import progress, workers

SLEEP = "__import__('time').sleep(600)"
DIE = "__import__('os')._exit(3)"


def ask(*questions, processes=2, timeout=None):
    """What `eval` answers in workers, by question, and what was in progress at the end."""
    running = progress.Running()
    found = dict(workers.answers(eval, questions, processes, str, running, timeout))
    return found, str(running)


def test_a_late_one_is_ended_and_the_others_go_on(capfd):
    found, running = ask("1 + 1", SLEEP, "2 + 2", "3 + 3", timeout=3)
    assert found.pop(SLEEP) == workers.Ended("ended after 3 s without an answer", late=True)
    assert (found, running) == ({"1 + 1": 2, "2 + 2": 4, "3 + 3": 6}, "")
    assert capfd.readouterr() == ("", "")


def test_a_deadly_one_is_tried_twice_and_costs_no_other(capfd):
    found, _ = ask(DIE, "1 + 1", "2 + 2", processes=1)
    assert found == {"1 + 1": 2, "2 + 2": 4, DIE: workers.Ended("{EXIT(3)}", late=False)}
    told = f"a worker died {{EXIT(3)}} under {DIE}; going on with a new one\n"
    assert capfd.readouterr() == ("", told)


def test_an_error_is_raised_here_and_leaves_no_worker():
    questions = ["__import__('os').getpid()", "1 / 0"]
    answers = workers.answers(eval, questions, 1, str, progress.Running())
    _, pid = next(answers)
    with pytest.raises(ZeroDivisionError):
        next(answers)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_workers_are_deaf_on_one_thread_and_print_to_standard_error(capfd):
    blocked = "__import__('signal').getsignal(2) == __import__('signal').getsignal(15) == 1"
    threads = "__import__('os').environ['OMP_NUM_THREADS']"
    found, _ = ask(blocked, threads, "print('hello', flush=True)", processes=1)
    assert found == {blocked: True, threads: "1", "print('hello', flush=True)": None}
    assert capfd.readouterr() == ("", "hello\n")


def test_what_is_in_progress_is_named_where_nothing_ends(capsys):
    running = progress.Running()
    running.begin("one")
    done = running.begin("two")
    done()
    with contextlib.suppress(KeyboardInterrupt), progress.stalls_told(running, 0.05):
        while not (told := capsys.readouterr().err):
            pass
    assert told.startswith("nothing has ended for 0 s; in progress: one\n")
