package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The floor of a room belongs to the live turn that is not aside. There is one at most:
// only that turn shows text to the room and stores messages. A turn that shows nothing is
// aside, and others may have the floor meanwhile. The floor changes hands only while the
// room's row is locked.

// LeaveFloor puts a live attempt aside; ErrStale when the attempt is over.
func (t *Tx) LeaveFloor(ctx context.Context, id string, attempt int) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("aside = TRUE").
		Where("id = ?", id).Where("attempt = ?", attempt).Where("state IN (?, ?)", TurnQueued, TurnRunning).Exec(ctx)
	return changed(res, err, ErrStale)
}

// TakeFloor gives the floor to a running attempt that is aside. ErrStale when another turn
// has it, or the attempt is over.
func (t *Tx) TakeFloor(ctx context.Context, id string, attempt int) error {
	speaks := t.db.NewSelect().TableExpr("agent_turns AS live").ColumnExpr("1").Where("live.room_id = t.room_id").
		Where("live.state IN (?, ?)", TurnQueued, TurnRunning).Where("NOT live.aside")
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("aside = FALSE").
		Where("t.id = ?", id).Where("t.attempt = ?", attempt).Where("t.state = ?", TurnRunning).Where("t.aside").
		Where("NOT EXISTS (?)", speaks).Exec(ctx)
	return changed(res, err, ErrStale)
}

// PutBackTurn lets a running turn wait for the floor, as its next attempt. The time for
// which it waits does not count as the turn's time. ErrStale when this attempt is not the
// current one any more, or somebody asked the turn to stop.
func (t *Tx) PutBackTurn(ctx context.Context, id string, attempt int, reason, detail string) error {
	res, err := t.waitAgain(id).Set("lease_until = NULL").Set("node = NULL").Set("reason = ?", reason).Set("detail = ?", detail).
		Where("attempt = ?", attempt).Where("state = ?", TurnRunning).Where("stop_at IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// AllAside tells whether a room has live turns and none of them has the floor.
func (q Queries) AllAside(ctx context.Context, roomID string) (bool, error) {
	t := new(Turn)
	t, err := first(ctx, q.db.NewSelect().Model(t).Column("t.aside").Where("t.room_id = ?", roomID).
		Where("t.state IN (?, ?)", TurnQueued, TurnRunning).OrderExpr("t.aside"), t)
	return err == nil && t.Aside, UnlessMissing(err)
}

// free selects of the waiting turns t those that may begin: nobody has the room's floor
// and, unless no turn of the room is live, a person has asked for the turn and its agent
// has no live turn there. asked are the causes for which a person has asked; a person has
// asked for a turn that had begun before, too.
func free(sel *bun.SelectQuery, asked []string) *bun.SelectQuery {
	return sel.Where("t.state = ?", TurnWaiting).Where(`NOT EXISTS (SELECT 1 FROM agent_turns AS live
		WHERE live.room_id = t.room_id AND live.state IN (?, ?) AND (NOT live.aside OR live.agent_id = t.agent_id
			OR t.resumed = 0 AND COALESCE(t.cause, '') NOT IN (?)))`,
		TurnQueued, TurnRunning, bun.List(append([]string{"-"}, asked...)))
}

// WaitingTurn returns the waiting turn of a room that begins next; ErrNotFound when none
// may begin now. asked are the causes of turns that may begin beside turns which are aside.
func (q Queries) WaitingTurn(ctx context.Context, roomID string, asked ...string) (*Turn, error) {
	t := new(Turn)
	ctx, bound := q.bound(ctx, roomID)
	return first(ctx, free(q.db.NewSelect().Model(t).ExcludeColumn("graph").Where("t.room_id = ?", bound...), asked).
		OrderExpr("t.trigger_seq, t.position"), t)
}

// StrandedRooms lists rooms in which a turn waits that may begin, see WaitingTurn.
// Deleting an agent leaves such a room: the agent's turn goes with it.
func (q Queries) StrandedRooms(ctx context.Context, limit int, asked ...string) ([]string, error) {
	var ids []string
	err := free(q.db.NewSelect().Model((*Turn)(nil)).Distinct().Column("t.room_id"), asked).Limit(int64(limit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// EndRead stops the waiting turns of an agent in a room that are about messages up to seq,
// have one cause and have not begun: another turn of the agent has read these messages.
func (t *Tx) EndRead(ctx context.Context, roomID, agentID, cause string, seq int64, reason, detail string, now time.Time) error {
	_, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnStopped).Set("reason = ?", reason).Set("detail = ?", detail).
		Set("ended_at = ?", now).Where("t.room_id = ?", roomID).Where("t.agent_id = ?", agentID).Where("t.state = ?", TurnWaiting).
		Where("t.cause = ?", cause).Where("t.trigger_seq <= ?", seq).Where("t.resumed = 0").Exec(ctx)
	return translate(err)
}
