//go:build unix

package proctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// Outcome says what a fault changed of what people were told. When nothing is lost, every
// count that must be zero is zero.
type Outcome struct {
	Acked   int // messages that were acknowledged
	Lost    int // acknowledged messages that are not stored as acknowledged, or that a member did not see
	Doubled int // messages stored or shown twice
	Gaps    int // missing numbers in a log, or in what a member was shown
	Due     int // agents' turns that were decided on
	Ended   int // turns that have ended
	Failed  int // ended turns without a message, as the room was told
	Replies int // agents' messages
	Faults  []string
}

// Add sums two outcomes.
func (o *Outcome) Add(p Outcome) {
	o.Acked += p.Acked
	o.Lost += p.Lost
	o.Doubled += p.Doubled
	o.Gaps += p.Gaps
	o.Due += p.Due
	o.Ended += p.Ended
	o.Failed += p.Failed
	o.Replies += p.Replies
	o.Faults = append(o.Faults, p.Faults...)
}

func (o *Outcome) faultf(format string, args ...any) {
	o.Faults = append(o.Faults, fmt.Sprintf(format, args...))
}

// Whole returns nil when nothing was lost, doubled or left over.
func (o *Outcome) Whole() error {
	switch {
	case o.Lost+o.Doubled+o.Gaps > 0, len(o.Faults) > 0, o.Ended != o.Due, o.Replies+o.Failed != o.Ended:
		return fmt.Errorf("acknowledged %d, lost %d, doubled %d, gaps %d; turns due %d, ended %d, failed %d, replies %d; %.2000q",
			o.Acked, o.Lost, o.Doubled, o.Gaps, o.Due, o.Ended, o.Failed, o.Replies, o.Faults)
	}
	return nil
}

// maxRows is more than any test stores in one room.
const maxRows = 100_000

// Settled waits until no agent has anything left to do in the rooms.
func (s *Site) Settled(ctx context.Context, rooms ...string) error {
	db := s.DB()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := "", error(nil)
		for _, room := range rooms {
			if open, err = unsettled(ctx, db, room); open != "" || err != nil {
				break
			}
		}
		if err == nil && open == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not settled: %s: %w", open, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// unsettled says what is left to do in a room, "" when nothing is.
func unsettled(ctx context.Context, db *store.DB, room string) (string, error) {
	r, err := db.Room(ctx, room)
	if err != nil {
		return "", err
	}
	turns, err := db.Turns(ctx, room, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return "", err
	}
	for _, t := range turns {
		if !ended(&t) {
			return fmt.Sprintf("turn %s of attempt %d is %s", t.ID, t.Attempt, t.State), nil
		}
	}
	agents, err := db.AgentsInRoom(ctx, room)
	if err != nil || len(agents) == 0 {
		return "", err // nobody decides
	}
	if r.DecidedSeq < r.EventSeq {
		return fmt.Sprintf("the agents have looked at %d of %d in room %s", r.DecidedSeq, r.EventSeq, room), nil
	}
	return "", nil
}

func ended(t *store.Turn) bool {
	return t.State == store.TurnFinished || t.State == store.TurnFailed || t.State == store.TurnStopped
}

// Check compares the stored rows of a room with the acknowledgements and with what each
// member was shown. It waits for the members until ctx ends.
func (s *Site) Check(ctx context.Context, room string, acks []Ack, members ...*Member) (Outcome, error) {
	var o Outcome
	db := s.DB()
	events, err := db.Events(ctx, room, 0, maxRows)
	if err != nil {
		return o, err
	}
	lines, err := db.Messages(ctx, room, 0, maxRows)
	if err != nil {
		return o, err
	}
	turns, err := db.Turns(ctx, room, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return o, err
	}
	for _, m := range members {
		acks = append(acks, m.Acks()...)
	}
	o.checkLog(events, lines)
	o.checkAcks(acks, lines)
	o.checkTurns(turns, lines)
	for _, m := range members {
		o.checkMember(ctx, m, events)
	}
	return o, nil
}

// checkLog checks that the log is numbered 1..n and has every message once.
func (o *Outcome) checkLog(events []store.Event, lines []store.Message) {
	inLog := map[string]int64{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			o.Gaps++
			o.faultf("event %d of the log has seq %d", i+1, e.Seq)
			break
		}
		if e.Type == "message" {
			inLog[e.ID] = e.Seq
		}
	}
	if len(inLog) != len(lines) {
		o.faultf("%d lines, but %d of them in the log", len(lines), len(inLog))
	}
	for _, m := range lines {
		if inLog[m.ID] != m.Seq {
			o.faultf("line %s has seq %d, in the log %d", m.ID, m.Seq, inLog[m.ID])
		}
	}
}

// checkAcks checks that every acknowledged message is stored once, as it was
// acknowledged.
func (o *Outcome) checkAcks(acks []Ack, lines []store.Message) {
	byID := map[string]*store.Message{}
	said := map[string]int{}
	for i := range lines {
		m := &lines[i]
		byID[m.ID] = m
		if said[m.SenderID+m.AgentID+"\n"+m.Content]++; said[m.SenderID+m.AgentID+"\n"+m.Content] > 1 {
			o.Doubled++
			o.faultf("said twice: %.80q", m.Content)
		}
	}
	for _, a := range acks {
		o.Acked++
		m := byID[a.ID]
		if m == nil || m.Seq != a.Seq || m.Content != a.Text || m.SenderID != a.Sender || m.ClientID != a.ClientID {
			o.Lost++
			o.faultf("acknowledged as %d, but not stored so: %.80q", a.Seq, a.Text)
		}
	}
}

// checkTurns checks that every turn has ended, that a finished turn has one message, and
// that a turn stopped by a person has one at most.
func (o *Outcome) checkTurns(turns []store.Turn, lines []store.Message) {
	replies := map[string]int{}
	for _, m := range lines {
		if m.ByAgent() {
			o.Replies++
			replies[m.TurnID]++
		}
	}
	for _, t := range turns {
		o.Due++
		if !ended(&t) {
			o.faultf("turn %s is %s", t.ID, t.State)
			continue
		}
		o.Ended++
		want := 0
		switch {
		case t.State == store.TurnFinished:
			want = 1
		case t.State == store.TurnStopped && !t.StopAt.IsZero() && replies[t.ID] > 0:
			want = 1 // what it had said by then, unless its worker died with it
		default:
			o.Failed++
		}
		if replies[t.ID] != want {
			o.faultf("turn %s is %s (%s) and has %d lines", t.ID, t.State, t.Reason, replies[t.ID])
		}
	}
}

// checkMember checks that the member ends with exactly the stored log.
func (o *Outcome) checkMember(ctx context.Context, m *Member, events []store.Event) {
	head := int64(len(events))
	if err := m.Await(ctx, fmt.Sprintf("event %d", head), func() bool { return m.Last() >= head }); err != nil {
		o.Lost += int(head - m.Last())
		o.faultf("%v; it has %d", err, m.Last())
	}
	same := slices.EqualFunc(m.Log(), events, func(f Frame, e store.Event) bool { return f.Seq == e.Seq && f.ID == e.ID })
	if !same && m.Last() >= head {
		o.faultf("%s was shown another log than the stored one", m.Person.Name)
	}
	for _, f := range m.Faults() {
		o.Gaps++
		o.faultf("%s: %s", m.Person.Name, f)
	}
}
