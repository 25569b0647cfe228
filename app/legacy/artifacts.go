package legacy

import (
	"context"
	"slices"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// parent is an artifact that hangs under another one of its room.
type parent struct{ child, parent string }

var artifactOrder = []string{"id"}

// artifact makes an artifact without its parent, nil of one that does not come. One that is
// deleted is so from the import on: the old system kept no time of it, and what has been
// deleted for long is erased.
func (r row) artifact() *store.Artifact {
	room, kind := r.id("room_id"), r.Text("type")
	if r.id("id") == "" || r.p.roomCourse[room] == "" || !slices.Contains([]string{"task", "doc", "process"}, kind) {
		return nil
	}
	content := r.object("content")
	f := &store.Artifact{ID: r.id("id"), RoomID: room, Type: kind, Title: r.Text("title"), Version: max(r.whole("version"), 1),
		CreatedBy: r.account("created_by"), ModifiedBy: r.account("last_modified_by"), CreatedAt: r.when("created_at"), UpdatedAt: r.when("updated_at"),
		ContentBytes: int64(len(content)), Content: content}
	if f.Title == "" {
		f.Title = untitled
	}
	if f.ModifiedBy == "" {
		f.ModifiedBy = f.CreatedBy
	}
	if r.flag("is_deleted") {
		f.DeletedAt = r.p.now
	}
	return f
}

func (p *plan) artifactsOf(ctx context.Context) error {
	p.artifact = map[string]string{}
	var hanging []struct{ child, parent, room string }
	err := p.each(ctx, "artifact", artifactOrder, func(r row) {
		f := r.artifact()
		switch {
		case r.noID():
			return
		case p.roomCourse[r.id("room_id")] == "":
			r.gone("room")
			return
		case f == nil:
			p.report.leave(r.table, r.own(), "has an unknown type: %q", r.Text("type"))
			return
		}
		if f.Title != r.Text("title") {
			p.report.change(r.table, f.ID, "has no title, and is called %s", untitled)
		}
		if f.Content == "{}" && r.json("content") != "" && r.json("content") != "{}" {
			p.report.decide(r.table, f.ID, "loses its content, which is no object")
		}
		p.artifact[f.ID] = f.RoomID
		if above := r.id("parent_artifact_id"); above != "" {
			hanging = append(hanging, struct{ child, parent, room string }{f.ID, above, f.RoomID})
		}
		p.report.came(r.table)
	})
	up := map[string]string{}
	for _, h := range hanging {
		if p.artifact[h.parent] != h.room || circular(up, h.child, h.parent) {
			p.report.change("artifact", h.child, "loses its parent %s, which is not in its room", h.parent)
			continue
		}
		up[h.child] = h.parent
		p.parents = append(p.parents, parent{h.child, h.parent})
	}
	return err
}

// circular tells whether a parent would be below its child.
func circular(up map[string]string, child, parent string) bool {
	for at := parent; at != ""; at = up[at] {
		if at == child {
			return true
		}
	}
	return false
}

// artifactsFrom reads the artifacts behind a place.
func (p *plan) artifactsFrom(ctx context.Context, after []string, fn func(f *store.Artifact, at []string) error) error {
	return p.src.Scan(ctx, "artifact", artifactOrder, after, func(r dump.Row) error {
		f := row{r, p, "artifact"}.artifact()
		if f == nil {
			return nil
		}
		return fn(f, []string{r.Text("id")})
	})
}
