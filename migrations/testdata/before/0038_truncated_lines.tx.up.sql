-- Lines of agents that were cut before their end, by a limit or by the provider.

ALTER TABLE messages ADD COLUMN truncated BOOLEAN NOT NULL DEFAULT FALSE;
