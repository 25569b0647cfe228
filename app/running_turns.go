package app

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// This file shows the answers under way to whoever comes into a room in the
// middle of them. The database says which turns run, on whatever node; their
// text so far is what this process has heard of it.

// underWay are the turns of a room that ran at a moment.
type underWay struct {
	asked time.Time // before they were read
	turns []store.NamedTurn
}

// underWay reads the turns that run in a room. Read the room's newest seq
// first: the end of each of these turns then comes behind it.
func (a *App) underWay(ctx context.Context, roomID string) (*underWay, error) {
	u := &underWay{asked: a.now()}
	var err error
	u.turns, err = a.db.RunningTurns(ctx, roomID)
	return u, err
}

// of returns the turn with this id, or nil.
func (u *underWay) of(id string) *store.NamedTurn {
	i := slices.IndexFunc(u.turns, func(t store.NamedTurn) bool { return t.ID == id })
	if i < 0 {
		return nil
	}
	return &u.turns[i]
}

// turnFrames are the frames of coagent.v2 of the turns that run: those that
// this process hears of, unless they had ended when the database was read, and
// those of other nodes that it has heard nothing of.
func (a *App) turnFrames(u *underWay, heard []realtime.Turn) (frames [][]byte) {
	shown := map[string]bool{}
	for _, t := range heard {
		row := u.of(t.ID)
		current := row != nil && row.Attempt == t.Attempt
		if !current && t.Since.Before(u.asked) {
			continue
		}
		var about TurnEvent
		if json.Unmarshal(t.About, &about) != nil {
			if !current {
				continue
			}
			about = startedTurn(row)
		}
		frames = append(frames, turnFrame(about, t.Offset, t.Text))
		shown[t.ID] = true
	}
	for i := range u.turns {
		// A turn of this process that it has told nobody of waits for people who type.
		if t := &u.turns[i]; !shown[t.ID] && t.Node != a.db.Node() {
			frames = append(frames, turnFrame(startedTurn(t), 0, ""))
		}
	}
	return frames
}

func startedTurn(t *store.NamedTurn) TurnEvent {
	return TurnEvent{TurnID: t.ID, AgentID: t.AgentID, AgentName: t.AgentName, State: startOf(t.Attempt), Attempt: t.Attempt}
}

// startOf is how a turn's frame tells that an attempt begins.
func startOf(attempt int) string {
	if attempt > 1 {
		return "retrying"
	}
	return "started"
}

func turnFrame(t TurnEvent, offset int, text string) []byte {
	return []byte(toJSON(struct {
		Type string `json:"type"`
		TurnEvent
		Offset int    `json:"offset,omitempty"`
		Text   string `json:"text"`
	}{signalTurn, t, offset, text}))
}

// RunningTurns are the frames of coagent.v2 of a room's turns that run now,
// each with its text so far. Read the room's events first: the ends of these
// turns come behind them.
func (a *App) RunningTurns(ctx context.Context, actor *Actor, roomID string) ([][]byte, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadHistory); err != nil {
		return nil, err
	}
	u, err := a.underWay(ctx, roomID)
	if err != nil {
		return nil, err
	}
	return a.turnFrames(u, a.hub.Turns(roomID)), nil
}
