package turn

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Handlers does the jobs of turns: DecideInRoom and RunTurn.
func (e *Engine) Handlers() jobs.Handlers {
	return jobs.Handlers{DecideInRoom: e.decideInRoom, RunTurn: e.runTurn}
}

// ErrBusy says that a room changes too fast to decide in it. The job is tried again after
// a moment.
var ErrBusy = errors.New("the room changes too fast to decide in it")

// decideInRoom lets the room's agents decide about the messages since the last
// decision. It rolls once for each message: the commit that creates the turns also
// marks what was decided.
func (e *Engine) decideInRoom(ctx context.Context, job jobs.DecideInRoom) error {
	return e.background.Do(ctx, func() error { return e.decideOnce(ctx, job.RoomID) })
}

func (e *Engine) decideOnce(ctx context.Context, roomID string) error {
	for range 5 {
		s, err := e.snapshot(ctx, roomID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || s == nil {
			return err
		}
		d := turntaking.Decide(s.Snapshot, s.Rolls(e.rand))
		if s.Busy != nil && !d.Beside() {
			return nil
		}
		d.Candidates = append(d.Candidates, s.Gone(&d)...)
		err = e.db.InTx(ctx, func(tx *store.Tx) error {
			if err := e.storeDecision(ctx, tx, roomID, &d); err != nil {
				return err
			}
			return tx.Rearm(ctx, s.rearmed(speakerIDs(&d)...))
		})
		if err == nil {
			e.reportUnheard(s, &d)
			e.reportNobody(ctx, s, &d)
		}
		// Another decision was faster, a turn began, or an agent was deleted
		// meanwhile: decide about what is left.
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrReferenced) {
			return err
		}
	}
	return ErrBusy
}

// snapshot reads what a decision needs. It returns nil when there is nothing to
// decide, or when a turn has the floor: when it leaves the floor or ends, the room
// decides again. While all live turns are aside, only people's calls are decided about.
func (e *Engine) snapshot(ctx context.Context, roomID string) (*roomSnapshot, error) {
	room, turns, err := e.db.RoomToDecide(ctx, roomID)
	switch {
	case err != nil:
		return nil, err
	case turns.Speaking, turns.Live && room.PersonSeq <= room.DecidedSeq:
		return nil, nil
	case turns.Waiting && !turns.Live: // the turn ahead of it was deleted with its agent
		return nil, e.resumeRoom(ctx, roomID)
	case !room.Undecided(), room.ThreadID != "": // in a thread each message has its turn at once
		return nil, nil
	}
	s := e.newSnapshot(room)
	if turns.Live {
		if err := e.findBusy(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := e.loadRoomAgents(ctx, s); err != nil {
		return nil, err
	}
	// Read only up to the snapshot's own head. Messages that came while it was read
	// have decisions of their own.
	if err := e.readMessages(ctx, s); err != nil {
		return nil, err
	}
	if s.Unread, err = e.unread(ctx, roomID, s.Agents, s.Now); err != nil {
		return nil, err
	}
	return s, e.findKeyless(ctx, s)
}

// findBusy notes which agents of the room have a turn that has not ended.
func (e *Engine) findBusy(ctx context.Context, s *roomSnapshot) error {
	unended, err := e.db.UnendedTurns(ctx, []string{s.room.ID})
	s.Busy = map[string]int64{}
	for _, t := range unended {
		if t.State != store.TurnParked {
			s.Busy[t.AgentID] = max(s.Busy[t.AgentID], t.TriggerSeq)
		}
	}
	return err
}

// nextInRoom goes on after a turn: it queues the next waiting turn, or else a
// decision about the messages that the turn has not read. read is the newest message
// that the turn has read; own is the turn's own message when that calls nobody, else
// 0. The caller's transaction is the one that ends the turn. It returns the room, which
// the transaction has locked.
//
// Other turns may be live. They need none of the messages that are marked as read: these
// call nobody but the agent of the turn.
func (e *Engine) nextInRoom(ctx context.Context, tx *store.Tx, roomID string, read, own int64) (*store.Room, error) {
	lookAt := e.instant().Add(e.cfg.Turns.Lease)
	room, err := tx.MarkRead(ctx, roomID, read, own, lookAt)
	if err != nil {
		return nil, err
	}
	// A message that no agent could answer leaves nothing to decide, and still goes
	// before what agents have to say to each other.
	if room.Undecided() || read > 0 && room.PersonSeq > read {
		if err := tx.GiveWay(ctx, roomID, turntaking.CauseAgents, errGaveWay.Reason, errGaveWay.Detail, e.instant()); err != nil {
			return nil, err
		}
	}
	return room, e.startNext(ctx, tx, room)
}

// startNext gives the floor of a room, if it is free, to the waiting turn that comes next.
// Without one the room decides about what is undecided. The transaction must hold the
// lock of the room.
func (e *Engine) startNext(ctx context.Context, tx *store.Tx, room *store.Room) error {
	waiting, err := tx.WaitingTurn(ctx, room.ID, turntaking.AskedFor()...)
	if err == nil {
		if err := tx.QueueTurn(ctx, waiting.ID, e.instant().Add(e.cfg.Turns.Lease)); err != nil {
			return err
		}
		return e.queue.Add(ctx, tx, jobs.RunTurn{TurnID: waiting.ID, Attempt: waiting.Attempt})
	}
	if !errors.Is(err, store.ErrNotFound) || !room.Undecided() {
		return store.UnlessMissing(err)
	}
	return e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: room.ID})
}

// roomSnapshot is the input of a decision, with the rows that it was made of.
type roomSnapshot struct {
	turntaking.Snapshot
	room *store.Room
	rows map[string]*RoomAgent // by the agent's id
}

// newSnapshot begins a snapshot of a room.
func (e *Engine) newSnapshot(room *store.Room) *roomSnapshot {
	return &roomSnapshot{room: room, rows: map[string]*RoomAgent{}, Snapshot: turntaking.Snapshot{Room: *RoomOf(room), Now: e.now(),
		MaxStreak: e.cfg.Turns.MaxStreak, Unread: map[string]int{}, Keyless: map[string]string{}}}
}

// speakerIDs are the agents that speak.
func speakerIDs(d *turntaking.Decision) (ids []string) {
	for _, c := range d.Speakers() {
		ids = append(ids, c.AgentID)
	}
	return ids
}
