-- What a request belongs to, and which of several takes it is.
ALTER TABLE requests ADD COLUMN project TEXT;
ALTER TABLE requests ADD COLUMN take INTEGER;
-- 1: the finished video is saved, 0: it is not; NULL where there is no finished video.
ALTER TABLE requests ADD COLUMN kept INTEGER;
UPDATE requests SET kept = CASE WHEN saved_path IS NULL OR saved_bytes IS NULL OR saved_sha256 IS NULL THEN 0 ELSE 1 END
    WHERE state = 'completed';
-- Until when one process has the saving of the video to itself.
ALTER TABLE requests ADD COLUMN saving_until REAL;
-- Wider than the indexes below, so that SQLite, which knows nothing of the rows, prefers the one that says more of what is asked.
DROP INDEX requests_by_time;
CREATE INDEX requests_by_time ON requests (scope, created_at, state, kept, project, take);
CREATE INDEX requests_kept ON requests (scope, kept, created_at) WHERE kept IS NOT NULL;
CREATE INDEX requests_of_project ON requests (scope, project, created_at) WHERE project IS NOT NULL;
CREATE INDEX requests_of_project_by_state ON requests (scope, project, state, created_at) WHERE project IS NOT NULL;
CREATE INDEX requests_of_project_kept ON requests (scope, project, kept, created_at)
    WHERE project IS NOT NULL AND kept IS NOT NULL;
-- Sums by day, so that no list and no report adds up every request; '' stands for no project and no model, -1 for no video.
CREATE TABLE days (
    scope TEXT NOT NULL,
    day INTEGER NOT NULL,
    project TEXT NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    kept INTEGER NOT NULL,
    adopted INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (scope, day, project, model, state, kept, adopted)
) STRICT;
INSERT INTO days (scope, day, project, model, state, kept, adopted, requests, estimated, charged, reserved)
    SELECT scope, CAST(created_at / 86400 AS INTEGER), '', coalesce(model, ''), state, coalesce(kept, -1),
        CASE WHEN fingerprint IS NULL THEN 1 ELSE 0 END, count(*), sum(reserved), sum(coalesce(settled, 0)),
        sum(CASE WHEN settled IS NULL THEN reserved ELSE 0 END)
    FROM requests GROUP BY 1, 2, 3, 4, 5, 6, 7;
