package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The kinds of steps.
const (
	StepModel     = "model"     // a call of a model
	StepTool      = "tool"      // a tool that the model called
	StepAgent     = "agent"     // all that one agent did in a graph
	StepCondition = "condition" // a choice between two paths of a graph
	StepAction    = "action"    // what a graph does without an agent
	StepHuman     = "human"     // a person's decision about the turn
)

// The states of a step.
const (
	StepDone     = "done"
	StepPending  = "pending"  // waits until DueAt: for a person, or as a StepModel for an agent outside this program
	StepApproved = "approved" // a person allowed it; it has not run yet
	StepRejected = "rejected" // a person refused it
	StepExpired  = "expired"  // nobody decided or answered in time
	StepFailed   = "failed"   // Output says why
)

// TurnStep is one step of a turn. N orders the steps of a turn. Node is the node of the
// turn's graph to which the step belongs, "" in the direct answer. Attempt is the attempt
// that added the step.
type TurnStep struct {
	bun.BaseModel    `bun:"table:turn_steps,alias:ts"`
	ID               string `bun:",pk"`
	TurnID           string
	N                int
	Node             string
	Kind             string
	Name             string
	AgentID          string `bun:",nullzero"`
	ArtifactID       string `bun:",nullzero"` // the artifact that the step read or changed
	State            string
	Input            JSON `bun:",nullzero"`
	Output           JSON `bun:",nullzero"`
	PromptTokens     int
	CompletionTokens int
	Attempt          int
	StartedAt        time.Time
	EndedAt          time.Time `bun:",nullzero"`
	DueAt            time.Time `bun:",nullzero"`
	DecidedBy        string    `bun:",nullzero"`
	Note             string    `bun:",nullzero"`
}

// TurnSteps lists the steps of a turn in their order.
func (q Queries) TurnSteps(ctx context.Context, turnID string) ([]TurnStep, error) {
	var rows []TurnStep
	err := q.db.NewSelect().Model(&rows).Where("ts.turn_id = ?", turnID).OrderExpr("ts.n").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// ListTurnSteps is TurnSteps as a Listing, which reads a few steps at a time.
func (q Queries) ListTurnSteps(ctx context.Context, turnID string) (*Listing[TurnStep], error) {
	return listing(ctx, listed[TurnStep]{
		places: q.db.NewSelect().Model((*TurnStep)(nil)).Where("ts.turn_id = ?", turnID).OrderExpr("ts.n").Limit(MaxLimit),
		key:    "ts.id", size: q.octets("ts.input", "ts.output"),
		rows: q.everything,
		id:   func(s *TurnStep) string { return s.ID },
	})
}

// ArtifactSteps lists what an agent's calls in a turn told it about an artifact, the newest
// first: the names and outputs of the steps.
func (q Queries) ArtifactSteps(ctx context.Context, turnID, agentID, artifactID string, limit int) ([]TurnStep, error) {
	var rows []TurnStep
	err := q.db.NewSelect().Model(&rows).Column("ts.name", "ts.output").Where("ts.turn_id = ?", turnID).Where("ts.artifact_id = ?", artifactID).
		Where("ts.agent_id = ?", agentID).Where("ts.kind = ?", StepTool).Where("ts.state = ?", StepDone).OrderExpr("ts.n DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// SaveSteps adds steps with one statement. In the same transaction call RenewTurnLease or
// end the turn, so that an attempt which lost its lease adds no steps. Lock the turn
// last, after the rows that the step's effect has locked.
func (t *Tx) SaveSteps(ctx context.Context, steps []TurnStep) error {
	if len(steps) == 0 {
		return nil
	}
	return t.insert(ctx, &steps)
}

// EndStep writes the new state and the output of a step that waited. ErrStale when its
// state is not from any more.
func (t *Tx) EndStep(ctx context.Context, s *TurnStep, from string) error {
	res, err := t.db.NewUpdate().Model(s).
		Column("state", "output", "ended_at", "decided_by", "note", "artifact_id", "prompt_tokens", "completion_tokens").
		Where("ts.id = ?", s.ID).Where("ts.state = ?", from).Exec(ctx)
	return changed(res, err, ErrStale)
}

// RoomStep is a step with its turn and the name of the turn's agent.
type RoomStep struct {
	TurnStep  `bun:",extend"`
	Turn      Turn   `bun:"rel:belongs-to,join:turn_id=id"`
	AgentName string `bun:",scanonly"`
}

func (q Queries) roomSteps(rows any) *bun.SelectQuery {
	return q.db.NewSelect().Model(rows).ColumnExpr("ts.*").Relation("Turn", withoutGraph).ColumnExpr("a.name AS agent_name").
		Join("LEFT JOIN agents AS a ON a.id = turn.agent_id")
}

// LastFailedCall returns the output of the last call of a model in a turn that failed;
// ErrNotFound when none has.
func (q Queries) LastFailedCall(ctx context.Context, turnID string) (JSON, error) {
	s := new(TurnStep)
	s, err := first(ctx, q.db.NewSelect().Model(s).Column("ts.output").Where("ts.turn_id = ?", turnID).Where("ts.kind = ?", StepModel).
		Where("ts.state = ?", StepFailed).OrderExpr("ts.n DESC"), s)
	if err != nil {
		return "", err
	}
	return s.Output, nil
}

// ofPeople selects the steps that wait for a person.
const ofPeople = "ts.kind <> '" + StepModel + "'"

// PendingSteps lists the steps in a room that wait for a person, oldest first.
func (q Queries) PendingSteps(ctx context.Context, roomID string, p Page) (*Listing[RoomStep], error) {
	return listing(ctx, listed[RoomStep]{
		places: p.on(q.db.NewSelect().TableExpr("turn_steps AS ts").Join("JOIN agent_turns AS t ON t.id = ts.turn_id").
			Where("t.room_id = ?", roomID).Where("t.state = ?", TurnParked).Where("ts.state = ?", StepPending).Where(ofPeople).
			OrderExpr("ts.started_at, ts.id")),
		key: "ts.id", size: q.octets("ts.input", "ts.output"),
		rows: q.roomSteps,
		id:   func(s *RoomStep) string { return s.ID },
	})
}

// MyPendingSteps lists the steps that wait for a person in the rooms of the courses that a
// person runs, oldest first.
func (q Queries) MyPendingSteps(ctx context.Context, userID string, p Page) (*Listing[RoomStep], error) {
	return listing(ctx, listed[RoomStep]{
		places: p.on(q.db.NewSelect().TableExpr("turn_steps AS ts").Join("JOIN agent_turns AS t ON t.id = ts.turn_id").
			Where("t.room_id IN (SELECT r.id FROM rooms AS r WHERE r.course_id IN ("+coursesRunBy+"))", userID).
			Where("t.state = ?", TurnParked).Where("ts.state = ?", StepPending).Where(ofPeople).OrderExpr("ts.started_at, ts.id")),
		key: "ts.id", size: q.octets("ts.input", "ts.output"),
		rows: q.roomSteps,
		id:   func(s *RoomStep) string { return s.ID },
	})
}

// coursesRunBy selects the courses of which a person, ?0, is staff.
const coursesRunBy = "SELECT cm.course_id FROM course_members AS cm WHERE cm.user_id = ?0 AND cm.role IN ('teacher', 'ta')" +
	" UNION SELECT c.id FROM courses AS c WHERE c.owner_id = ?0"

// PendingStepsOf lists the steps of one turn that wait for a person, oldest first.
func (q Queries) PendingStepsOf(ctx context.Context, turnID string) ([]RoomStep, error) {
	var rows []RoomStep
	err := q.roomSteps(&rows).Where("ts.turn_id = ?", turnID).Where("ts.state = ?", StepPending).Where("turn.state = ?", TurnParked).
		Where(ofPeople).OrderExpr("ts.n").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// StepInRoom returns a step of a turn in a room; ErrNotFound when the room has no such
// step.
func (q Queries) StepInRoom(ctx context.Context, roomID, id string) (*RoomStep, error) {
	s := new(RoomStep)
	return first(ctx, q.roomSteps(s).Where("ts.id = ?", id).Where("turn.room_id = ?", roomID), s)
}

// Step returns a step with its turn; ErrNotFound when there is none with this id.
func (q Queries) Step(ctx context.Context, id string) (*RoomStep, error) {
	s := new(RoomStep)
	return first(ctx, q.roomSteps(s).Where("ts.id = ?", id), s)
}

// OverdueSteps lists the steps that still wait after their DueAt.
func (q Queries) OverdueSteps(ctx context.Context, now time.Time, limit int) ([]RoomStep, error) {
	var rows []RoomStep
	err := q.roomSteps(&rows).Where("ts.state = ?", StepPending).Where("ts.due_at < ?", now).Where("turn.state = ?", TurnParked).
		OrderExpr("ts.due_at").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// TurnWaits tells whether a step of the turn waits for a person or for an agent outside
// this program.
func (q Queries) TurnWaits(ctx context.Context, turnID string) (bool, error) {
	ok, err := q.db.NewSelect().Model((*TurnStep)(nil)).Where("ts.turn_id = ?", turnID).Where("ts.state = ?", StepPending).Exists(ctx)
	return ok, translate(err)
}
