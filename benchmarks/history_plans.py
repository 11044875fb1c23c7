"""How each database answers: the plans of the questions that drive every page."""

from __future__ import annotations

from celeriac.history.database import Database

RANGE = "n >= 0 AND n < 9000000000000000000"
QUERIES = {
    "all jobs": f"SELECT n FROM celeriac_jobs WHERE {RANGE} ORDER BY n DESC LIMIT 51",
    "failed": f"SELECT n FROM celeriac_jobs WHERE state = 'failed' AND {RANGE} ORDER BY n DESC LIMIT 51",
    "a task that failed": "SELECT n FROM celeriac_jobs WHERE task = 'mail.send' AND state = 'failed' "
    f"AND {RANGE} ORDER BY n DESC LIMIT 51",
    "an owner's failed": "SELECT n FROM celeriac_jobs WHERE owner = 'team3' AND owner <> '' AND state = 'failed' "
    f"AND {RANGE} ORDER BY n DESC LIMIT 51",
    "a queue's failed": f"SELECT n FROM celeriac_jobs WHERE queue = 'io' AND state = 'failed' AND {RANGE} "
    "ORDER BY n DESC LIMIT 51",
}
WORDS = {
    True: "SELECT rowid FROM celeriac_words WHERE celeriac_words MATCH '\"{}\"' AND rowid < 9000000000000000000 "
    "ORDER BY rowid DESC LIMIT 51",
    False: "SELECT n FROM celeriac_words WHERE words @@ '{}'::tsquery AND n < 9000000000000000000 "
    "ORDER BY n DESC LIMIT 51",
}


def plans(database: Database) -> list[str]:
    """Return one line for each question: the indexes that answer it, in the database's own words."""
    asked = dict(QUERIES)
    asked |= {f"the word {word}": WORDS[database.is_sqlite].format(word) for word in ("user4711", "monthly")}
    with database.read() as connection:
        lines = []
        for name, query in asked.items():
            if database.is_sqlite:
                rows = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
            else:
                rows = [row[0].split("  (")[0].strip(" ->") for row in connection.exec_driver_sql(f"EXPLAIN {query}")]
                rows = [row for row in rows if "Scan" in row or "Sort" in row]
            lines.append(f"{name}: {'; '.join(rows)}.")
        return lines
