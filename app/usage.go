package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// UsageQuery says which calls of models to sum, and by what.
type UsageQuery struct {
	// From and To are dates, of which To counts too, or instants, of which To does not.
	From, To string
	GroupBy  []string          // names of store.UsageGroups
	Of       store.UsageFilter // its times come from From and To
	Page     store.Page
}

// UsageReport is what calls of models used.
type UsageReport struct {
	From, Until time.Time
	GroupBy     []string
	Rows        []UsageRow
	Totals      []store.UsageSum // of all pages, one for each currency
}

// UsageRow is the sum of one group, with the names of what still exists.
type UsageRow struct {
	store.UsageSum
	Room, Course, Agent, Person, Key string
}

// usageDays is how many days are summed when a query says nothing.
const usageDays = 31

// Usage sums what calls of models used. Without a filter an admin gets all of it, and
// everybody else what they caused themselves.
func (a *App) Usage(ctx context.Context, actor *Actor, q UsageQuery) (*UsageReport, error) {
	if err := a.mayReadUsage(ctx, actor, &q.Of); err != nil {
		return nil, err
	}
	if err := a.usagePeriod(&q); err != nil {
		return nil, err
	}
	var columns []string
	for i, name := range q.GroupBy {
		if store.UsageGroups[name] == nil {
			return nil, oneOf("group_by", name, "day", "room", "course", "agent", "person", "model", "key")
		}
		if slices.Contains(q.GroupBy[:i], name) {
			return nil, invalid("group_by", "names %s twice", name)
		}
		columns = append(columns, store.UsageGroups[name]...)
	}
	sums, err := a.db.UsageSums(ctx, q.Of, columns, q.Page)
	if err != nil {
		return nil, err
	}
	report := &UsageReport{From: q.Of.From, Until: q.Of.Until, GroupBy: q.GroupBy}
	if report.Totals, err = a.db.UsageSums(ctx, q.Of, nil, store.Page{Limit: store.MaxLimit}); err != nil {
		return nil, err
	}
	report.Rows, err = a.namedUsage(ctx, actor, sums)
	return report, err
}

// usagePeriod reads the dates of a query.
func (a *App) usagePeriod(q *UsageQuery) (err error) {
	if q.Of.From, err = a.usageTime("from", q.From, 0); err != nil {
		return err
	}
	if q.Of.Until, err = a.usageTime("to", q.To, 1); err != nil {
		return err
	}
	if q.Of.From.IsZero() {
		last := q.Of.Until
		if last.IsZero() {
			last = a.now()
		}
		q.Of.From = last.AddDate(0, 0, -usageDays)
	}
	if !q.Of.Until.IsZero() && !q.Of.From.Before(q.Of.Until) {
		return invalid("to", "must not be before from")
	}
	return nil
}

// usageTime reads a date, which begins in the configuration's zone, or an instant. later is
// how many days after the date to go.
func (a *App) usageTime(field, text string, later int) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return storable(at), nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, a.cfg.Location())
	if err != nil {
		return time.Time{}, invalid(field, "must be a date such as 2026-01-31, or an instant such as 2026-01-31T08:00:00Z")
	}
	return storable(at.AddDate(0, 0, later)), nil
}

// mayReadUsage checks that the actor may read what a filter selects. Each member of the
// filter narrows it, so one that the actor may read is enough.
func (a *App) mayReadUsage(ctx context.Context, actor *Actor, f *store.UsageFilter) error {
	if actor == nil {
		return errNotAuthenticated
	}
	if actor.isAdmin() {
		return Check(actor, ActReadUsage, Resource{})
	}
	if f.CourseID == "" && f.RoomID == "" && f.AgentID == "" && f.KeyID == "" && f.PersonID == "" {
		f.PersonID = actor.User.ID
	}
	var denied error
	for _, s := range []store.Scope{{Kind: store.ScopePerson, ID: f.PersonID}, {Kind: store.ScopeKey, ID: f.KeyID},
		{Kind: store.ScopeCourse, ID: f.CourseID},
		{Kind: store.ScopeRoom, ID: f.RoomID}, {Kind: store.ScopeAgent, ID: f.AgentID}} {
		if s.ID == "" {
			continue
		}
		res, err := a.scopeResource(ctx, actor, s)
		if err == nil {
			err = Check(actor, ActReadUsage, res)
		}
		if err == nil {
			return nil
		}
		if KindOf(err) == KindInternal {
			return err
		}
		if denied == nil {
			denied = err
		}
	}
	return denied
}

// scopeResource is what a budget may be about, as a resource for Check. A key has a
// relation for its owner alone, and is not found for all others.
func (a *App) scopeResource(ctx context.Context, actor *Actor, s store.Scope) (res Resource, err error) {
	switch s.Kind {
	case store.ScopeCourse:
		_, res, err = a.course(ctx, actor, s.ID)
	case store.ScopeRoom:
		var acc *store.RoomAccess
		if acc, err = a.db.RoomAccess(ctx, s.ID, actor.User.ID); err == nil {
			res = roomResource(acc)
		}
		err = fromStore(err, "Room")
	case store.ScopeAgent:
		_, res, err = a.agentResource(ctx, actor, s.ID, "Agent")
	case store.ScopeKey:
		var keys []store.UserKey
		if keys, err = a.db.UserKeysByID(ctx, actor.User.ID, []string{s.ID}); err == nil && len(keys) == 0 {
			err = notFound("Key")
		}
		res = Resource{Noun: "Key", Relations: IsSelf}
	default:
		res = Resource{Noun: "User"}
		if s.ID == actor.User.ID {
			res.Relations = IsSelf
		}
	}
	return res, err
}

// namedUsage adds the names of what the sums are about. What a person calls a key is for
// that person and admins: students whose calls it paid get its id alone.
func (a *App) namedUsage(ctx context.Context, actor *Actor, sums []store.UsageSum) ([]UsageRow, error) {
	rows := make([]UsageRow, len(sums))
	for i, s := range sums {
		rows[i].UsageSum = s
	}
	for kind, of := range map[string]func(*UsageRow) (id string, name *string){
		"room":   func(r *UsageRow) (string, *string) { return r.RoomID, &r.Room },
		"course": func(r *UsageRow) (string, *string) { return r.CourseID, &r.Course },
		"agent":  func(r *UsageRow) (string, *string) { return r.AgentID, &r.Agent },
		"person": func(r *UsageRow) (string, *string) { return r.PersonID, &r.Person },
		"key":    func(r *UsageRow) (string, *string) { return r.KeyID, &r.Key },
	} {
		var ids []string
		for i := range rows {
			if id, _ := of(&rows[i]); id != "" {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if kind == "key" && !actor.isAdmin() {
			own, err := a.db.UserKeysByID(ctx, actor.User.ID, ids)
			if err != nil {
				return nil, err
			}
			ids = ids[:0]
			for i := range own {
				ids = append(ids, own[i].ID)
			}
		}
		names, err := a.db.NamesOf(ctx, kind, ids)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			id, name := of(&rows[i])
			*name = names[id]
		}
	}
	return rows, nil
}
