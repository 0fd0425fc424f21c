-- Two requests may share a task: the provider can give one id twice, and both are then told.
CREATE TABLE requests_without_unique_tasks (
    request_id TEXT PRIMARY KEY,
    task_id TEXT,
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
    error TEXT,
    scope TEXT NOT NULL DEFAULT '',
    fingerprint TEXT,
    reserved INTEGER NOT NULL DEFAULT 0,
    settled INTEGER,
    settled_by TEXT,
    used_before TEXT,
    evidence TEXT,
    error_code TEXT,
    saved_bytes INTEGER,
    saved_sha256 TEXT,
    duration INTEGER
) STRICT;
INSERT INTO requests_without_unique_tasks
    SELECT request_id, task_id, model, prompt, body, state, progress, estimate, cost, created_at, completed_at, video_url,
        saved_path, error, scope, fingerprint, reserved, settled, settled_by, used_before, evidence, error_code, saved_bytes,
        saved_sha256, duration
    FROM requests ORDER BY rowid;
DROP TABLE requests;
ALTER TABLE requests_without_unique_tasks RENAME TO requests;
CREATE INDEX requests_of_a_task ON requests (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX requests_by_time ON requests (scope, created_at);
CREATE INDEX requests_by_state ON requests (scope, state, created_at);
CREATE INDEX requests_by_fingerprint ON requests (scope, fingerprint, created_at);
CREATE INDEX requests_ended ON requests (scope, model, created_at) WHERE state IN ('completed', 'failed');
CREATE INDEX requests_unsettled ON requests (state, created_at) WHERE settled IS NULL;
CREATE INDEX requests_by_age ON requests (created_at, settled);
CREATE INDEX requests_unsaved ON requests (scope, completed_at) WHERE state = 'completed' AND saved_path IS NULL;
CREATE INDEX requests_by_task ON requests (scope, task_id);
CREATE INDEX requests_without_task ON requests (scope, request_id) WHERE task_id IS NULL;
