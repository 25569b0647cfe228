package turn

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// restFor is how long a loop goes without a look at the database while it knows of no
// change. It is the net below Changes, which does not count everything.
const restFor = 5 * time.Second

// rest is what a loop knows that looks for rows whose time has come, so that it leaves the
// database alone while nothing changes and no time comes.
type rest struct {
	db     *store.DB
	seen   uint64    // the number of changes before the last look
	looked time.Time // the zero time before the first
	next   time.Time // the next time that comes; zero for none
}

// lasts tells whether another look would find what the last one found, and nothing is due.
func (r *rest) lasts(now time.Time) bool {
	return r.seen == r.db.Changes() && time.Since(r.looked) < restFor && !r.due(now) //nolint:forbidigo // the pace of a loop is no rule's time
}

// due tells whether the time of a row has come.
func (r *rest) due(now time.Time) bool { return !r.next.IsZero() && !now.Before(r.next) }

// look asks for the next time. After an error the next tick asks again.
func (r *rest) look(ctx context.Context, ask func(context.Context) (time.Time, error)) (err error) {
	seen := r.db.Changes()
	if r.next, err = ask(ctx); err != nil {
		*r = rest{db: r.db}
		return err
	}
	r.seen, r.looked = seen, time.Now() //nolint:forbidigo // the pace of a loop is no rule's time
	return nil
}
