"""The tables of the project's database, and the migrations of older ones."""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, experiment TEXT NOT NULL, digest TEXT NOT NULL, scope TEXT NOT NULL,
        batch_id TEXT, job_id TEXT, status TEXT NOT NULL, owner TEXT NOT NULL,
        started_at DOUBLE PRECISION NOT NULL, seen_at DOUBLE PRECISION NOT NULL,
        ended_at DOUBLE PRECISION,
        mlflow_uri TEXT, mlflow_run_id TEXT
    );
    CREATE INDEX runs_digest ON runs (digest, started_at);
    CREATE TABLE answers (
        key TEXT NOT NULL, scope TEXT NOT NULL, run_id TEXT NOT NULL, variant TEXT NOT NULL,
        case_id TEXT NOT NULL, case_group TEXT, model TEXT NOT NULL,
        answered_at DOUBLE PRECISION NOT NULL, answer TEXT NOT NULL,
        PRIMARY KEY (key, scope)
    );
    CREATE TABLE ledger (
        id TEXT PRIMARY KEY, run_id TEXT NOT NULL, at DOUBLE PRECISION NOT NULL,
        model TEXT NOT NULL, variant TEXT NOT NULL, prompt_tokens INTEGER, cached_tokens INTEGER,
        completion_tokens INTEGER, latency_s DOUBLE PRECISION, usd DOUBLE PRECISION,
        at_most_usd DOUBLE PRECISION
    );
    CREATE INDEX ledger_run ON ledger (run_id);
    """,
    """
    CREATE TABLE endpoints (
        name TEXT PRIMARY KEY, total INTEGER, quiet INTEGER NOT NULL, backoff INTEGER NOT NULL,
        raised INTEGER NOT NULL, paused_until DOUBLE PRECISION NOT NULL,
        requests DOUBLE PRECISION NOT NULL, tokens DOUBLE PRECISION NOT NULL,
        at DOUBLE PRECISION NOT NULL
    );
    CREATE TABLE leases (
        endpoint TEXT NOT NULL, owner TEXT NOT NULL, wanted INTEGER NOT NULL,
        most INTEGER NOT NULL, share INTEGER NOT NULL, expires_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (endpoint, owner)
    );
    CREATE TABLE purses (
        run_id TEXT PRIMARY KEY, batch_id TEXT NOT NULL, allowed_usd DOUBLE PRECISION NOT NULL,
        expires_at DOUBLE PRECISION NOT NULL
    );
    CREATE INDEX runs_batch ON runs (batch_id);
    """,
    """
    ALTER TABLE ledger ADD COLUMN prompt_bytes INTEGER;
    """,
    """
    CREATE TABLE provider_batches (
        id TEXT PRIMARY KEY, run_id TEXT NOT NULL, model TEXT NOT NULL, batch_id TEXT,
        keys TEXT NOT NULL, created_at DOUBLE PRECISION NOT NULL
    );
    """,
    """
    ALTER TABLE ledger ADD COLUMN cache_write_tokens INTEGER;
    ALTER TABLE ledger ADD COLUMN reasoning_tokens INTEGER;
    ALTER TABLE ledger ADD COLUMN remark TEXT;
    CREATE TABLE refused_parameters (
        model TEXT NOT NULL, place TEXT NOT NULL, parameter TEXT NOT NULL, instead TEXT,
        message TEXT NOT NULL, refused_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (model, place, parameter)
    );
    """,
    """
    ALTER TABLE purses RENAME TO budget_shares;
    """,
)
"""The steps from an empty database to the newest format; a step is never changed."""

VERSION = len(MIGRATIONS)
