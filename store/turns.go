package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The states of a turn. A turn that is queued or running is live. At most one live turn
// of a room is not aside, see floor.go, and an agent has at most one live turn in a room.
const (
	TurnWaiting  = "waiting"  // another turn of its room comes first
	TurnQueued   = "queued"   // a job is on its way
	TurnRunning  = "running"  // a worker holds its lease
	TurnParked   = "parked"   // waits for a person's decision; the room goes on meanwhile
	TurnFinished = "finished" // its message is stored
	TurnFailed   = "failed"   // given up; Reason and Detail say why
	TurnStopped  = "stopped"  // stopped by somebody; what the agent had said is stored
)

// Turn is one agent's turn to speak about the messages up to TriggerSeq. Attempt fences
// it: a worker that lost its lease cannot end the turn any more.
type Turn struct {
	bun.BaseModel    `bun:"table:agent_turns,alias:t"`
	ID               string `bun:",pk"`
	RoomID           string
	AgentID          string
	TriggerSeq       int64
	Position         int
	State            string
	Attempt          int
	LeaseUntil       time.Time `bun:",nullzero"`
	Node             string    `bun:",nullzero"`
	Reason           string    `bun:",nullzero"` // a word for the program, for example "bad_key"
	Detail           string    `bun:",nullzero"` // a sentence for the room's staff
	PromptTokens     int
	CompletionTokens int
	CreatedAt        time.Time
	StartedAt        time.Time `bun:",nullzero"`
	EndedAt          time.Time `bun:",nullzero"`
	Resumed          int       // how often it went on after it was parked, was put back or had ended
	Workflow         string    `bun:",nullzero"` // name of its graph; "" is the direct answer
	Graph            JSON      `bun:",nullzero"` // the graph as it was when the turn began
	Paused           bool      // paused by staff between two nodes
	DecisionID       string    `bun:",nullzero"` // the decision that created it
	Cause            string    `bun:",nullzero"` // what made the agents decide
	AskedBy          string    `bun:",nullzero"` // the person whose message it is about
	ReadSeq          int64     `bun:",nullzero"` // the newest message that its answer covers
	KeyKind          string    `bun:",nullzero"` // whose key the model calls used; never the key itself
	StopBy           string    `bun:",nullzero"` // who asked it to stop; empty until somebody does
	StopAt           time.Time `bun:",nullzero"`
	Aside            bool      // it is live and leaves the room's floor to others
	RootID           string    `bun:",nullzero"` // the message under which its answer hangs, as a reply
}

// Turn returns the turn with this id.
func (q Queries) Turn(ctx context.Context, id string) (*Turn, error) {
	t := new(Turn)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(t).Where("t.id = ?", bound...), t)
}

// NamedTurn is a turn with the name of its agent.
type NamedTurn struct {
	Turn      `bun:",extend"`
	AgentName string `bun:",scanonly"`
}

// TurnWithName returns a turn with the name of its agent.
func (q Queries) TurnWithName(ctx context.Context, id string) (*NamedTurn, error) {
	t := new(NamedTurn)
	return first(ctx, q.db.NewSelect().Model(t).ColumnExpr("t.*").ColumnExpr("a.name AS agent_name").
		Join("JOIN agents AS a ON a.id = t.agent_id").Where("t.id = ?", id), t)
}

// Turns lists a room's turns, newest first.
func (q Queries) Turns(ctx context.Context, roomID string, p Page) ([]Turn, error) {
	var rows []Turn
	err := p.on(q.db.NewSelect().Model(&rows).ExcludeColumn("graph").Where("t.room_id = ?", roomID).
		OrderExpr("t.created_at DESC, t.id DESC")).Scan(ctx)
	return rows, translate(err)
}

// RoomForUpdate returns a room and locks its row until the transaction ends. A
// transaction that decides about turns holds this lock.
func (t *Tx) RoomForUpdate(ctx context.Context, id string) (*Room, error) {
	r := new(Room)
	return first(ctx, t.locked(t.db.NewSelect().Model(r).Where("r.id = ?", id)), r)
}

// OpenRoomForUpdate is RoomForUpdate for a change that nobody makes in an archived course:
// then it is ErrArchived.
func (t *Tx) OpenRoomForUpdate(ctx context.Context, id string) (*Room, error) {
	return t.openRoom(ctx, t.locked(t.db.NewSelect().Where("r.id = ?", id)))
}

func (t *Tx) openRoom(ctx context.Context, sel *bun.SelectQuery) (*Room, error) {
	r := new(Room)
	r, err := first(ctx, sel.Model(r), r)
	if err == nil && !r.ArchivedAt.IsZero() {
		return nil, ErrArchived
	}
	return r, err
}

// SetDecided records that the agents have decided about all messages after from, up to
// seq. No later decision then makes the random choice for them again. left tells whether
// there are newer messages, about which the agents have to decide next. ErrStale when
// another decision came first.
func (t *Tx) SetDecided(ctx context.Context, roomID string, from, seq int64) (left bool, err error) {
	var row Room
	ctx, bound := t.bound(ctx, seq, roomID, from)
	res, err := t.db.NewUpdate().Model(&row).Set("looked_seq = ?", bound[0]).
		Set("look_at = CASE WHEN event_seq = ? THEN NULL ELSE look_at END", bound[0]).
		Where("id = ?", bound[1]).Where("looked_seq = ?", bound[2]).Returning("looked_seq, event_seq").Exec(ctx)
	return row.Undecided(), changed(res, err, ErrStale)
}

// MarkRead records that a turn has read all messages up to read, so that no decision is
// due for them. own is the seq of the turn's own message when it calls no other agent,
// else 0. It returns the room as it is then. If undecided messages are left, a sweep finds
// the room at lookAt. It moves the room's AgentsVersion, since the end of a turn writes from
// where triggers count.
func (t *Tx) MarkRead(ctx context.Context, roomID string, read, own int64, lookAt time.Time) (*Room, error) {
	ctx, bound := t.bound(ctx, roomID, read, own, lookAt)
	ownSeq := bun.SafeQuery("CAST(? AS BIGINT)", bound[2])
	seen := bun.SafeQuery("CASE WHEN looked_seq > ? THEN looked_seq ELSE ? END", bound[1], bound[1])
	looked := bun.SafeQuery("CASE WHEN ? > 0 AND (?) = ? - 1 THEN ? ELSE (?) END", ownSeq, seen, ownSeq, ownSeq, seen)
	var row Room
	res, err := t.db.NewUpdate().Model(&row).Set("looked_seq = ?", looked).
		Set("look_at = CASE WHEN (?) < event_seq THEN ? ELSE NULL END", looked, t.instant(bound[3])).
		Set("agents_version = agents_version + 1").Where("id = ?", bound[0]).Returning("?Columns").Exec(ctx)
	if t.moved == nil {
		t.moved = map[string]bool{}
	}
	t.moved[roomID] = true
	return &row, changed(res, err, ErrNotFound)
}

// RoomTurns tells about the turns of a room that have not ended.
type RoomTurns struct {
	Live     bool // one is queued or running
	Speaking bool // a live one has the room's floor
	Waiting  bool // one waits
}

// RoomToDecide returns a room whose agents may have to decide, with its turns.
func (q Queries) RoomToDecide(ctx context.Context, id string) (*Room, RoomTurns, error) {
	var row struct {
		Room     `bun:",extend"`
		Live     bool `bun:",scanonly"`
		Speaking bool `bun:",scanonly"`
		Waiting  bool `bun:",scanonly"`
	}
	ctx, bound := q.bound(ctx, id)
	const live = "EXISTS (SELECT 1 FROM agent_turns AS t WHERE t.room_id = r.id AND t.state IN (?, ?)"
	err := q.db.NewSelect().Model(&row).ColumnExpr("?TableColumns").
		ColumnExpr(live+") AS live", TurnQueued, TurnRunning).
		ColumnExpr(live+" AND NOT t.aside) AS speaking", TurnQueued, TurnRunning).
		ColumnExpr("EXISTS (SELECT 1 FROM agent_turns AS t WHERE t.room_id = r.id AND t.state = ?) AS waiting", TurnWaiting).
		Where("r.id = ?", bound...).Limit(1).Scan(ctx)
	return &row.Room, RoomTurns{Live: row.Live, Speaking: row.Speaking, Waiting: row.Waiting}, translate(err)
}

// CreateTurns adds turns with one statement.
func (t *Tx) CreateTurns(ctx context.Context, turns []Turn) error { return t.insert(ctx, &turns) }

// QueueTurn moves a waiting turn to queued and gives it the floor. ErrStale when it does
// not wait any more.
func (t *Tx) QueueTurn(ctx context.Context, id string, lease time.Time) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnQueued).Set("aside = FALSE").Set("lease_until = ?", lease).
		Where("id = ?", id).Where("state = ?", TurnWaiting).Exec(ctx)
	return changed(res, err, ErrStale)
}

// ClaimTurn starts this attempt of a queued turn on a node and returns the turn. ErrStale
// when the turn has ended or is gone, or another attempt has begun.
func (t *Tx) ClaimTurn(ctx context.Context, id string, attempt int, node string, now, lease time.Time) (*Turn, error) {
	turn := new(Turn)
	ctx, bound := t.bound(ctx, id, attempt, node, now, lease)
	res, err := t.db.NewUpdate().Model(turn).Set("state = ?", TurnRunning).Set("node = ?", bound[2]).
		Set("lease_until = ?", bound[4]).Set("started_at = COALESCE(started_at, ?)", bound[3]).
		Where("id = ?", bound[0]).Where("attempt = ?", bound[1]).Where("state = ?", TurnQueued).Returning("?Columns").Exec(ctx)
	return turn, changed(res, err, ErrStale)
}

// RenewTurnLease extends the lease of a running attempt; ErrStale when the lease is lost.
func (t *Tx) RenewTurnLease(ctx context.Context, id string, attempt int, lease time.Time) error {
	_, err := t.BeatTurn(ctx, id, attempt, lease)
	return err
}

// BeatTurn is RenewTurnLease and also tells whether somebody asked the turn to stop.
func (t *Tx) BeatTurn(ctx context.Context, id string, attempt int, lease time.Time) (stop bool, err error) {
	var row Turn
	ctx, bound := t.bound(ctx, id, attempt, lease)
	res, err := t.db.NewUpdate().Model(&row).Set("lease_until = ?", bound[2]).
		Where("id = ?", bound[0]).Where("attempt = ?", bound[1]).Where("state = ?", TurnRunning).Returning("stop_at").Exec(ctx)
	return !row.StopAt.IsZero(), changed(res, err, ErrStale)
}

// AskToStop records that a person asks a turn to stop, unless it has ended. The first who
// asks is kept.
func (t *Tx) AskToStop(ctx context.Context, id, userID string, now time.Time) error {
	_, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("stop_by = ?", userID).Set("stop_at = ?", now).
		Where("id = ?", id).Where("ended_at IS NULL").Where("stop_at IS NULL").Exec(ctx)
	return translate(err)
}

// GiveWay stops the room's waiting turns of one cause when a person has written after the
// turn's TriggerSeq: the answer to agents gives way to that person.
func (t *Tx) GiveWay(ctx context.Context, roomID, cause, reason, detail string, now time.Time) error {
	since := shown(t.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.room_id = t.room_id").
		Where("m.seq > t.trigger_seq").Where("m.agent_type IS NULL").Where("m.bot_name IS NULL"))
	_, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnStopped).Set("reason = ?", reason).Set("detail = ?", detail).
		Set("ended_at = ?", now).Where("t.room_id = ?", roomID).Where("t.state = ?", TurnWaiting).Where("t.cause = ?", cause).
		Where("EXISTS (?)", since).Exec(ctx)
	return translate(err)
}

// RetryTurn queues a turn again as the next attempt. ErrStale when this attempt is not
// the current one any more, or somebody asked the turn to stop.
func (t *Tx) RetryTurn(ctx context.Context, id string, attempt int, lease time.Time, reason, detail string) error {
	res, err := t.nextAttempt(id, attempt, lease, reason, detail).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DelayTurn is RetryTurn for an attempt that has tried nothing and does not count.
func (t *Tx) DelayTurn(ctx context.Context, id string, attempt int, lease time.Time, reason, detail string) error {
	res, err := t.nextAttempt(id, attempt, lease, reason, detail).Set("resumed = resumed + 1").Exec(ctx)
	return changed(res, err, ErrStale)
}

func (t *Tx) nextAttempt(id string, attempt int, lease time.Time, reason, detail string) *bun.UpdateQuery {
	return t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnQueued).Set("attempt = ?", attempt+1).
		Set("lease_until = ?", lease).Set("node = NULL").Set("reason = ?", reason).Set("detail = ?", detail).
		Where("id = ?", id).Where("attempt = ?", attempt).Where("state IN (?, ?)", TurnQueued, TurnRunning).Where("stop_at IS NULL")
}

// ParkTurn parks a running attempt until a person has decided. ErrStale when this attempt
// is not the current one any more, or somebody asked the turn to stop.
func (t *Tx) ParkTurn(ctx context.Context, id string, attempt int, reason, detail string) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnParked).Set("lease_until = NULL").Set("node = NULL").
		Set("reason = ?", reason).Set("detail = ?", detail).
		Where("id = ?", id).Where("attempt = ?", attempt).Where("state = ?", TurnRunning).Where("stop_at IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// waitAgain lets a turn wait as its next attempt, which goes on behind its saved steps. The
// attempts before do not count as failed, and their time does not count as the turn's.
func (t *Tx) waitAgain(id string) *bun.UpdateQuery {
	return t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", TurnWaiting).Set("attempt = attempt + 1").
		Set("resumed = resumed + 1").Set("started_at = NULL").Where("id = ?", id)
}

// UnparkTurn lets a parked turn wait again, as its next attempt. The time for which it
// was parked does not count as the turn's time. ErrStale when it is not parked.
func (t *Tx) UnparkTurn(ctx context.Context, id string) error {
	res, err := t.waitAgain(id).Set("reason = NULL").Set("detail = NULL").Where("state = ?", TurnParked).Exec(ctx)
	return changed(res, err, ErrStale)
}

// ReopenTurn lets an ended turn wait again, as its next attempt, when it ended for one of
// the reasons. It goes on behind its saved steps. ErrStale when the turn has not ended
// for one of them.
func (t *Tx) ReopenTurn(ctx context.Context, id string, reasons []string) error {
	res, err := t.waitAgain(id).Set("ended_at = NULL").Set("reason = NULL").Set("detail = NULL").
		// EndTurn will count all steps again.
		Set("prompt_tokens = 0").Set("completion_tokens = 0").
		Where("ended_at IS NOT NULL").Where("reason IN (?)", bun.List(reasons)).Exec(ctx)
	return changed(res, err, ErrStale)
}

// ReopenAlone lets an ended turn of a thread wait again, as its next attempt, if it has not
// answered. It goes on behind its saved steps, even if a person had stopped it. ErrStale
// when the turn has not ended or has answered.
func (t *Tx) ReopenAlone(ctx context.Context, id string) error {
	said := t.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.turn_id = ?", id)
	res, err := t.waitAgain(id).Set("ended_at = NULL").Set("reason = NULL").Set("detail = NULL").Set("stop_by = NULL").Set("stop_at = NULL").
		Set("lease_until = NULL").Set("node = NULL").Set("prompt_tokens = 0").Set("completion_tokens = 0"). // EndTurn will count all steps again
		Where("ended_at IS NOT NULL").Where("NOT EXISTS (?)", said).Exec(ctx)
	return changed(res, err, ErrStale)
}

// TurnAbout returns an agent's turn about one message of a room.
func (q Queries) TurnAbout(ctx context.Context, roomID, agentID string, seq int64) (*Turn, error) {
	turn := new(Turn)
	return first(ctx, q.db.NewSelect().Model(turn).ExcludeColumn("graph").Where("t.room_id = ?", roomID).Where("t.agent_id = ?", agentID).
		Where("t.trigger_seq = ?", seq), turn)
}

// UnendedTurn returns a turn of a room that has not ended; ErrNotFound when there is none.
func (q Queries) UnendedTurn(ctx context.Context, roomID string) (*Turn, error) {
	turn := new(Turn)
	// The condition on the states repeats those of indexes.
	return first(ctx, q.db.NewSelect().Model(turn).ExcludeColumn("graph").Where("t.room_id = ?", roomID).
		Where("(t.state IN (?, ?) OR t.state = ? OR t.state = ?)", TurnQueued, TurnRunning, TurnWaiting, TurnParked).
		OrderExpr("t.created_at DESC, t.id DESC"), turn)
}

// CountAlone counts the turns in threads that a person has under way. The causes repeat
// the condition of an index.
func (q Queries) CountAlone(ctx context.Context, userID string) (int, error) {
	var n int
	err := q.db.NewSelect().Model((*Turn)(nil)).ColumnExpr("count(*)").Where("t.asked_by = ?", userID).Where("t.cause IN ('thread', 'stateless')").
		Where("t.state IN (?, ?)", TurnQueued, TurnRunning).Scan(ctx, &n)
	return n, translate(err)
}

// RequeueTurn extends the lease of a queued attempt that a sweep found overdue. ErrStale
// when it is not overdue any more.
func (t *Tx) RequeueTurn(ctx context.Context, id string, attempt int, asOf, lease time.Time) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("lease_until = ?", lease).
		Where("id = ?", id).Where("attempt = ?", attempt).Where("state = ?", TurnQueued).
		Where("lease_until < ?", asOf).Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndTurn ends an attempt. It writes the state, reason, detail, newest message read, kind
// of key and token counts of end. ErrStale when the turn has ended or this attempt is not
// the current one any more.
func (t *Tx) EndTurn(ctx context.Context, end *Turn, now time.Time) error {
	ctx, b := t.bound(ctx, end.ID, end.Attempt, end.State, now, null(end.Reason), null(end.Detail), null(end.ReadSeq), null(end.KeyKind),
		end.PromptTokens, end.CompletionTokens)
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("state = ?", b[2]).Set("ended_at = ?", b[3]).
		Set("lease_until = NULL").Set("reason = ?", b[4]).Set("detail = ?", b[5]).
		Set("read_seq = COALESCE(?, read_seq)", b[6]).Set("key_kind = COALESCE(?, key_kind)", b[7]).
		Set("prompt_tokens = prompt_tokens + ?", b[8]).
		Set("completion_tokens = completion_tokens + ?", b[9]).
		Where("id = ?", b[0]).Where("attempt = ?", b[1]).
		Where("state IN (?, ?, ?, ?)", TurnQueued, TurnRunning, TurnWaiting, TurnParked).Exec(ctx)
	return changed(res, err, ErrStale)
}

// OverdueTurns lists queued or running turns whose lease ran out, oldest first. Their
// worker or their job is gone.
func (q Queries) OverdueTurns(ctx context.Context, now time.Time, limit int) ([]Turn, error) {
	var rows []Turn
	err := q.db.NewSelect().Model(&rows).ExcludeColumn("graph").Where("t.state IN (?, ?)", TurnQueued, TurnRunning).
		Where("t.lease_until < ?", now).OrderExpr("t.lease_until").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// NextOverdue returns the earliest time at which a turn, a decision, a report, a copy of a
// course, a backup, a step that waits or a call of a model is overdue, see OverdueTurns,
// OverdueRooms, OverdueReports, OverdueCopies, LiveBackup, OverdueSteps and OverdueUsage; the
// zero time if there is none. waiting tells whether turns wait, of which StrandedRooms or BudgetWaitsOver may list
// some, or reactions, see ReactionsDue, or a rotation of the keys is under way.
func (q Queries) NextOverdue(ctx context.Context) (next time.Time, waiting bool, err error) {
	var row struct {
		Next    time.Time
		Waiting bool
	}
	ctx, _ = q.bound(ctx)
	// Not min: SQLite would not know that it is a time.
	err = q.db.NewRaw(`SELECT (SELECT at FROM (
		SELECT (SELECT lease_until FROM agent_turns WHERE state IN ('queued', 'running') ORDER BY lease_until LIMIT 1) AS at
		UNION ALL SELECT (SELECT look_at FROM rooms WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1)
		UNION ALL SELECT (SELECT lease_until FROM reports WHERE state IN ('queued', 'running') ORDER BY lease_until LIMIT 1)
		UNION ALL SELECT (SELECT lease_until FROM course_copies WHERE state IN ('queued', 'running') ORDER BY lease_until LIMIT 1)
		UNION ALL SELECT (SELECT lease_until FROM backups WHERE state IN ('queued', 'running') LIMIT 1)
		UNION ALL SELECT (SELECT expires_at FROM usage WHERE state = 'held' ORDER BY expires_at LIMIT 1)
		UNION ALL SELECT (SELECT ts.due_at FROM turn_steps AS ts WHERE ts.state = 'pending'
			AND EXISTS (SELECT 1 FROM agent_turns AS t WHERE t.id = ts.turn_id AND t.state = 'parked') ORDER BY ts.due_at LIMIT 1)) AS times
			WHERE at IS NOT NULL ORDER BY at LIMIT 1) AS next,
		EXISTS (SELECT 1 FROM agent_turns WHERE state = 'waiting') OR EXISTS (SELECT 1 FROM budget_waits)
			OR EXISTS (SELECT 1 FROM messages WHERE reactions_due)
			OR EXISTS (SELECT 1 FROM settings WHERE key = '`+SettingRotationLive+`') AS waiting`).Scan(ctx, &row)
	return row.Next, row.Waiting, translate(err)
}

// OverdueRooms lists rooms whose agents should have decided by now. The job for it is
// gone.
func (q Queries) OverdueRooms(ctx context.Context, now time.Time, limit int) ([]string, error) {
	var ids []string
	err := q.db.NewSelect().Model((*Room)(nil)).Column("r.id").Where("r.look_at < ?", now).
		OrderExpr("r.look_at").Limit(int64(limit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// PostponeDecision moves a due decision to a later time; ErrStale when another node has
// done so.
func (t *Tx) PostponeDecision(ctx context.Context, roomID string, now, next time.Time) error {
	res, err := t.db.NewUpdate().Model((*Room)(nil)).Set("look_at = ?", next).
		Where("id = ?", roomID).Where("look_at < ?", now).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteTurnsBefore removes turns that ended before a time, at most limit.
func (t *Tx) DeleteTurnsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*Turn)(nil), "ended_at", before, limit)
}
