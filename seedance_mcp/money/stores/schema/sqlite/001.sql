CREATE TABLE requests (
    request_id TEXT PRIMARY KEY,
    task_id TEXT UNIQUE,
    model TEXT,
    prompt TEXT,
    body TEXT,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL DEFAULT 0,
    estimate TEXT,
    cost TEXT,
    created_at REAL NOT NULL,
    completed_at REAL,
    video_url TEXT,
    saved_path TEXT,
    error TEXT
) STRICT;
