-- A search for people reads the keys of all logins: this index, and not the rows.
CREATE INDEX users_login_keys ON users (email_key, username_key, id);
