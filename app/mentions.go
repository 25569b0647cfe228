package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// SaidThere is a message in a list over rooms.
type SaidThere struct {
	store.Found
	Sender  string // as the room's people see it
	Excerpt string
}

func saidThere(rows []store.Found) []SaidThere {
	all := make([]SaidThere, len(rows))
	for i := range rows {
		all[i] = SaidThere{Found: rows[i], Sender: event.ShownName(event.SenderName(rows[i].Message())), Excerpt: event.Excerpt(rows[i].Content)}
	}
	return all
}

// reader is the actor as a reader of rooms.
func (a *Actor) reader() store.Reader {
	return store.Reader{UserID: a.User.ID, Admin: Check(a, ActReadHistory, Resource{}) == nil}
}

// Mentions lists the messages that mention the actor, in rooms that the actor may read
// now, newest first. Deleted and hidden messages are left out.
func (a *App) Mentions(ctx context.Context, actor *Actor, s store.MentionSearch) ([]SaidThere, error) {
	if err := Check(actor, ActReadMentions, Resource{}); err != nil {
		return nil, err
	}
	rows, err := a.db.Mentions(ctx, actor.reader(), s)
	return saidThere(rows), err
}

// maxMarked is how many mentions can be named at once.
const maxMarked = 200

// ReadMentions marks mentions of the actor as read: those in these messages, and all up to
// one message. It returns how many were not read before.
func (a *App) ReadMentions(ctx context.Context, actor *Actor, ids []string, upTo string) (n int64, err error) {
	if err := Check(actor, ActMarkMentions, Resource{}); err != nil {
		return 0, err
	}
	switch {
	case len(ids) == 0 && upTo == "":
		return 0, invalid("ids", "send ids or up_to")
	case len(ids) > maxMarked:
		return 0, invalid("ids", "has %d members, at most %d are possible", len(ids), maxMarked)
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		n = 0
		tx.AfterCommit(func() {
			if n > 0 {
				a.audience.marksChanged(actor.User.ID, "")
			}
		})
		if len(ids) > 0 {
			if n, err = tx.ReadMentions(ctx, actor.User.ID, ids, a.instant()); err != nil {
				return err
			}
		}
		if upTo == "" {
			return nil
		}
		more, err := tx.ReadMentionsUpTo(ctx, actor.User.ID, upTo, a.instant())
		n += more
		return err
	})
	return n, err
}
