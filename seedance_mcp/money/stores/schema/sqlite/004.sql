CREATE INDEX requests_ended ON requests (scope, model, created_at) WHERE state IN ('completed', 'failed');
