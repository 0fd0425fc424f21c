-- Films that were joined of finished videos: where each is kept, and of which tasks it is made.
CREATE TABLE films (
    film_id TEXT PRIMARY KEY,
    scope TEXT NOT NULL,
    created_at REAL NOT NULL,
    seconds REAL NOT NULL,
    project TEXT,
    parts TEXT NOT NULL,
    saved_path TEXT NOT NULL,
    saved_bytes INTEGER NOT NULL,
    saved_sha256 TEXT NOT NULL
) STRICT;
CREATE INDEX films_by_time ON films (scope, created_at);
