package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) adminListRoutes() {
	const tag = "Administration"
	known := []int{missing}
	add(s, get, v1+"/admin/users", "listAccounts", s.accounts,
		route{tag: tag, summary: "List accounts",
			description: "For admins.",
			role:        app.ActListUsers})
	add(s, get, v1+"/admin/audit/search", "searchAuditLog", s.searchAudit,
		route{tag: tag, summary: "Search the audit log, with a total",
			description: "For admins. q is looked for in who, what and the changed members.",
			large:       manyBytes, role: app.ActReadAudit})
	add(s, get, v1+"/admin/users/{user_id}/sessions", "listSessionsOf", s.sessionsOf,
		route{tag: tag, summary: "List where somebody is signed in",
			description: "For admins; sessions of admins are for super admins.",
			role:        app.ActManageSessions, errors: known})
	add(s, del, v1+"/admin/users/{user_id}/sessions", "endSessionsOf", s.endSessionsOf,
		route{tag: tag, summary: "Sign somebody out everywhere",
			description: "For admins. Access tokens stay, see revokeTokensOf.",
			role:        app.ActManageSessions, status: gone, errors: known})
	add(s, del, v1+"/admin/users/{user_id}/sessions/{session_id}", "endSessionOf", s.endSessionOf,
		route{tag: tag, summary: "Sign somebody out on one device",
			description: "For admins; sessions of admins are for super admins.",
			role:        app.ActManageSessions, status: gone, errors: known})
	add(s, get, v1+"/admin/system", "getSystem", s.system,
		route{tag: tag, summary: "Show the processes, the job queue and the database's size",
			description: "For admins. A process that was silent for a minute is not alive.",
			role:        app.ActReadSystem})
	add(s, get, v1+"/admin/doctor", "getDiagnosis", s.diagnosis,
		route{tag: tag, summary: "Examine the installation, as `coagent doctor` does",
			description: "For super admins. The result is told again for some seconds.",
			role:        app.ActDiagnose})
}

type accountsIn struct {
	Q        string `query:"q" maxLength:"200" doc:"A part of the e-mail, name or user name"`
	Role     string `query:"role" enum:"guest,student,ta,teacher,admin,super_admin"`
	Active   string `query:"active" enum:"true,false" doc:"Both when left out"`
	Kind     string `query:"kind" enum:"person,bot"`
	CourseID id     `query:"course_id" doc:"Only of this course"`
	Sort     string `query:"sort" enum:"newest,oldest,email" default:"newest"`
	After    id     `query:"after" doc:"Only those after the one with this id"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// These are userOut and sessionOut by names that other answers embed.
type (
	// UserOut is a person.
	UserOut = userOut
	// SessionOut is a session of a person.
	SessionOut = sessionOut
)

// accountOut is an account as admins see it.
type accountOut struct {
	UserOut
	Sessions   int        `json:"sessions"`
	LastSeenAt *time.Time `json:"last_seen_at" doc:"When a session was last renewed; null: never, or long ago"`
}

type accountsOut struct {
	Body struct {
		Total int64        `json:"total" doc:"Of all pages"`
		Users []accountOut `json:"users"`
		Next  *string      `json:"next" format:"uuid" doc:"For after; null behind the last page"`
	}
}

func (s *Server) accounts(ctx context.Context, actor *app.Actor, in *accountsIn) (*accountsOut, error) {
	f := store.UserFilter{Text: in.Q, Role: in.Role, Kind: in.Kind, CourseID: in.CourseID.String(), Order: in.Sort, Limit: in.Limit}
	if in.Active != "" {
		active := in.Active == "true"
		f.Active = &active
	}
	page, err := s.app.AdminUsers(ctx, actor, app.AdminUsersQuery{UserFilter: f, After: in.After.String()})
	if err != nil {
		return nil, err
	}
	out := new(accountsOut)
	out.Body.Total = page.Total
	out.Body.Users = listOf(page.Users, func(u *store.User) accountOut {
		sum := page.Sessions[u.ID]
		account := accountOut{UserOut: accountForm(u), Sessions: sum.Open}
		if !sum.SeenAt.IsZero() {
			at := instant(sum.SeenAt.Time)
			account.LastSeenAt = &at
		}
		return account
	})
	if n := len(page.Users); n == in.Limit {
		out.Body.Next = &page.Users[n-1].ID
	}
	return out, nil
}

type auditSearchIn struct {
	Q string `query:"q" maxLength:"200" doc:"A part of a name, an id or a changed member"`
	AuditFilterIn
	Sort  string `query:"sort" enum:"newest,oldest" default:"newest"`
	After id     `query:"after" doc:"Only those after the one with this id"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type auditPageOut struct {
	Body struct {
		Total   int64      `json:"total" doc:"Up to 10000"`
		AtLeast bool       `json:"at_least" doc:"There are more than total"`
		Entries []auditOut `json:"entries"`
		Next    *string    `json:"next" format:"uuid" doc:"For after; null behind the last page"`
	}
}

func (s *Server) searchAudit(ctx context.Context, actor *app.Actor, in *auditSearchIn) (*auditPageOut, error) {
	f := in.filter()
	f.Text, f.Oldest = in.Q, in.Sort == "oldest"
	page, err := s.app.SearchAudit(ctx, actor, f, in.After.String(), in.Limit)
	if err != nil {
		return nil, err
	}
	if err := s.reserve(ctx, requestOf(ctx), pageRoom(page.Entries.Most(), page.Entries.Size())); err != nil {
		return nil, err
	}
	out := new(auditPageOut)
	out.Body.Total, out.Body.AtLeast, out.Body.Entries = page.Total, page.AtLeast, []auditOut{}
	for e, err := range page.Entries.Rows(ctx) {
		if err != nil {
			return nil, err
		}
		out.Body.Entries = append(out.Body.Entries, auditForm(e))
	}
	if n := len(out.Body.Entries); n > 0 && n == in.Limit {
		out.Body.Next = &out.Body.Entries[n-1].ID
	}
	return out, nil
}

func sessionForm(row *store.Session, current string) sessionOut {
	return sessionOut{ID: row.ID, Device: row.UserAgent, Address: row.Address, CreatedAt: instant(row.CreatedAt), ExpiresAt: instant(row.ExpiresAt),
		Current: row.ID == current, Impersonated: row.ImpersonatorID != ""}
}

// sessionOfOut is a session as admins see it.
type sessionOfOut struct {
	SessionOut
	LastSeenAt time.Time `json:"last_seen_at" doc:"Last renewed"`
}

func (s *Server) sessionsOf(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[sessionOfOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.Session, error) { return s.app.SessionsOf(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, func(row *store.Session) sessionOfOut {
		return sessionOfOut{sessionForm(row, actor.SessionID), instant(row.RotatedAt)}
	}, skipping[store.Session](in.PageIn))
}

func (s *Server) endSessionsOf(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.EndSessionsOf(ctx, actor, in.ID.String(), "")
}

func (s *Server) endSessionOf(ctx context.Context, actor *app.Actor, in *twoIDs) (*empty, error) {
	return nil, s.app.EndSessionsOf(ctx, actor, in.First.String(), in.Second.String())
}

type nodeOut struct {
	ID          string    `json:"id"`
	Version     string    `json:"version"`
	Alive       bool      `json:"alive"`
	Serves      bool      `json:"serves"`
	Works       bool      `json:"works"`
	StartedAt   time.Time `json:"started_at"`
	SeenAt      time.Time `json:"seen_at"`
	Connections int       `json:"connections"`
}

type queueOut struct {
	Queue string `json:"queue"`
	State string `json:"state" enum:"available,running,retryable,scheduled,discarded"`
	Jobs  int64  `json:"jobs"`
}

type tableOut struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes" doc:"With its indexes"`
}

type systemOut struct {
	Body struct {
		Nodes         []nodeOut  `json:"nodes"`
		Queues        []queueOut `json:"queues" doc:"Jobs that have not ended well"`
		DatabaseBytes int64      `json:"database_bytes"`
		FileStorage   string     `json:"file_storage" enum:"database,folder,s3" doc:"Of new files"`
		FileBytes     int64      `json:"file_bytes"`
		Tables        []tableOut `json:"tables" doc:"The largest; none of a large SQLite file"`
	}
}

func (s *Server) system(ctx context.Context, actor *app.Actor, _ *empty) (*systemOut, error) {
	sys, err := s.app.System(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := new(systemOut)
	out.Body.Nodes = listOf(sys.Nodes, func(n *store.Node) nodeOut {
		return nodeOut{n.ID, n.Version, sys.Alive(n), n.Serves, n.Works, instant(n.StartedAt), instant(n.SeenAt), n.Connections}
	})
	out.Body.Queues = listOf(sys.Queues, func(q *store.QueueCount) queueOut { return queueOut{q.Queue, q.State, q.Jobs} })
	out.Body.Tables = listOf(sys.Tables, func(t *store.TableSize) tableOut { return tableOut{t.Name, t.Bytes} })
	out.Body.DatabaseBytes, out.Body.FileStorage, out.Body.FileBytes = sys.Bytes, sys.FileStorage, sys.FileBytes
	return out, nil
}
