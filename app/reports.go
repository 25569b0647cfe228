package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// reportCourse is the only type of reports, as the API names it.
const reportCourse = "course_summary"

const (
	// reportSlack is the part of the time for an answer to a client that is not spent on
	// waiting for the report.
	reportSlack = 2 * time.Second
	// reportReload is how often those who wait read the report again. They are told when
	// it has ended. This is for signals of other nodes that are lost.
	reportReload = 5 * time.Second
)

// errNoAnalytics has the text of the API's contract. It also means that the agent is
// missing or switched off.
var errNoAnalytics = errorf(KindRejected, wording.NoAnalyticsAgent, "Analytics Agent not configured (Missing API Key)")

// GenerateReport has the analytics agent write about the rooms of a course. It returns
// the report when it is done, or unfinished if that takes too long. A course has only
// one report in progress at a time.
func (a *App) GenerateReport(ctx context.Context, actor *Actor, courseID string) (*store.Report, error) {
	c, err := a.courseFor(ctx, actor, courseID, ActGenerateReport)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.reports.analyst(ctx); err != nil {
		var fault *model.Fault
		if errors.As(err, &fault) {
			return nil, errNoAnalytics
		}
		return nil, err
	}
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return nil, err
	}
	defer release()
	rp, err := a.reports.start(ctx, actor, c)
	if err != nil {
		return nil, err
	}
	return a.reports.await(ctx, rp)
}

// start adds a report and its job, or returns the report that is in progress.
func (rs *reports) start(ctx context.Context, actor *Actor, c *store.Course) (*store.Report, error) {
	for range 3 {
		now := rs.now.instant()
		rp := &store.Report{ID: store.NewID(), CourseID: c.ID, CreatedBy: actor.User.ID, ReportType: reportCourse, Title: c.Title,
			State: store.ReportQueued, Attempt: 1, LeaseUntil: now.Add(rs.cfg.Turns.Lease), CreatedAt: now, UpdatedAt: now, Version: 1}
		err := rs.db.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.CreateReport(ctx, rp); err != nil {
				return err
			}
			if err := rs.quotas.inCourse(ctx, tx, actor, store.PlacedReports, c.ID); err != nil {
				return err
			}
			return rs.queue.Add(ctx, tx, jobs.RunReport{ReportID: rp.ID, Attempt: 1})
		})
		switch {
		case errors.Is(err, store.ErrReferenced):
			return nil, notFound("Course")
		case !errors.Is(err, store.ErrExists):
			return rp, err
		}
		if rp, err = rs.db.LiveReport(ctx, c.ID); !errors.Is(err, store.ErrNotFound) {
			return rp, err
		}
		// That report has just ended, so try again to add one.
	}
	return nil, errorf(KindUnavailable, wording.BusyCourse, "Others ask for reports on this course just now; try again")
}

// await waits until a report has ended, the time is up or this process shuts down.
// It holds no database connection while it waits.
func (rs *reports) await(ctx context.Context, rp *store.Report) (*store.Report, error) {
	wait, stop := context.WithTimeout(ctx, max(rs.cfg.Limits.AnswerWithin-reportSlack, rs.cfg.Limits.AnswerWithin/2))
	defer stop()
	reader, remove := rs.audience.streams.add(rp.CourseID, "") // before the first read, so that no end is missed
	defer remove()
	tick := time.NewTicker(rs.reload) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	for last := false; ; {
		now, err := rs.db.Report(ctx, rp.ID)
		switch {
		case err == nil:
			rp = now
		case ctx.Err() == nil: // otherwise whoever asked has gone
			return nil, fromStore(err, "Report")
		}
		if last || rp.Ended() {
			return told(rp), nil
		}
		select {
		case <-reader.changed:
		case <-tick.C:
		case <-wait.Done():
			last = true // the answer tells how far the report is by then
		case <-rs.closing:
			last = true
		}
	}
}

// told sets the content of a report that has none yet to a text about its progress or
// failure. Existing clients look for it there.
func told(rp *store.Report) *store.Report {
	switch rp.State {
	case store.ReportQueued, store.ReportRunning:
		rp.Content = fmt.Sprintf("The report is being written: %d of %d rooms are done. Look again in a moment.", rp.RoomsDone, rp.RoomsTotal)
	case store.ReportFailed:
		rp.Content = "The report could not be written: " + rp.Reason + "."
	}
	return rp
}

// Reports lists the reports on a course, newest first.
func (a *App) Reports(ctx context.Context, actor *Actor, courseID string, p store.Page) (*store.Listing[store.Report], error) {
	if _, err := a.courseRead(ctx, actor, courseID, ActReadReports); err != nil {
		return nil, err
	}
	rows, err := a.db.Reports(ctx, courseID, p)
	if err != nil {
		return nil, err
	}
	rows.Each = func(rp *store.Report) { told(rp) }
	return rows, nil
}

// Report returns one report on a course, finished or not.
func (a *App) Report(ctx context.Context, actor *Actor, courseID, id string) (*store.Report, error) {
	if _, err := a.courseRead(ctx, actor, courseID, ActReadReports); err != nil {
		return nil, err
	}
	rp, err := a.db.Report(ctx, id)
	if err := reportOf(courseID, rp, err); err != nil {
		return nil, err
	}
	return told(rp), nil
}

// reportOf checks that the report which was loaded belongs to the course.
func reportOf(courseID string, rp *store.Report, err error) error {
	if err == nil && rp.CourseID != courseID {
		return notFound("Report")
	}
	return fromStore(err, "Report")
}

// ReportTexts are the members of a report that staff may correct. A member that is not
// sent keeps the stored value.
type ReportTexts struct {
	Title   Opt[string]
	Content Opt[string]
}

// maxReport is the largest report, in bytes.
const maxReport = 1 << 20

func (s ReportTexts) apply(rp *store.Report) error {
	if err := errors.Join(s.Title.set("title", &rp.Title), s.Content.set("content", &rp.Content)); err != nil {
		return firstOf(err)
	}
	errs := []error{name("title", &rp.Title)}
	if s.Content.Sent {
		errs = append(errs, text("content", rp.Content, 1, maxReport))
		if strings.TrimSpace(rp.Content) == "" {
			errs = append(errs, invalid("content", "must not be empty"))
		}
	}
	return firstOf(errors.Join(errs...))
}

// reportChanges is a report as the audit log shows it.
func reportChanges(rp *store.Report) changes {
	return changes{"course_id": rp.CourseID, "title": rp.Title, "content": store.Cut(rp.Content, 1000), "state": rp.State}
}

// UpdateReport changes the sent texts of a finished report.
func (a *App) UpdateReport(ctx context.Context, actor *Actor, courseID, id string, s ReportTexts) (*store.Report, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActUpdateReport); err != nil {
		return nil, err
	}
	var rp *store.Report
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if err := tx.OpenCourse(ctx, courseID); err != nil {
			return err
		}
		rp, err = tx.ReportForUpdate(ctx, id)
		if err := reportOf(courseID, rp, err); err != nil {
			return err
		}
		if rp.State != store.ReportDone {
			return errorf(KindConflict, wording.NotDone, "Only a finished report can be changed")
		}
		before, size := reportChanges(rp), len(rp.Content)
		if err := s.apply(rp); err != nil {
			return err
		}
		rp.UpdatedAt = a.instant()
		if err := tx.UpdateReport(ctx, rp); err != nil {
			return err
		}
		if len(rp.Content) > size {
			if err := a.quotas.courseGrew(ctx, tx, courseID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActUpdateReport, target{"report", id}, before, reportChanges(rp))
	})
	return rp, fromStore(err, "Report")
}

// DeleteReport deletes a report. If it is still being written, that stops.
func (a *App) DeleteReport(ctx context.Context, actor *Actor, courseID, id string) error {
	if _, err := a.courseFor(ctx, actor, courseID, ActDeleteReport); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.OpenCourse(ctx, courseID); err != nil {
			return err
		}
		rp, err := tx.ReportForUpdate(ctx, id)
		if err := reportOf(courseID, rp, err); err != nil {
			return err
		}
		if err := tx.DeleteReport(ctx, id); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.audience.reportEnded(courseID) })
		return a.audit.record(ctx, tx, actor, ActDeleteReport, target{"report", id}, reportChanges(rp), nil)
	}), "Report")
}
