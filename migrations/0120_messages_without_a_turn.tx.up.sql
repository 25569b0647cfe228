-- Most messages are of people and belong to no turn. Their index leaves those out, so that
-- a post writes one index less.
DROP INDEX messages_turn;
--bun:split
CREATE UNIQUE INDEX messages_turn ON messages (turn_id) WHERE turn_id IS NOT NULL;
