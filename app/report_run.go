package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// A report is written in these steps: a job claims it, asks the model about several
// rooms at once, and stores each section when it is done. The last step makes the
// report's content from the sections. Each write checks that the attempt is still the
// current one. If the worker dies, the sweep starts the next attempt, which has only the
// missing rooms to do.

const (
	reportMessages = 50 // of one room, the newest
	reportRooms    = 4  // at once, for one report
	reportAttempts = 5  // each goes on where the last one stopped
	sectionTries   = 3
	sectionBytes   = 32 << 10
	cutSection     = "\n\n*This section was cut before its end.*"
)

// reports writes reports, as jobs of the queue. The caller has checked that the person
// may have one.
type reports struct {
	cfg        *config.Config
	db         *store.DB
	log        *slog.Logger
	now        clock
	quotas     quotas
	model      *model.Caller
	background *limit.Gate
	audience   *audience
	reload     time.Duration   // see reportReload
	closing    <-chan struct{} // closed when this process shuts down
	queue      *jobs.Queue
	pictures   turn.Pictures
}

// errReportLost is the fault of a report whose worker died.
var errReportLost = &turn.Fault{Reason: turn.ReasonLost, Detail: "the server stopped in the middle of it", Again: true}

// analyst loads the agent that writes reports, and its keys. The error is a *model.Fault
// if that agent cannot be used.
func (rs *reports) analyst(ctx context.Context) (*store.Agent, []model.Key, error) {
	ag, err := rs.db.SystemAgent(ctx, store.AgentAnalytics)
	if errors.Is(err, store.ErrNotFound) || err == nil && !ag.IsActive {
		return nil, nil, &model.Fault{Reason: turn.ReasonNotAble, Detail: "the analytics agent is missing or switched off"}
	}
	if err != nil {
		return nil, nil, err
	}
	keys, err := rs.model.Keys(ctx, ag)
	return ag, keys, err
}

// reportRun is one attempt to write a report, in the worker that holds its lease.
type reportRun struct {
	reports *reports
	report  *store.Report
	course  *store.Course
	agent   *store.Agent
	keys    []model.Key
	full    atomic.Pointer[Error] // why no more sections can be stored
}

// run writes a report, or those of its sections that are missing.
func (rs *reports) run(ctx context.Context, job jobs.RunReport) error {
	r := &reportRun{reports: rs}
	err := rs.background.Do(ctx, func() (err error) {
		now := rs.now.instant()
		r.report, err = rs.db.Single().ClaimReport(ctx, job.ReportID, job.Attempt, rs.db.Node(), now, now.Add(rs.cfg.Turns.Lease))
		return err
	})
	if errors.Is(err, store.ErrStale) {
		return nil // it has ended or was deleted, or there is a newer attempt
	}
	if err != nil {
		return err
	}
	started := rs.now()
	err = r.write(ctx)
	rs.log.InfoContext(ctx, "report", "course", r.report.CourseID, "report", r.report.ID, "attempt", r.report.Attempt,
		"rooms", r.report.RoomsTotal, "ms", rs.now().Sub(started).Milliseconds(), "err", err)
	if err != nil && !lostReport(err) {
		if ctx.Err() != nil {
			err = turn.ErrStopped
		}
		// Do not use the job's own context: it may have ended, and with it the attempt.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = rs.background.Do(end, func() error { return rs.retry(end, r.report, err) })
	}
	if lostReport(err) {
		return nil
	}
	return err
}

// lostReport reports whether another attempt has the report, or the report was deleted.
func lostReport(err error) bool {
	return errors.Is(err, turn.ErrLeaseLost) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound)
}

// write renews the lease while it writes the missing sections, and then ends the report.
func (r *reportRun) write(ctx context.Context) error {
	rs, id := r.reports, r.report.ID
	ctx, cancel := context.WithCancelCause(ctx)
	defer turn.HoldLease(ctx, cancel, &rs.cfg.Turns, rs.now, func(ctx context.Context, lease time.Time) error {
		return rs.db.Single().RenewReportLease(ctx, id, r.report.Attempt, lease)
	})()

	var sections []store.ReportSection
	if err := rs.background.Do(ctx, func() (err error) { sections, err = r.load(ctx); return err }); err != nil {
		return err
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, reportRooms)
	for i := range sections {
		if sections[i].Content != "" {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := r.section(ctx, &sections[i]); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return rs.background.Do(ctx, func() error { return r.finish(ctx) })
}

// load reads the report's course and sections, and the agent that writes it.
func (r *reportRun) load(ctx context.Context) (sections []store.ReportSection, err error) {
	if r.course, err = r.reports.db.Course(ctx, r.report.CourseID); err != nil {
		return nil, err
	}
	if r.agent, r.keys, err = r.reports.analyst(ctx); err != nil {
		return nil, err
	}
	return r.reports.db.ReportSections(ctx, r.report.ID)
}

// section writes about one room. A failure of the model is not an error: the section
// then has its reason.
func (r *reportRun) section(ctx context.Context, s *store.ReportSection) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rs := r.reports
	var messages []store.Message
	if s.RoomID != "" {
		if err := rs.background.Do(ctx, func() (err error) {
			messages, err = rs.db.ShownMessages(ctx, s.RoomID, 0, reportMessages)
			return err
		}); err != nil {
			return err
		}
	}
	if len(messages) == 0 {
		s.Content = "What was said in this room is gone."
	} else if full := r.full.Load(); full != nil {
		noRoom(s, full) // asking the model would be in vain
	} else if text, err := r.ask(ctx, s, messages); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		s.Content, s.Reason = "The report on this room could not be written.", turn.FaultOf(err, 1).Detail
		rs.log.WarnContext(ctx, "section failed", "report", s.ReportID, "room", s.RoomID, "err", err)
	} else {
		s.Content = text
	}
	err := rs.background.Do(ctx, func() error { return r.writeSection(ctx, s) })
	if full := new(Error); errors.As(err, &full) && full.Code == wording.Quota {
		r.full.Store(full)
		noRoom(s, full)
		err = rs.background.Do(ctx, func() error {
			return rs.db.InTx(ctx, func(tx *store.Tx) error { return tx.WriteSection(ctx, s, r.report.Attempt) })
		})
	}
	return err
}

// noRoom is what a section says that would exceed a quota.
func noRoom(s *store.ReportSection, full *Error) {
	s.Content, s.Reason = "The report on this room could not be stored.", full.Message
}

// writeSection stores a section, unless the owner of the course stores too much then. A report
// may be as large as a person's whole quota, so the check when it begins is not enough.
func (r *reportRun) writeSection(ctx context.Context, s *store.ReportSection) error {
	return r.reports.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.WriteSection(ctx, s, r.report.Attempt); err != nil {
			return err
		}
		// Not courseGrew: a report that was asked for before the course was archived is written.
		c, err := tx.Course(ctx, r.course.ID)
		if err != nil {
			return fromStore(err, "Course")
		}
		return r.reports.quotas.within(ctx, tx, c.OwnerID)
	})
}

// ask has the model write about a room's messages. Asking about several rooms at once
// may exceed a provider's limit: then it waits and asks again.
func (r *reportRun) ask(ctx context.Context, s *store.ReportSection, messages []store.Message) (text string, err error) {
	rs := r.reports
	ctx, done := context.WithTimeoutCause(ctx, rs.cfg.Turns.MaxDuration, turn.ErrTooLong)
	defer done()
	fence := turn.Fence(&rs.cfg.Auth, r.agent.ID, s.RoomID)
	from := ledger.Origin{Kind: ledger.ForReport, ReportID: r.report.ID, RoomID: s.RoomID, CourseID: r.course.ID, PersonID: r.report.CreatedBy}
	said := turn.Transcript(r.agent, messages, "", nil)
	gallery := turn.Gallery{Turns: &rs.cfg.Turns, Model: rs.model, Read: rs.pictures}
	if err := gallery.Show(ctx, r.agent, s.RoomID, messages, said); err != nil {
		return "", err
	}
	p := rs.model.NewPrompt(r.agent, from, r.instructions(s.RoomName, fence), said,
		llm.Message{Role: llm.RoleUser, Text: "Write the report on this room."})
	p.Req.Fence = fence
	for try := 1; ; try++ {
		said, err := rs.model.Ask(ctx, r.keys, p, sectionBytes)
		if err == nil && said.Cut {
			said.Text += cutSection
		}
		if err == nil {
			return said.Text, nil
		}
		f := turn.FaultOf(err, try)
		if !f.Again || try == sectionTries {
			return "", err
		}
		wait := time.NewTimer(f.After) //nolint:forbidigo // a pause is no rule's time
		select {
		case <-ctx.Done():
			wait.Stop()
			return "", err
		case <-wait.C:
		}
	}
}

// instructions are the model's instructions for one room.
func (r *reportRun) instructions(room, fence string) string {
	rule := turn.FenceRule(fence)
	if r.reports.model.SeesPictures(r.agent) {
		rule += turn.PictureRule
	}
	return fmt.Sprintf("%s\n\nYou report on the room %s of the course %s to its teachers. %s "+
		"Answer with the report on this room alone, in Markdown, with no heading above level 3 and no title.",
		r.agent.SystemPrompt, turn.NameOf(room), turn.NameOf(r.course.Title), rule)
}

// finish makes the report's content from the sections. If all sections failed, the
// report has failed.
func (r *reportRun) finish(ctx context.Context) error {
	rs := r.reports
	return rs.db.InTx(ctx, func(tx *store.Tx) error {
		sections, err := tx.ReportSections(ctx, r.report.ID)
		if err != nil {
			return err
		}
		end := *r.report
		end.State, end.Content = store.ReportDone, reportText(end.Title, sections)
		if reason := nothingWritten(sections); reason != "" {
			end.State, end.Content, end.Reason = store.ReportFailed, "", reason
		}
		return rs.end(ctx, tx, &end, rs.now.instant())
	})
}

// end ends an attempt, and after the commit wakes those who wait for the report.
func (rs *reports) end(ctx context.Context, tx *store.Tx, end *store.Report, now time.Time) error {
	tx.AfterCommit(func() { rs.audience.reportEnded(end.CourseID) })
	return tx.EndReport(ctx, end, now)
}

// nothingWritten is the reason why all sections failed. It is "" if any was written.
func nothingWritten(sections []store.ReportSection) (reason string) {
	for _, s := range sections {
		if s.Reason == "" {
			return ""
		}
	}
	if len(sections) > 0 {
		reason = sections[0].Reason
	}
	return reason
}

// reportText is a report's content: Markdown, with a section for each room.
func reportText(title string, sections []store.ReportSection) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", store.OneLine(title))
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", store.OneLine(s.RoomName), s.Content)
	}
	if len(sections) == 0 {
		b.WriteString("\nNothing has been said in the rooms of this course yet.\n")
	}
	return b.String()
}

// retry ends an attempt that failed with cause. It queues the report for the next
// attempt. The report fails for good if another attempt cannot help, or if there were
// enough of them.
func (rs *reports) retry(ctx context.Context, rp *store.Report, cause error) error {
	f := turn.FaultOf(cause, rp.Attempt)
	now := rs.now.instant()
	if !f.Again || rp.Attempt >= reportAttempts {
		end := *rp
		end.State, end.Content, end.Reason = store.ReportFailed, "", f.Detail
		return rs.db.InTx(ctx, func(tx *store.Tx) error { return rs.end(ctx, tx, &end, now) })
	}
	at := now.Add(f.After)
	return rs.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RetryReport(ctx, rp.ID, rp.Attempt, at.Add(rs.cfg.Turns.Lease)); err != nil {
			return err
		}
		next := jobs.RunReport{ReportID: rp.ID, Attempt: rp.Attempt + 1}
		if f.After <= 0 {
			return rs.queue.Add(ctx, tx, next) // see retryTurn
		}
		return rs.queue.AddAt(ctx, tx, next, at)
	})
}

// sweep adds new jobs for the reports whose lease ended before asOf. As with
// turns, only one node takes over a report.
func (rs *reports) sweep(ctx context.Context, asOf time.Time) error {
	reports, err := rs.db.OverdueReports(ctx, asOf, turn.SweepBatch)
	errs := []error{err}
	for i := range reports {
		rp := &reports[i]
		if rp.State == store.ReportRunning {
			rs.log.WarnContext(ctx, "report lost its worker", "report", rp.ID, "course", rp.CourseID, "node", rp.Node, "attempt", rp.Attempt)
			err = rs.retry(ctx, rp, errReportLost)
		} else {
			err = rs.db.InTx(ctx, func(tx *store.Tx) error {
				if err := tx.RequeueReport(ctx, rp.ID, rp.Attempt, asOf, rs.now.instant().Add(4*rs.cfg.Turns.Lease)); err != nil {
					return err
				}
				return rs.queue.Add(ctx, tx, jobs.RunReport{ReportID: rp.ID, Attempt: rp.Attempt})
			})
		}
		if err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("take over report %s: %w", rp.ID, err))
		}
	}
	return errors.Join(errs...)
}
