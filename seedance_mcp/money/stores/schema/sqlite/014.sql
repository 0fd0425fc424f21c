-- Callers over HTTP whom the operator knows by name: digests of their tokens, never the tokens, and limits of their own.
CREATE TABLE principals (
    name TEXT PRIMARY KEY,
    digest TEXT,
    digest_before TEXT,
    max_per_video TEXT,
    max_per_day TEXT,
    max_total TEXT,
    confirm_above TEXT,
    disabled INTEGER NOT NULL,
    at REAL NOT NULL
) STRICT;
-- Who did what, and when: no prompt, no link and no key, and nothing that is changed afterwards.
CREATE TABLE audit (
    entry_id TEXT PRIMARY KEY,
    at REAL NOT NULL,
    principal TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    code TEXT,
    request_id TEXT,
    model TEXT,
    amount TEXT,
    detail TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_principal ON audit (principal, at);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is only added to');
END;
