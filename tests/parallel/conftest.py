"""Runs that several tests look at, made once."""

import functools

import pytest

import heart


@pytest.fixture(scope="session")
def beats(tmp_path_factory):
    """`beats(ranks)`: the whole run of two small ventricles on so many ranks."""

    @functools.cache
    def beat(ranks: int) -> heart.Run:
        done = heart.beat(tmp_path_factory.mktemp(f"on{ranks}"), heart.TWO_VENTRICLES, ranks)
        assert done.process.returncode == 0, done.process.stderr[-3000:]
        return done

    return beat
