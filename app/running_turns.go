package app

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// This file shows answers that are still being written to a person who joins a room.
// The database says which turns run, on any node. This process knows of their text
// only what it has heard.

// underWay are the turns of a room that ran at one moment.
type underWay struct {
	asked  time.Time // just before the turns were read
	turns  []store.NamedTurn
	parked []store.NamedTurn // those that wait for a person, or for a budget
}

func (u *underWay) add(t store.NamedTurn) {
	if t.State == store.TurnParked {
		u.parked = append(u.parked, t)
	} else {
		u.turns = append(u.turns, t)
	}
}

// readUnderWay reads the turns that run in a room. Read the room's newest seq first: then
// the end of each of these turns comes after that seq.
func readUnderWay(ctx context.Context, db *store.DB, now clock, roomID string) (*underWay, error) {
	u := &underWay{asked: now()}
	turns, err := db.TurnsUnderWay(ctx, roomID)
	for _, t := range turns {
		u.add(t)
	}
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

// turnFrames are the coagent.v2 frames of the running and the parked turns. They include the turns
// that this process has heard of, unless those had ended when the database was read,
// and the turns of other nodes that it has heard nothing of.
func turnFrames(db *store.DB, u *underWay, heard []realtime.Turn) (frames [][]byte) {
	shown := map[string]bool{}
	for _, t := range heard {
		row := u.of(t.ID)
		current := row != nil && row.Attempt == t.Attempt
		if !current && t.Since.Before(u.asked) {
			continue
		}
		var about event.Turn
		if json.Unmarshal(t.About, &about) != nil {
			if !current {
				continue
			}
			about = event.Started(row)
		}
		frames = append(frames, event.RunningTurn(about, t.Offset, t.Text))
		shown[t.ID] = true
	}
	for i := range u.turns {
		// This process has not announced some of its own turns: those wait for
		// people who type.
		if t := &u.turns[i]; !shown[t.ID] && t.Node != db.Node() {
			frames = append(frames, event.RunningTurn(event.Started(t), 0, ""))
		}
	}
	for i := range u.parked {
		if t := &u.parked[i]; !shown[t.ID] { // it has gone on meanwhile
			about := event.Started(t)
			about.State, about.Reason = store.TurnParked, t.Reason
			frames = append(frames, event.RunningTurn(about, 0, ""))
		}
	}
	return frames
}

// RunningTurns are the coagent.v2 frames of the turns that run in a room now or are parked, each
// with its text so far. Read the room's events first: then the ends of these turns
// come after those events.
func (a *App) RunningTurns(ctx context.Context, actor *Actor, roomID string) ([][]byte, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadHistory); err != nil {
		return nil, err
	}
	return a.runningTurns(ctx, roomID)
}

// runningTurns is RunningTurns for who may read the room.
func (a *App) runningTurns(ctx context.Context, roomID string) ([][]byte, error) {
	u, err := readUnderWay(ctx, a.db, a.now, roomID)
	if err != nil {
		return nil, err
	}
	return turnFrames(a.db, u, a.audience.hub.Turns(roomID)), nil
}
