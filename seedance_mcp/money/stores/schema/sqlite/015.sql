-- Which process polls a task, until when no other one may, and when the last poll was answered.
ALTER TABLE requests ADD COLUMN poll_by TEXT;
ALTER TABLE requests ADD COLUMN poll_until REAL;
ALTER TABLE requests ADD COLUMN polled_at REAL;
-- Which call of which process saves the video.
ALTER TABLE requests ADD COLUMN saving_by TEXT;
-- When something changed that whoever follows the task wants to know.
ALTER TABLE requests ADD COLUMN changed_at REAL;
CREATE INDEX requests_changed ON requests (changed_at) WHERE changed_at IS NOT NULL;
-- When the next poll of any task may begin, who took the last place, and when another one took one.
CREATE TABLE pace (
    name TEXT PRIMARY KEY,
    next_at REAL NOT NULL,
    taken_by TEXT NOT NULL,
    others_at REAL NOT NULL
) STRICT;
