-- The cast: files and URLs that a principal gave a name, and the references that were made of them, by route.
CREATE TABLE assets (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT,
    bytes INTEGER NOT NULL,
    portrait INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;
CREATE TABLE asset_references (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    route TEXT NOT NULL,
    reference TEXT NOT NULL,
    asset_id TEXT,
    ready INTEGER NOT NULL,
    expires_at REAL,
    PRIMARY KEY (scope, name, route)
) STRICT;
