"""Stopping: by a signal, by the time given, and by the end of a Slurm job."""

import os
import signal
import subprocess
import sys
import time

import pytest
from mpi4py import MPI

from heartwright.stopping import Stop


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_asks_for_a_stop_and_handlers_come_back(number):
    before = signal.getsignal(number)
    with Stop(MPI.COMM_SELF) as stop:
        assert stop.reason() is None
        os.kill(os.getpid(), number)
        assert stop.reason() == "stopped on request"
    assert signal.getsignal(number) is before


def test_any_second_signal_ends_the_process_at_once():
    program = """
import os, signal
from mpi4py import MPI
from heartwright.stopping import Stop
with Stop(MPI.COMM_SELF):
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGTERM


def test_the_time_given_ends_a_run_before_it_is_over():
    with Stop(MPI.COMM_SELF, hours=1.0) as stop:
        assert stop.reason() is None
        assert stop.end == pytest.approx(time.time() + 3600 - 36, abs=1)  # a hundredth is kept
    with Stop(MPI.COMM_SELF, hours=1e-9) as stop:
        assert stop.reason() == "stopped because its time is up"


def test_a_run_stops_when_the_time_left_is_shorter_than_a_step(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", f"{time.time() + 1.1:.0f}")
    with Stop(MPI.COMM_SELF, hours=1.0) as stop:
        stop._steps.append(2.0)
        assert stop.reason() == "stopped because its time is up"
