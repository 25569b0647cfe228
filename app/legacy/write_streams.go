package legacy

import (
	"context"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// stream writes what is too long for memory, as it is read from the source.
type stream[T any] struct {
	what  string
	of    int64
	bytes func(*T) int
	// next gives a row its number, and moves the place on.
	next func(pr *progress, row *T)
	load func(ctx context.Context, tx *store.Tx, rows []T) error
}

// write takes the rows that read gives, in batches.
func (s stream[T]) write(ctx context.Context, w *writer, read func(after []string, fn func(*T, []string) error) error) error {
	rows, size, next := make([]T, 0, batch), 0, *w.pr
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		err := w.commit(ctx, next, func(tx *store.Tx) error { return s.load(ctx, tx, rows) })
		rows, size = rows[:0], 0
		w.told(s.what, int64(next.Done), s.of)
		return err
	}
	err := read(w.pr.After, func(row *T, at []string) error {
		if s.next != nil {
			s.next(&next, row)
		}
		next.After = at
		next.Done++
		rows = append(rows, *row)
		if size += s.bytes(row); len(rows) < batch && size < batchBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// number gives a message the next number of its room.
func number(pr *progress, m *store.Message) {
	if pr.Room != m.RoomID {
		pr.Room, pr.Seq, pr.Answers = m.RoomID, 0, ""
	}
	pr.Seq++
	m.Seq = pr.Seq
}

func (w *writer) writeMessages(ctx context.Context) error {
	s := stream[store.Message]{what: "messages", of: w.messages, bytes: func(m *store.Message) int { return len(m.Content) }, next: number,
		load: func(ctx context.Context, tx *store.Tx, rows []store.Message) error {
			return tx.LoadMessages(ctx, rows, w.roomCourse)
		}}
	return s.write(ctx, w, func(after []string, fn func(*store.Message, []string) error) error {
		return w.messagesFrom(ctx, after, fn)
	})
}

// writeLines writes the messages of threads. An agent's line answers the person's line before
// it, once.
func (w *writer) writeLines(ctx context.Context) error {
	s := stream[store.Message]{what: "messages of threads", of: w.lines, bytes: func(m *store.Message) int { return len(m.Content) },
		next: func(pr *progress, m *store.Message) {
			number(pr, m)
			if m.SenderID != "" {
				pr.Answers = m.ID
				return
			}
			m.Answers, pr.Answers = pr.Answers, ""
		},
		load: func(ctx context.Context, tx *store.Tx, rows []store.Message) error {
			return tx.LoadMessages(ctx, rows, nil)
		}}
	return s.write(ctx, w, func(after []string, fn func(*store.Message, []string) error) error {
		return w.linesFrom(ctx, after, fn)
	})
}

func (w *writer) writeArtifacts(ctx context.Context) error {
	s := stream[store.Artifact]{what: "artifacts", of: int64(len(w.artifact)), bytes: func(f *store.Artifact) int { return len(f.Content) },
		load: store.Load[store.Artifact]}
	return s.write(ctx, w, func(after []string, fn func(*store.Artifact, []string) error) error {
		return w.artifactsFrom(ctx, after, fn)
	})
}

func (w *writer) writeAudit(ctx context.Context) error {
	s := stream[store.AuditEntry]{what: "audit log", of: w.report.of("audit_log").Came, bytes: func(e *store.AuditEntry) int { return len(e.Before) + len(e.After) },
		load: store.Load[store.AuditEntry]}
	return s.write(ctx, w, func(after []string, fn func(*store.AuditEntry, []string) error) error {
		return w.src.Scan(ctx, "audit_log", []string{"id"}, after, func(r dump.Row) error {
			one := row{r, w.plan, "audit_log"}
			if one.id("id") == "" {
				return nil
			}
			e := one.audit()
			return fn(&e, []string{r.Text("id")})
		})
	})
}
