package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// Models are the row structs of every table; TestSchema proves it complete.
var Models = []any{
	(*setting)(nil), (*User)(nil), (*Avatar)(nil), (*OneTimeLink)(nil), (*Session)(nil), (*TwoFactor)(nil), (*RecoveryCode)(nil), (*Identity)(nil), (*SessionSignOn)(nil), (*PendingSignOn)(nil), (*SpentSignOn)(nil),
	(*Backup)(nil),
	(*Organization)(nil), (*OrganizationMember)(nil), (*Project)(nil), (*ProjectMember)(nil),
	(*Course)(nil), (*CourseMember)(nil), (*Room)(nil), (*RoomMember)(nil), (*RoomMark)(nil), (*TalkDay)(nil),
	(*Agent)(nil), (*RoomAgent)(nil), (*Message)(nil), (*Mention)(nil), (*Reaction)(nil), (*Pin)(nil), (*Bookmark)(nil), (*Node)(nil), (*File)(nil), (*Blob)(nil), (*BlobChunk)(nil), (*Event)(nil), (*Turn)(nil), (*TurnStep)(nil), (*Decision)(nil), (*A2AMessage)(nil), (*OutsideMessage)(nil), (*Breaker)(nil), (*Workflow)(nil),
	(*UserKey)(nil), (*AgentKey)(nil), (*KeyUse)(nil), (*SigninFailure)(nil), (*AuditEntry)(nil), (*AccessToken)(nil), (*RateBucket)(nil),
	(*Announcement)(nil), (*Report)(nil), (*ReportSection)(nil), (*CourseCopy)(nil),
	(*Artifact)(nil), (*ArtifactVersion)(nil), (*ArtifactBase)(nil), (*AgentType)(nil), (*AgentVersion)(nil), (*Thread)(nil),
	(*lease)(nil), (*JoinCode)(nil), (*Invitation)(nil), (*Usage)(nil), (*Budget)(nil), (*BudgetRow)(nil), (*BudgetNotice)(nil), (*BudgetWait)(nil),
}

// ReadSide is the pool behind a DB's own queries.
func (d *DB) ReadSide() *sql.DB { return d.read.DB }

// KeepGroupsOpen lets groups take members however much time has passed.
func (d *DB) KeepGroupsOpen() { d.lane.groupFor = time.Hour }

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

// SetLogins writes an account's address and user name as a program did that
// knew no keys.
func SetLogins(ctx context.Context, t *Tx, id, email, username string) error {
	_, err := t.db.NewUpdate().Model((*User)(nil)).Set("email = ?", email).Set("username = ?", username).
		Set("email_key = NULL").Set("username_key = NULL").Where("id = ?", id).Exec(ctx)
	return err
}
