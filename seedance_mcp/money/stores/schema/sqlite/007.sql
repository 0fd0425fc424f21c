-- What changed since the account was asked, and whose charge came since.
CREATE INDEX events_by_time ON events (at);
