-- Totals are written by the program from now on, in the transaction that writes the row: no money rule lives in SQL.
DROP TRIGGER requests_counted;
DROP TRIGGER requests_recounted;
-- The new name also stops an older program that still has this file open: it reads `held` before it pays.
ALTER TABLE totals RENAME COLUMN held TO reserved;
CREATE TABLE counts (
    scope TEXT NOT NULL,
    state TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (scope, state)
) STRICT;
INSERT INTO counts (scope, state, requests) SELECT scope, state, count(*) FROM requests GROUP BY scope, state;
ALTER TABLE requests ADD COLUMN duration INTEGER;
UPDATE requests SET duration = CAST(json_extract(body, '$.duration') AS INTEGER) WHERE json_valid(body);
-- What is judged by the balance: every principal's unsettled requests, and what others were charged since.
CREATE INDEX requests_unsettled ON requests (state, created_at) WHERE settled IS NULL;
CREATE INDEX requests_by_age ON requests (created_at, settled);
CREATE INDEX events_of_failures ON events (at) WHERE state IN ('failed', 'cancelled');
-- Finished videos whose URL expires before they are saved.
CREATE INDEX requests_unsaved ON requests (scope, completed_at) WHERE state = 'completed' AND saved_path IS NULL;
-- Ids that are completed from their first characters.
CREATE INDEX requests_by_task ON requests (scope, task_id);
CREATE INDEX requests_without_task ON requests (scope, request_id) WHERE task_id IS NULL;
