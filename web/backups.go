package web

import (
	"context"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) backupRoutes() {
	const tag = "Administration"
	add(s, get, v1+"/admin/backups", "listBackups", s.listBackups,
		route{tag: tag, summary: "List backups, newest first, with the settings in effect",
			description: "For super admins. The files lie where place says.",
			role:        app.ActBackUp})
	add(s, post, v1+"/admin/backups", "makeBackup", s.makeBackup,
		route{tag: tag, summary: "Make a backup now",
			description: "For super admins. It is made in the background; getBackup tells how far it is.",
			role:        app.ActBackUp, status: http.StatusAccepted, errors: []int{conflict}})
	add(s, get, v1+"/admin/backups/{backup_id}", "getBackup", s.getBackup,
		route{tag: tag, summary: "Show a backup, and how far it is",
			description: "For super admins.",
			role:        app.ActBackUp, errors: []int{missing}})
	add(s, del, v1+"/admin/backups/{backup_id}", "deleteBackup", s.deleteBackup,
		route{tag: tag, summary: "Delete a backup and its file",
			description: "For super admins.",
			role:        app.ActBackUp, status: gone, errors: []int{missing, conflict}})
}

type backupIn struct {
	BackupID id `path:"backup_id"`
}

type backupOut struct {
	ID        string     `json:"id" format:"uuid"`
	State     string     `json:"state" enum:"queued,running,done,failed"`
	Name      string     `json:"name" doc:"Of its file"`
	Place     string     `json:"place" doc:"The folder or bucket of its file"`
	AskedBy   *string    `json:"asked_by" format:"uuid" doc:"null: it was time"`
	WithKeys  bool       `json:"with_keys" doc:"It has encrypted values"`
	Done      int64      `json:"done" doc:"Rows that are written"`
	Total     int64      `json:"total" doc:"About how many there will be"`
	Bytes     int64      `json:"bytes"`
	SHA256    *string    `json:"sha256"`
	Reason    *string    `json:"reason" doc:"Why it failed"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

func newBackupOut(b *store.Backup) backupOut {
	return backupOut{ID: b.ID, State: b.State, Name: b.Name, Place: b.Place, AskedBy: textOrNil(b.AskedBy), WithKeys: b.WithKeys, Done: b.Done,
		Total: b.Total, Bytes: b.Bytes, SHA256: textOrNil(b.SHA256), Reason: textOrNil(b.Reason), CreatedAt: b.CreatedAt, EndedAt: optionalInstant(b.EndedAt)}
}

type backupsOut struct {
	Body struct {
		EverySeconds int64       `json:"every_seconds" doc:"0: none is made by itself"`
		Keep         int         `json:"keep"`
		Place        string      `json:"place"`
		WithKeys     bool        `json:"with_keys"`
		Backups      []backupOut `json:"backups"`
	}
}

type oneBackupOut struct{ Body backupOut }

func (s *Server) listBackups(ctx context.Context, actor *app.Actor, _ *struct{}) (*backupsOut, error) {
	all, err := s.app.Backups(ctx, actor)
	if err != nil {
		return nil, err
	}
	out := &backupsOut{}
	b := &out.Body
	b.EverySeconds, b.Keep, b.WithKeys, b.Place = int64(all.Settings.Every/time.Second), all.Settings.Keep, all.Settings.WithKeys, all.Place
	b.Backups = make([]backupOut, len(all.List))
	for i := range all.List {
		b.Backups[i] = newBackupOut(&all.List[i])
	}
	return out, nil
}

func (s *Server) makeBackup(ctx context.Context, actor *app.Actor, _ *struct{}) (*oneBackupOut, error) {
	b, err := s.app.MakeBackup(ctx, actor)
	if err != nil {
		return nil, err
	}
	return &oneBackupOut{newBackupOut(b)}, nil
}

func (s *Server) getBackup(ctx context.Context, actor *app.Actor, in *backupIn) (*oneBackupOut, error) {
	b, err := s.app.Backup(ctx, actor, in.BackupID.String())
	if err != nil {
		return nil, err
	}
	return &oneBackupOut{newBackupOut(b)}, nil
}

func (s *Server) deleteBackup(ctx context.Context, actor *app.Actor, in *backupIn) (*struct{}, error) {
	return nil, s.app.DeleteBackup(ctx, actor, in.BackupID.String())
}
