package legacy

import (
	"context"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// batch is how many rows are written in one transaction, and batchBytes bounds their texts.
const (
	batch      = 5000
	batchBytes = 8 << 20
)

// writer writes a plan, and stores with each batch how far it is.
type writer struct {
	*plan
	db *store.DB
	pr *progress
	// told shows how far it is.
	told func(what string, done, of int64)
}

// step is one part of what is written.
type step struct {
	name  string
	write func(ctx context.Context) error
}

// steps are in an order in which what a row refers to is there before it.
func (w *writer) steps() []step {
	return []step{
		{"people", list(w, w.users)},
		{"pictures", w.writePictures},
		{"organizations", list(w, w.orgs)},
		{"organization members", list(w, w.orgMembers)},
		{"projects", list(w, w.projects)},
		{"project members", list(w, w.members)},
		{"courses", list(w, w.courses)},
		{"course members", list(w, w.enrolled)},
		{"announcements", list(w, w.notes)},
		{"types of agents", list(w, w.types)},
		{"keys", list(w, w.keys)},
		{"agents", list(w, w.agents)},
		{"keys of agents", list(w, w.agentKeys)},
		{"versions of agents", list(w, w.versions)},
		{"workflows", list(w, w.workflows)},
		{"rooms", list(w, w.rooms)},
		{"people in rooms", list(w, w.roomMembers)},
		{"agents in rooms", list(w, w.roomAgents)},
		{"messages", w.writeMessages},
		{"artifacts", w.writeArtifacts},
		{"parents of artifacts", w.writeParents},
		{"threads", list(w, w.threads)},
		{"rooms of threads", list(w, w.threadRooms)},
		{"messages of threads", w.writeLines},
		{"reports", list(w, w.reports)},
		{"audit log", w.writeAudit},
	}
}

// run writes all steps from where an earlier run ended.
func (w *writer) run(ctx context.Context) error {
	steps := w.steps()
	for w.pr.Step < len(steps) {
		s := steps[w.pr.Step]
		if err := s.write(ctx); err != nil {
			return fmt.Errorf("write %s: %w", s.name, err)
		}
		next := *w.pr
		next.Step, next.Done, next.After, next.Room, next.Seq, next.Answers = w.pr.Step+1, 0, nil, "", 0, ""
		if err := w.commit(ctx, next, func(*store.Tx) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// commit stores a batch together with the place behind it.
func (w *writer) commit(ctx context.Context, next progress, fn func(tx *store.Tx) error) error {
	err := w.db.InTx(ctx, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return next.save(ctx, tx)
	})
	if err == nil {
		*w.pr = next
	}
	return err
}

// list writes a list that is in memory.
func list[T any](w *writer, rows []T) func(context.Context) error {
	return func(ctx context.Context) error {
		what := w.steps()[w.pr.Step].name
		for w.pr.Done < len(rows) {
			until := min(w.pr.Done+batch, len(rows))
			next := *w.pr
			next.Done = until
			if err := w.commit(ctx, next, func(tx *store.Tx) error { return store.Load(ctx, tx, rows[w.pr.Done:until]) }); err != nil {
				return err
			}
			w.told(what, int64(until), int64(len(rows)))
		}
		return nil
	}
}

func (w *writer) writePictures(ctx context.Context) error {
	for w.pr.Done < len(w.avatars) {
		a, next := w.avatars[w.pr.Done], *w.pr
		next.Done++
		image, extension, err := w.files.read(a.file)
		if err != nil { // it was there when the import was planned
			return fmt.Errorf("the picture %s: %w", a.file, err)
		}
		v := &store.Avatar{ID: madeOf("avatar", a.user), UserID: a.user, Extension: extension, Image: image, CreatedAt: w.now}
		if err := w.commit(ctx, next, func(tx *store.Tx) error { return tx.LoadAvatar(ctx, v, w.rules.AvatarPath(v)) }); err != nil {
			return err
		}
		w.told("pictures", int64(next.Done), int64(len(w.avatars)))
	}
	return nil
}

func (w *writer) writeParents(ctx context.Context) error {
	for w.pr.Done < len(w.parents) {
		until := min(w.pr.Done+batch, len(w.parents))
		next := *w.pr
		next.Done = until
		err := w.commit(ctx, next, func(tx *store.Tx) error {
			for _, p := range w.parents[w.pr.Done:until] {
				if err := tx.LoadParent(ctx, p.child, p.parent); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// begun is the time of an import, in the precision that both databases keep.
func begun(now time.Time) time.Time { return now.UTC().Truncate(time.Microsecond) }
