-- What is known of a reference beyond its length; all that was kept before are videos.
ALTER TABLE media ADD COLUMN kind TEXT NOT NULL DEFAULT 'video';
-- How it was reviewed, which tells the routes that take it; NULL for the URL of an upload.
ALTER TABLE media ADD COLUMN review TEXT;
ALTER TABLE media ADD COLUMN width_px INTEGER;
ALTER TABLE media ADD COLUMN height_px INTEGER;
ALTER TABLE media ADD COLUMN expires_at REAL;
