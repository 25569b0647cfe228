-- Links that have run out are removed by their date.

CREATE INDEX one_time_links_expiry ON one_time_links (expires_at);
