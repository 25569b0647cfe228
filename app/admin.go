package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/store"
)

// This file has what admins see of all accounts: lists with a search and a total, and the
// sessions of a person.

// AdminUsers is a page of all accounts.
type AdminUsers struct {
	Total    int64
	Users    []store.User
	Sessions map[string]store.SessionSum // by the ids of the accounts
}

// AdminUsersQuery is store.UserFilter with the id of the account behind which to go on.
type AdminUsersQuery struct {
	store.UserFilter
	After string
}

// AdminUsers lists accounts by a filter.
func (a *App) AdminUsers(ctx context.Context, actor *Actor, q AdminUsersQuery) (*AdminUsers, error) {
	if err := Check(actor, ActListUsers, Resource{}); err != nil {
		return nil, err
	}
	if err := text("q", q.Text, 0, maxName); err != nil {
		return nil, err
	}
	f := q.UserFilter
	if q.After != "" {
		after, err := a.db.User(ctx, q.After)
		if KindOf(fromStore(err, "User")) == KindNotFound && err != nil {
			return nil, invalid("after", "is the id of an account that is gone, begin the list anew")
		}
		if err != nil {
			return nil, err
		}
		f.After = after
	}
	users, err := a.db.FilteredUsers(ctx, f)
	if err != nil {
		return nil, err
	}
	total, err := a.db.CountUsers(ctx, f)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	sums, err := a.db.SessionSums(ctx, ids, a.instant())
	return &AdminUsers{Total: total, Users: users, Sessions: sums}, err
}

// maxAuditTotal is up to where entries of the audit log are counted.
const maxAuditTotal = 10_000

// AuditPage is a page of the audit log.
type AuditPage struct {
	Total   int64
	AtLeast bool // there are more than Total
	Entries *store.Listing[store.AuditEntry]
}

// SearchAudit lists entries of the audit log by a filter, with their number.
func (a *App) SearchAudit(ctx context.Context, actor *Actor, f AuditFilter, after string, limit int) (*AuditPage, error) {
	if err := Check(actor, ActReadAudit, Resource{}); err != nil {
		return nil, err
	}
	if err := text("q", f.Text, 0, maxName); err != nil {
		return nil, err
	}
	entries, err := a.AuditLog(ctx, actor, f, after, limit)
	if err != nil {
		return nil, err
	}
	f.Since, f.Until = storable(f.Since), storable(f.Until)
	for _, v := range []*string{&f.ActorID, &f.OnBehalfOf, &f.TargetID} {
		if u, err := uuid.Parse(*v); err == nil {
			*v = u.String()
		}
	}
	total, err := a.db.CountAuditEntries(ctx, f, maxAuditTotal+1)
	return &AuditPage{Total: min(total, maxAuditTotal), AtLeast: total > maxAuditTotal, Entries: entries}, err
}

// SessionsOf lists where somebody is signed in, the newest first. Of admins only super
// admins see it.
func (a *App) SessionsOf(ctx context.Context, actor *Actor, userID string, p store.Page) ([]store.Session, error) {
	if err := a.mayManageSessions(ctx, actor, userID); err != nil {
		return nil, err
	}
	return a.db.SessionsOf(ctx, userID, a.instant(), p)
}

// EndSessionsOf signs somebody out: in one session, or everywhere when id is "". The
// person's other programs go on with their tokens, see RevokeTokensOf.
func (a *App) EndSessionsOf(ctx context.Context, actor *Actor, userID, id string) error {
	if err := a.mayManageSessions(ctx, actor, userID); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(ctx, userID)
		if err == nil {
			err = mayRule(actor, power{beyond: ActManageAdminSessions, accounts: []string{u.Role}})
		}
		if err != nil {
			return err
		}
		if id == "" {
			if err := a.sessions.endAll(ctx, tx, userID, actor.SessionID, "ended by an admin"); err != nil {
				return err
			}
			return a.audit.record(ctx, tx, actor, ActManageSessions, target{"user", userID}, nil, changes{"sessions": "ended"})
		}
		s, err := tx.SessionForUpdate(ctx, id)
		now := a.instant()
		if err == nil && (s.UserID != userID || !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt)) {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := tx.EndSession(ctx, id, "ended by an admin", now); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.sessions.closeSockets(id) })
		return a.audit.record(ctx, tx, actor, ActManageSessions, target{"session", id}, sessionChanges(s), nil)
	}), "Session")
}

func (a *App) mayManageSessions(ctx context.Context, actor *Actor, userID string) error {
	if err := Check(actor, ActManageSessions, Resource{}); err != nil {
		return err
	}
	u, err := a.db.User(ctx, userID)
	if err != nil {
		return fromStore(err, "User")
	}
	return mayRule(actor, power{beyond: ActManageAdminSessions, accounts: []string{u.Role}})
}

// System is what admins see of the machinery.
type System struct {
	Nodes  []store.Node
	Alive  func(*store.Node) bool
	Queues []store.QueueCount
	Bytes  int64
	Tables []store.TableSize
	// FileStorage is where new files lie, and FileBytes is what all have, wherever they lie.
	FileStorage string
	FileBytes   int64
}

const (
	// tellEvery is how often a process tells that it lives; it is forgotten after forgetNodes.
	tellEvery   = store.NodeDeadAfter / 4
	forgetNodes = 24 * time.Hour
	// maxTables is how many tables are listed with their sizes.
	maxTables = 15
)

// System returns which processes there are, how many jobs wait, and what the database
// takes.
func (a *App) System(ctx context.Context, actor *Actor) (*System, error) {
	if err := Check(actor, ActReadSystem, Resource{}); err != nil {
		return nil, err
	}
	now := a.instant()
	s := &System{Alive: func(n *store.Node) bool { return n.Alive(now) }}
	var err error
	if s.Nodes, err = a.db.Nodes(ctx); err != nil {
		return nil, err
	}
	own := a.process.node(now, a.audience.hub.Stats().Conns)
	for i := range s.Nodes {
		if s.Nodes[i].ID == own.ID {
			s.Nodes[i], own.ID = own, ""
		}
	}
	if own.ID != "" {
		s.Nodes = append(s.Nodes, own)
	}
	if s.Queues, err = a.db.QueueCounts(ctx); err != nil {
		return nil, err
	}
	if s.Bytes, s.Tables, err = a.db.StorageSizes(ctx, maxTables); err != nil {
		return nil, err
	}
	s.FileStorage = a.cfg.Files.Storage
	s.FileBytes, err = a.db.BlobBytes(ctx)
	return s, err
}

// node is what this process tells of itself.
func (p *process) node(now time.Time, connections int) store.Node {
	return store.Node{ID: p.id, Version: p.version, Serves: p.serve, Works: p.workers != nil, StartedAt: p.started, SeenAt: now, Connections: connections, Keys: p.keys}
}

// tellOthers tells the other processes that this one lives, until ctx ends.
func (a *App) tellOthers(ctx context.Context) {
	tick := time.NewTicker(tellEvery) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	for {
		n := a.process.node(a.instant(), a.audience.hub.Stats().Conns)
		if err := a.db.Single().TellNode(ctx, &n); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "the other processes cannot be told that this one lives", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
