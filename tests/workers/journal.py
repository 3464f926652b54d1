"""Every step of every job of a queue, written down by the queue's own PostgreSQL as it happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg

from config.world import RealWorld
from sync.worker import prepare, queue_schema

INSTALL: Final = """
SET search_path TO {schema};
CREATE TABLE journal (n bigserial PRIMARY KEY, job bigint, task text, lock text, moment text, state text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO journal (job, task, lock, state) VALUES (OLD.id, OLD.task_name, OLD.lock, 'gone');
    RETURN OLD;
  END IF;
  INSERT INTO journal (job, task, lock, moment, state)
  VALUES (NEW.id, NEW.task_name, NEW.lock, NEW.args ->> 'timestamp', NEW.status);
  RETURN NEW;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OF status OR DELETE ON procrastinate_jobs
FOR EACH ROW EXECUTE FUNCTION {schema}.note();
"""


class Step(NamedTuple):
    """A job came into this state; `moment`: the time that a periodic one was deferred for."""

    job: int
    task: str
    lock: str | None
    moment: str | None
    state: str


class Journal:
    """Of the queue at `url`; make it before the first worker begins."""

    def __init__(self, url: str) -> None:
        self._url = url
        prepare(url, RealWorld())
        with psycopg.connect(url) as conn:
            conn.execute(INSTALL.format(schema=queue_schema()).encode())

    def steps(self) -> Sequence[Step]:
        """In the order in which they happened."""
        query = f"SELECT job, task, lock, moment, state FROM {queue_schema()}.journal ORDER BY n"
        with psycopg.connect(self._url) as conn:
            return [Step(*row) for row in conn.execute(query.encode())]

    def check(self) -> int:
        """No account had two turns at a time, no periodic job was deferred twice; how many were deferred."""
        steps = self.steps()
        at: dict[str, int] = {}
        for step in steps:
            if step.lock is None:
                continue
            if step.state == "doing":
                assert step.lock not in at, f"two turns of {step.lock} at a time"
                at[step.lock] = step.job
            elif at.get(step.lock) == step.job:
                del at[step.lock]
        deferred = Counter((step.task, step.moment) for step in _first(steps) if step.moment)
        assert [one for one, times in deferred.items() if times > 1] == []
        return len(deferred)


def _first(steps: Sequence[Step]) -> Sequence[Any]:
    """The first step of each job."""
    found: dict[int, Step] = {}
    for step in steps:
        found.setdefault(step.job, step)
    return list(found.values())
