"""Long work in steps: no work is done before it is requested."""

from policies.steps import Steps, finished


def test_finished_takes_all_steps_and_gives_the_result() -> None:
    done: list[int] = []

    def work() -> Steps[str]:
        for number in range(3):
            done.append(number)
            yield
        return "result"

    steps = work()
    assert done == []
    next(steps)
    assert done == [0]
    assert finished(steps) == "result" and done == [0, 1, 2]
