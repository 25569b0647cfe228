package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/coagent-studio/coagent/app/board"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// maxColumn is the longest name of a column, in characters.
const maxColumn = 100

// CardMove is where a task is to stand on the board, which is the tasks of its room: right
// behind After, right before Before, or without both at the end of the column.
type CardMove struct {
	Column        Opt[string] // the one in which it stands when absent
	Before, After string      // ids, "" for none
}

// MoveCard moves a task on the board of its room. No other card is changed, unless no number
// is left between the orders of its neighbours.
func (a *App) MoveCard(ctx context.Context, actor *Actor, id string, to CardMove) (*store.Artifact, error) {
	head, _, err := a.artifactFor(ctx, actor, id, ActWriteArtifact)
	if err != nil {
		return nil, err
	}
	if err := to.check(head); err != nil {
		return nil, err
	}
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.artifacts.edit(ctx, head, func(tx *store.Tx, room *store.Room, f *store.Artifact) error {
		if f.Deleted() {
			return store.ErrNotFound
		}
		grew, moved, err := a.artifacts.move(ctx, tx, room, f, to, authorOf(actor))
		if err != nil || !moved {
			return err
		}
		return a.artifacts.saveFor(ctx, tx, room, f, actor, grew)
	})
}

func (to *CardMove) check(f *store.Artifact) error {
	if f.Type != ArtifactTask {
		return errorf(KindConflict, wording.Shape, "Only tasks stand on the board.")
	}
	var errs []error
	switch c := to.Column; {
	case c.Sent && c.Null:
		errs = append(errs, invalid("column", "must not be null, leave it out to keep what is stored"))
	case c.Sent:
		errs = append(errs, text("column", c.Value, 1, maxColumn))
	}
	if to.After == f.ID {
		errs = append(errs, invalid("after", "must be another task"))
	}
	if to.Before == f.ID || to.Before != "" && to.Before == to.After {
		errs = append(errs, invalid("before", "must be another task"))
	}
	return firstOf(errors.Join(errs...))
}

// move sets the column and the order of a task whose room is locked, and keeps its last
// version. The caller saves the task. grew says that it or its versions have more bytes than
// before, moved that it did not stand there already.
func (s *artifacts) move(ctx context.Context, tx *store.Tx, room *store.Room, f *store.Artifact, to CardMove, by author) (grew, moved bool, err error) {
	rows, err := tx.BoardCards(ctx, f.RoomID)
	if err != nil {
		return false, false, err
	}
	own := rows[slices.IndexFunc(rows, func(c store.BoardCard) bool { return c.ID == f.ID })]
	column := columnOf(own.Status)
	if to.Column.Sent {
		column = to.Column.Value
	}
	if column == "" {
		return false, false, invalid("column", "is needed: the task stands in none")
	}
	cards := columnCards(rows, column)
	self := slices.IndexFunc(cards, func(c store.BoardCard) bool { return c.ID == f.ID })
	if self >= 0 {
		cards = slices.Delete(cards, self, self+1)
	}
	at, err := to.place(rows, cards)
	if err != nil {
		return false, false, err
	}
	orders := make([]float64, len(cards))
	for i, c := range cards {
		orders[i] = orderOf(c.Place)
	}
	if self == at && own.Place != "" && board.Between(orders, at, orderOf(own.Place)) {
		return false, false, nil // it stands there, for example because the request came twice
	}
	order, others := board.Place(orders, at)
	for i := range cards {
		if n, ok := others[i]; ok {
			if err := s.reorder(ctx, tx, room, cards[i].ID, n, by); err != nil {
				return false, false, err
			}
		}
	}
	sent := numbered(order)
	if columnOf(own.Status) != column {
		sent = mergeContent(store.JSON(`{"status":`+string(store.ToJSON(column))+`}`), sent)
	}
	before := *f
	if err := s.apply(f, ArtifactChange{Content: Some(json.RawMessage(sent))}); err != nil {
		return false, false, err
	}
	if more := f.ContentBytes - before.ContentBytes; more > 0 {
		if err := s.fits(ctx, tx, f.RoomID, 0, more); err != nil {
			return false, false, err
		}
	}
	kept, err := s.keepVersion(ctx, tx, &before, by)
	return kept || f.ContentBytes > before.ContentBytes, true, err
}

// place finds where among the cards of the column the task is to stand.
func (to *CardMove) place(rows, cards []store.BoardCard) (at int, err error) {
	moved := errorf(KindConflict, wording.Stale, "A task beside which this one is to stand was moved meanwhile. Load the board again.")
	find := func(field, id string, none int) (int, error) {
		if id == "" {
			return none, nil
		}
		is := func(c store.BoardCard) bool { return c.ID == id }
		if i := slices.IndexFunc(cards, is); i >= 0 {
			return i, nil
		}
		if slices.ContainsFunc(rows, is) {
			return 0, moved
		}
		return 0, invalid(field, "is no task of this room")
	}
	after, err := find("after", to.After, -1)
	if err != nil {
		return 0, err
	}
	before, err := find("before", to.Before, len(cards))
	switch {
	case err != nil:
		return 0, err
	case to.After == "":
		return before, nil
	case before <= after:
		return 0, moved
	}
	return after + 1, nil // others may have come between them
}

// reorder gives another task of the column a new order.
func (s *artifacts) reorder(ctx context.Context, tx *store.Tx, room *store.Room, id string, order float64, by author) error {
	f, err := tx.Artifact(ctx, id)
	if err != nil {
		return err
	}
	before := *f
	if err := s.apply(f, ArtifactChange{Content: Some(json.RawMessage(numbered(order)))}); err != nil {
		return err
	}
	if err := s.save(ctx, tx, room, f, by, event.TypeArtifactUpdate); err != nil {
		return err
	}
	return s.keepBase(ctx, tx, &before, f)
}

func numbered(order float64) store.JSON {
	return store.JSON(`{"order":` + string(store.ToJSON(order)) + `}`)
}

// columnCards are the tasks of a column from the top to the bottom: by their orders, and the
// newest first where these are equal, as clients show them.
func columnCards(rows []store.BoardCard, column string) []store.BoardCard {
	cards := slices.DeleteFunc(slices.Clone(rows), func(c store.BoardCard) bool { return columnOf(c.Status) != column })
	slices.SortStableFunc(cards, func(a, b store.BoardCard) int { return cmp.Compare(orderOf(a.Place), orderOf(b.Place)) })
	return cards
}

// columnOf is the column of a task, "" if it has none.
func columnOf(status store.JSON) (column string) {
	if json.Unmarshal([]byte(status), &column) != nil {
		return ""
	}
	return column
}

// orderOf is the order of a task. One without a number counts as 0, and one that no float64
// can hold as the largest.
func orderOf(place store.JSON) float64 {
	n, err := strconv.ParseFloat(string(place), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return min(max(n, -math.MaxFloat64), math.MaxFloat64)
	case err != nil || math.IsNaN(n) || math.IsInf(n, 0):
		return 0
	}
	return n
}
