-- The ways in which admins look into the audit log.

CREATE INDEX audit_log_behalf ON audit_log (on_behalf_of, id) WHERE on_behalf_of IS NOT NULL;
--bun:split
CREATE INDEX audit_log_target_type ON audit_log (target_type, id);
--bun:split
CREATE INDEX audit_log_created ON audit_log (created_at);
