"""Threads that start together."""

import threading

THREADS = 8


def run_together(*targets):
    """Run each target in a thread of its own, all from one starting line; raise what they raise."""
    line = threading.Barrier(len(targets))
    errors = []

    def run(target):
        try:
            line.wait()
            target()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
