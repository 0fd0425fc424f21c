-- What the user said no to in a form: the principal and the fingerprint of the request.
CREATE TABLE refusals (
    fingerprint TEXT PRIMARY KEY,
    at REAL NOT NULL
) STRICT;
CREATE INDEX tokens_by_request ON tokens (fingerprint) WHERE used_at IS NULL;
