package store

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Models are the row structs of every table; TestSchema proves it complete.
var Models = []any{
	(*setting)(nil), (*User)(nil), (*Avatar)(nil), (*OneTimeLink)(nil), (*Session)(nil),
	(*Organization)(nil), (*OrganizationMember)(nil), (*Project)(nil), (*ProjectMember)(nil),
	(*Course)(nil), (*CourseMember)(nil), (*Room)(nil), (*RoomMember)(nil),
	(*Agent)(nil), (*RoomAgent)(nil), (*Message)(nil), (*Event)(nil), (*Turn)(nil), (*TurnStep)(nil), (*Decision)(nil), (*A2AMessage)(nil), (*Workflow)(nil),
	(*UserKey)(nil), (*AgentKey)(nil), (*KeyUse)(nil), (*SigninFailure)(nil), (*AuditEntry)(nil), (*AccessToken)(nil), (*RateBucket)(nil),
	(*Announcement)(nil), (*Report)(nil), (*ReportSection)(nil),
	(*Artifact)(nil), (*ArtifactVersion)(nil), (*AgentType)(nil), (*AgentVersion)(nil), (*Thread)(nil), (*ThreadMessage)(nil),
	(*lease)(nil), (*JoinCode)(nil), (*Invitation)(nil),
}

// ReadSide is the pool behind a DB's own queries.
func (d *DB) ReadSide() *sql.DB { return d.read.DB }

// TableOf is what bun knows of a row struct.
func (d *DB) TableOf(model any) *schema.Table {
	return d.write.NewSelect().Model(model).GetModel().(bun.TableModel).Table()
}

// OnQuery calls fn with each statement; set it before the first one.
func (d *DB) OnQuery(fn func(query string)) {
	d.read = d.read.WithQueryHook(hook(fn))
	d.write = d.write.WithQueryHook(hook(fn))
	d.Queries = Queries{d.read}
}

type hook func(string)

func (h hook) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (h hook) AfterQuery(_ context.Context, e *bun.QueryEvent) { h(e.Query) }
