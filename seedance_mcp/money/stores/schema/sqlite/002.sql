ALTER TABLE requests ADD COLUMN scope TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN fingerprint TEXT;
ALTER TABLE requests ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN settled INTEGER;
ALTER TABLE requests ADD COLUMN settled_by TEXT;
ALTER TABLE requests ADD COLUMN used_before TEXT;
ALTER TABLE requests ADD COLUMN evidence TEXT;
ALTER TABLE requests ADD COLUMN error_code TEXT;
UPDATE requests SET reserved = CAST(round(coalesce(estimate, '0') * 1e9) AS INTEGER);
UPDATE requests SET settled = CAST(round(coalesce(cost, estimate, '0') * 1e9) AS INTEGER), settled_by = 'provider'
    WHERE state != 'unknown';
CREATE INDEX requests_by_time ON requests (scope, created_at);
CREATE INDEX requests_by_state ON requests (scope, state, created_at);
CREATE INDEX requests_by_fingerprint ON requests (scope, fingerprint, created_at);
CREATE TABLE totals (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,
    spent INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (scope, day)
) STRICT;
INSERT INTO totals
    SELECT scope, CAST(created_at / 86400 AS INTEGER),
        sum(coalesce(settled, reserved)), sum(iif(settled IS NULL, reserved, 0))
    FROM requests GROUP BY 1, 2;
CREATE TRIGGER requests_counted AFTER INSERT ON requests BEGIN
    INSERT INTO totals VALUES (
        NEW.scope, CAST(NEW.created_at / 86400 AS INTEGER),
        coalesce(NEW.settled, NEW.reserved), iif(NEW.settled IS NULL, NEW.reserved, 0)
    ) ON CONFLICT DO UPDATE SET spent = spent + excluded.spent, held = held + excluded.held;
END;
CREATE TRIGGER requests_recounted AFTER UPDATE OF settled, reserved ON requests BEGIN
    UPDATE totals SET
        spent = spent + coalesce(NEW.settled, NEW.reserved) - coalesce(OLD.settled, OLD.reserved),
        held = held + iif(NEW.settled IS NULL, NEW.reserved, 0) - iif(OLD.settled IS NULL, OLD.reserved, 0)
    WHERE scope = NEW.scope AND day = CAST(NEW.created_at / 86400 AS INTEGER);
END;
CREATE TABLE events (
    request_id TEXT NOT NULL REFERENCES requests,
    state TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;
CREATE INDEX events_by_request ON events (request_id);
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    price TEXT NOT NULL,
    expires_at REAL NOT NULL,
    used_at REAL
) STRICT;
CREATE TABLE media (
    reference TEXT PRIMARY KEY,
    seconds REAL,
    at REAL NOT NULL
) STRICT;
