package app

import (
	"context"
	"encoding/json"
	"unicode/utf16"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
)

// ThreadEvents lists a thread's durable events, as Events does for a room.
func (a *App) ThreadEvents(ctx context.Context, actor *Actor, id string, after int64, limit int, room func(bytes int64) error) (*EventPage, error) {
	th, err := a.threadFor(ctx, actor, id, ActReadThread)
	if err != nil {
		return nil, err
	}
	mayKnow, err := a.mayKnow(ctx, actor, th)
	if err != nil {
		return nil, err
	}
	return a.eventPage(ctx, id, after, limit, event.VariantFor(true, mayKnow)|event.Own, room)
}

// heardTurn is what a stream's reader has got of an answer under way: its attempt, and
// where the text so far ends, in UTF-16 code units.
type heardTurn struct {
	attempt, end int
	begun        bool
}

// Deltas returns the coagent.v2 frames of what agents have said since the last call and
// that is not stored yet: a turn frame for each attempt that has begun, with its text so
// far, and then deltas. The text of a frame begins where the one before ended; if some was
// missed, its offset says so.
func (s *EventStream) Deltas() (frames []StreamFrame) {
	turns := s.turns()
	heard := make(map[string]heardTurn, len(turns))
	for _, t := range turns {
		if t.About == nil { // its beginning was missed
			continue
		}
		was := s.heard[t.ID]
		now := heardTurn{attempt: t.Attempt, end: t.Offset + realtime.Units(t.Text), begun: true}
		switch {
		case was.begun && was.attempt > t.Attempt:
			now = was
		case !was.begun || was.attempt < t.Attempt:
			frames = append(frames, StreamFrame{event.SignalTurn, event.RunningTurn(aboutTurn(t), t.Offset, t.Text)})
		case now.end > was.end:
			d := realtime.Delta{TurnID: t.ID, Attempt: t.Attempt, Offset: t.Offset, Text: t.Text}
			if was.end > t.Offset {
				d.Offset, d.Text = was.end, afterUnits(t.Text, was.end-t.Offset)
			}
			frames = append(frames, StreamFrame{event.SignalDelta, event.DeltaFrame(d)})
		default:
			now.end = was.end
		}
		heard[t.ID] = now
	}
	s.heard = heard
	return frames
}

// StreamFrame is a frame that is not in a room's log, with its type.
type StreamFrame struct {
	Type string
	Data []byte
}

// aboutTurn is what is known of a turn under way.
func aboutTurn(t realtime.Turn) event.Turn {
	about := event.Turn{TurnID: t.ID, State: event.StartOf(t.Attempt), Attempt: t.Attempt}
	_ = json.Unmarshal(t.About, &about) // what is not readable was not heard
	return about
}

// afterUnits is a text without its first n UTF-16 code units.
func afterUnits(text string, n int) string {
	for i, r := range text {
		if n <= 0 {
			return text[i:]
		}
		n -= utf16.RuneLen(r)
	}
	return ""
}
