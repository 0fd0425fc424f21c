ALTER TABLE requests ADD COLUMN saved_bytes INTEGER;
ALTER TABLE requests ADD COLUMN saved_sha256 TEXT;
CREATE TABLE uploads (
    scope TEXT NOT NULL,
    digest TEXT NOT NULL,
    link TEXT NOT NULL,
    asset_id TEXT,
    at REAL NOT NULL,
    PRIMARY KEY (scope, digest)
) STRICT;
