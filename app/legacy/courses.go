package legacy

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

func (p *plan) coursesOf(ctx context.Context) error {
	p.course = map[string]bool{}
	born := map[string]store.Course{}
	err := p.each(ctx, p.courseTable, nil, func(r row) {
		owner := r.account("owner_id")
		switch {
		case r.noID():
		case owner == "":
			r.gone("owner")
		default:
			one := store.Course{ID: r.id("id"), Title: r.titled("title"), Description: r.optional("description"), OwnerID: owner,
				CreatedAt: r.when("created_at"), Version: 1}
			if preset := r.Text("preset"); preset != "" && preset != "colearn" {
				p.report.change(r.table, one.ID, "has the preset %q, which is nothing here", preset)
			}
			p.course[one.ID], born[one.ID] = true, one
			p.courses = append(p.courses, one)
			p.report.came(r.table)
		}
	})
	if err != nil {
		return err
	}
	return p.links(ctx, p.linkTable, p.courseID, func(id string) bool { return p.course[id] }, func(r row, id, user string) {
		role := r.role([]string{"student", "ta", "teacher"},
			map[string]string{"space_owner": "teacher", "space_admin": "ta", "participant": "student"}, "")
		if role == "" {
			p.report.leave(r.table, r.link(p.courseID), "has a role that gave no right: %q; enrol this person by hand", r.Text("role"))
			return
		}
		p.enrolled = append(p.enrolled, store.CourseMember{CourseID: id, UserID: user, Role: role, Via: store.ViaEnrolled, CreatedAt: born[id].CreatedAt})
	})
}

func (p *plan) announcements(ctx context.Context) error {
	return p.each(ctx, "announcement", nil, func(r row) {
		course := r.id(p.courseID)
		switch {
		case r.noID():
		case !p.course[course]:
			r.gone("course")
		default:
			at := r.when("created_at")
			p.notes = append(p.notes, store.Announcement{ID: r.id("id"), CourseID: course, AuthorID: r.account("author_id"), Title: r.titled("title"),
				Content: r.Text("content"), CreatedAt: at, UpdatedAt: at, Version: 1})
			p.report.came(r.table)
		}
	})
}
