"""Bad inputs, on one rank and on three: one message, the same code everywhere, no traceback, nothing left behind."""

import pytest

import bad_inputs

pytestmark = pytest.mark.parallel


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """`answers(ranks)`: per case, what every rank said."""
    known = {}

    def ask(ranks: int):
        if ranks not in known:
            known[ranks] = bad_inputs.answers(tmp_path_factory.mktemp("bad"), ranks)
        return known[ranks]

    return ask


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(
    "index", range(len(bad_inputs.CASES)), ids=[f"{case.number} {case.what}" for case in bad_inputs.CASES]
)
def test_a_bad_input_gives_one_message_and_the_same_code_on_every_rank(answers, index, ranks):
    everybody = answers(ranks)[index]
    assert bad_inputs.wrong(bad_inputs.CASES[index], everybody) == [], everybody
    assert max(answer.seconds for answer in everybody) < 20  # two where the ranks have cores of their own
