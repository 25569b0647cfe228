package legacy

import (
	"context"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

// failedReport begins the text that the old system stored when no model answered.
const failedReport = "All API keys failed"

func (p *plan) reportsOf(ctx context.Context) error {
	titles, rooms := map[string]string{}, map[string]string{}
	for _, c := range p.courses {
		titles[c.ID] = c.Title
	}
	for _, r := range p.rooms {
		rooms[r.ID] = r.Name
	}
	return p.each(ctx, "analyticsreport", []string{"id"}, func(r row) {
		course, at := r.id(p.courseID), r.when("created_at")
		switch {
		case r.noID():
			return
		case !p.course[course]:
			r.gone("course")
			return
		}
		kind := r.Text("report_type")
		one := store.Report{ID: r.id("id"), CourseID: course, ReportType: kind, Title: strings.ReplaceAll(kind, "_", " ") + ": " + titles[course],
			Content: r.Text("content"), State: store.ReportDone, Attempt: 1, CreatedAt: at, StartedAt: at, EndedAt: at, UpdatedAt: at, Version: 1}
		if r.Text("room_id") != "" {
			name := rooms[r.id("room_id")]
			if name == "" {
				name = "a deleted room"
				p.report.change(r.table, one.ID, "is about a room that is gone")
			}
			one.Title += " (" + name + ")"
		}
		if strings.HasPrefix(one.Content, failedReport) {
			one.State, one.Reason, one.Content = store.ReportFailed, one.Content, ""
			p.report.change(r.table, one.ID, "says that no model answered, and is a failed report")
		}
		p.reports = append(p.reports, one)
		p.report.came(r.table)
	})
}

// audit makes an entry of our log. Ours is ordered by ids that begin with their time.
func (r row) audit() store.AuditEntry {
	at := r.when("created_at")
	e := store.AuditEntry{ID: timedID(at, r.Text("id")), CreatedAt: at, ActorID: r.Text("actor_id"), ActorName: r.Text("actor_type"),
		Action: "legacy." + r.Text("action"), TargetType: r.Text("entity_type"), TargetID: r.Text("entity_id"),
		Before: scrubbed(r.json("old_value")), After: scrubbed(r.json("new_value"))}
	if u := r.p.user[r.id("actor_id")]; u != nil {
		e.ActorID, e.ActorName = u.ID, u.Name()
	}
	if more := r.json("extra_metadata"); more != "" {
		after := e.After
		if after == "" {
			after = "null"
		}
		e.After = `{"new_value":` + after + `,"extra_metadata":` + scrubbed(more) + `}`
	}
	return e
}

// scrubbed is a JSON value without secrets.
func scrubbed(text store.JSON) store.JSON {
	if text == "" {
		return ""
	}
	return store.ToJSON(hidden(string(text)))
}

func (p *plan) auditOf(ctx context.Context) error {
	return p.each(ctx, "audit_log", []string{"id"}, func(r row) {
		if !r.noID() {
			p.report.came(r.table)
		}
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
