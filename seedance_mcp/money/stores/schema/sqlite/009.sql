-- When a request left, and when its process last said that it goes on with it.
ALTER TABLE requests ADD COLUMN sent_at REAL;
ALTER TABLE requests ADD COLUMN awaited_at REAL;
