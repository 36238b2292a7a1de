DROP TABLE erasures_pending, audit_log, api_keys, password_tokens, spent_refresh_secrets, sessions;
DROP FUNCTION keep_audit_log();
ALTER TABLE users
    DROP CONSTRAINT users_erased_is_erased,
    DROP COLUMN password_hash, DROP COLUMN suspended_at, DROP COLUMN erased_at;
