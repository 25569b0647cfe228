-- What may be spent, and what is spent and held of it in each period.

CREATE TABLE budgets (
    id         TEXT PRIMARY KEY,
    scope_kind TEXT NOT NULL CHECK (scope_kind IN ('key', 'person', 'course', 'room', 'agent')),
    scope_id   TEXT NOT NULL, -- no reference: what it is about may be deleted, and the usage stays
    period     TEXT NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    -- tokens, or the code of a currency; amounts of money are in billionths.
    unit       TEXT NOT NULL CHECK (unit <> ''),
    cap        BIGINT NOT NULL CHECK (cap >= 0),
    created_by TEXT,
    created_at {{.Time}} NOT NULL,
    updated_at {{.Time}} NOT NULL,
    version    INTEGER NOT NULL
);
--bun:split
CREATE INDEX budgets_scope ON budgets (scope_kind, scope_id, id);
--bun:split
CREATE TABLE budget_rows (
    id           TEXT PRIMARY KEY,
    budget_id    TEXT NOT NULL REFERENCES budgets (id) ON DELETE CASCADE,
    period_start TEXT NOT NULL, -- the date on which its period began
    stripe       INTEGER NOT NULL,
    unit         TEXT NOT NULL,
    cap          BIGINT NOT NULL,
    spent        BIGINT NOT NULL,
    held         BIGINT NOT NULL,
    warned       BOOLEAN NOT NULL,
    UNIQUE (budget_id, period_start, stripe)
);
--bun:split
-- The rooms that were told that a budget is empty, once for each period.
CREATE TABLE budget_notices (
    row_id  TEXT NOT NULL REFERENCES budget_rows (id) ON DELETE CASCADE,
    room_id TEXT NOT NULL,
    made_at {{.Time}} NOT NULL,
    PRIMARY KEY (row_id, room_id)
);
--bun:split
-- Turns that are parked until a budget has enough left. Without a reference: a
-- sweep removes those of turns that are not parked any more.
CREATE TABLE budget_waits (
    turn_id    TEXT PRIMARY KEY,
    budget_id  TEXT NOT NULL,
    worst      BIGINT NOT NULL,
    created_at {{.Time}} NOT NULL
);
