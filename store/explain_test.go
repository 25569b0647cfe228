package store_test

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What runs with every request, post and sweep finds its rows by an index.
func TestHotQueriesUseAnIndex(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		var last string
		db.OnQuery(func(query string) {
			mu.Lock()
			defer mu.Unlock()
			last = query
		})
		w := newWorld(t, db)
		w.say("hello")
		s := newSession(w.pupil.ID)
		w.open(s)
		ctx, id := t.Context(), w.room.ID
		for name, ask := range map[string]func() error{
			"User":            func() error { _, err := db.User(ctx, w.pupil.ID); return err },
			"UserByLogin":     func() error { _, err := db.UserByLogin(ctx, w.pupil.Email); return err },
			"UserByEmail":     func() error { _, err := db.UserByEmail(ctx, w.pupil.Email); return err },
			"HasSuperAdmin":   func() error { _, err := db.HasSuperAdmin(ctx); return err },
			"Session":         func() error { _, err := db.Session(ctx, s.ID); return err },
			"LiveSessions":    func() error { _, err := db.LiveSessions(ctx, []string{s.ID}, at); return err },
			"RoomAccess":      func() error { _, err := db.RoomAccess(ctx, id, w.pupil.ID); return err },
			"CourseAccess":    func() error { _, _, err := db.CourseAccess(ctx, w.course.ID, w.pupil.ID); return err },
			"RoomAccesses":    func() error { _, err := db.RoomAccesses(ctx, id, []string{w.pupil.ID}); return err },
			"RoomsInCourse":   func() error { _, err := db.RoomsInCourse(ctx, w.course.ID, w.pupil.ID, store.Page{}); return err },
			"Messages":        func() error { _, err := db.Messages(ctx, id, 0, 50); return err },
			"Messages before": func() error { _, err := db.Messages(ctx, id, 100, 50); return err },
			"RoomAccessesOf":  func() error { _, err := db.RoomAccessesOf(ctx, w.pupil.ID, []string{id}); return err },
			"TurnsUnderWay":   func() error { _, err := db.TurnsUnderWay(ctx, id); return err },
			"EventsIn": func() error {
				_, err := db.EventsIn(ctx, []store.RoomAfter{{RoomID: id, After: 5}, {RoomID: store.NewID(), After: 0}}, 50)
				return err
			},
			"PeopleIn": func() error { _, err := db.PeopleIn(ctx, []string{id, w.course.ID}, []string{w.pupil.ID}); return err },
			"MessagePage": func() error {
				_, err := db.MessagePage(ctx, id, store.HistoryPart{Around: 5, Limit: 50})
				return err
			},
			"SeqOf":             func() error { _, err := db.SeqOf(ctx, id, store.NewID()); return err },
			"SeqAt":             func() error { _, err := db.SeqAt(ctx, id, at); return err },
			"MessageByClientID": func() error { _, err := db.MessageByClientID(ctx, id, w.pupil.ID, "x"); return err },
			"RoomAgents":        func() error { _, err := db.RoomAgents(ctx, id); return err },
			"PeopleToCall":      func() error { _, err := db.PeopleToCall(ctx, id, 100); return err },
			"Mentions": func() error {
				_, err := db.Mentions(ctx, store.Reader{UserID: w.pupil.ID}, store.MentionSearch{Unread: true, Limit: 50})
				return err
			},
			"MyRooms": func() error {
				_, err := db.MyRooms(ctx, store.Reader{UserID: w.pupil.ID}, store.MyRoomSearch{Limit: 50})
				return err
			},
			"ReadRoom": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.ReadRoom(ctx, w.pupil.ID, id, 1)
					return err
				})
			},
			"ReadMentionsIn": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.ReadMentionsIn(ctx, w.pupil.ID, id, 5, at)
					return err
				})
			},
			"File":              func() error { _, err := db.FileContent(ctx, id, store.BlobOriginal); return err },
			"FileByClientID":    func() error { _, err := db.FileByClientID(ctx, id, w.pupil.ID, "x"); return err },
			"FilesInRoom":       func() error { _, err := db.FilesInRoom(ctx, id, true, id, 50); return err },
			"FileBytesOfPerson": func() error { _, err := db.FileBytesOfPerson(ctx, w.pupil.ID); return err },
			"FileBytesInRoom":   func() error { _, err := db.FileBytesInRoom(ctx, id); return err },
			"BlobsToDrop": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { _, err := tx.BlobsToDrop(ctx, at, 50); return err })
			},
			"RoomAgent":      func() error { _, err := db.RoomAgent(ctx, id, w.agent.ID); return err },
			"LastLineOf":     func() error { _, err := db.LastMessageOf(ctx, id, w.agent.ID); return err },
			"OutsideMessage": func() error { _, err := db.OutsideMessage(ctx, w.agent.ID, "x"); return err },
			"Breaker":        func() error { _, err := db.Breaker(ctx, w.agent.ID); return err },
			"Breakers":       func() error { _, err := db.Breakers(ctx, []string{w.agent.ID}); return err },
			"Step":           func() error { _, err := db.Step(ctx, id); return err },
			"LastSilent":     func() error { _, err := db.LastSilent(ctx, id, 5); return err },
			"LastDecisions":  func() error { _, err := db.LastDecisions(ctx, id, 50); return err },
			"NextDue":        func() error { _, err := db.NextDue(ctx); return err },
			"Budgets": func() error {
				_, err := db.Budgets(ctx, []store.Scope{{Kind: store.ScopeRoom, ID: id}, {Kind: store.ScopeCourse, ID: id}, {Kind: store.ScopeKey, ID: id}}, ledgerStarts)
				return err
			},
			"OverdueUsage": func() error { _, err := db.OverdueUsage(ctx, at, 10); return err },
			"UsageSums": func() error {
				_, err := db.UsageSums(ctx, store.UsageFilter{CourseID: id, From: at, Until: at.AddDate(0, 1, 0)}, []string{"day", "agent_id"}, store.Page{})
				return err
			},
			"NextOverdue":      func() error { _, _, err := db.NextOverdue(ctx); return err },
			"Workflows":        func() error { _, err := db.Workflows(ctx, w.course.ID, store.Page{}); return err },
			"RoomsByID":        func() error { _, err := db.RoomsByID(ctx, []string{id}); return err },
			"AgentsByID":       func() error { _, err := db.AgentsByID(ctx, []string{id}); return err },
			"UnendedTurns":     func() error { _, err := db.UnendedTurns(ctx, []string{id}); return err },
			"TurnsToEnd":       func() error { _, err := db.TurnsToEnd(ctx, id); return err },
			"LinesSincePerson": func() error { _, err := db.MessagesSincePerson(ctx, []string{id}); return err },
			"CountUnread": func() error {
				_, err := db.CountUnread(ctx, []store.Unread{{RoomID: id, AgentID: id, AfterSeq: 1, Since: at}})
				return err
			},
			"Missed": func() error {
				if !db.Postgres() {
					return db.Ping(ctx)
				}
				watch := db.Watch("quick")
				_, err := watch.Missed(ctx)
				return err
			},
			"ClaimDue": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { _, err := tx.ClaimDue(ctx, at, 5); return err })
			},
			"Rearm": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					return tx.Rearm(ctx, []store.Rearmed{{RoomID: id, AgentID: id, NextDueAt: at}})
				})
			},
			"PokeTriggers": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { return tx.RecheckTriggers(ctx, id, at) })
			},
			"Events":        func() error { _, err := db.Events(ctx, id, 5, 50); return err },
			"EventRange":    func() error { _, _, err := db.EventRange(ctx, id); return err },
			"EventHeads":    func() error { _, err := db.EventHeads(ctx, []string{id}); return err },
			"AgentsInRoom":  func() error { _, err := db.AgentsInRoom(ctx, id); return err },
			"RoomToLook":    func() error { _, _, err := db.RoomToDecide(ctx, id); return err },
			"AllAside":      func() error { _, err := db.AllAside(ctx, id); return err },
			"StrandedRooms": func() error { _, err := db.StrandedRooms(ctx, 5, "post"); return err },
			"TakeFloor": func() error {
				err := w.try(func(ctx context.Context, tx *store.Tx) error { return tx.TakeFloor(ctx, id, 1) })
				if errors.Is(err, store.ErrStale) {
					return nil
				}
				return err
			},
			"EndRead": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { return tx.EndRead(ctx, id, id, "post", 1, "r", "d", at) })
			},
			"WaitingTurn":            func() error { _, err := db.WaitingTurn(ctx, id); return err },
			"Turns":                  func() error { _, err := db.Turns(ctx, id, store.Page{}); return err },
			"LinesOfTurn":            func() error { _, err := db.MessagesOfTurn(ctx, id, id, []int64{1, 2}); return err },
			"TurnWithName":           func() error { _, err := db.TurnWithName(ctx, id); return err },
			"SearchLines":            func() error { _, err := db.SearchMessages(ctx, id, "cell", 100, 5); return err },
			"RoomPeople":             func() error { _, err := db.RoomPeople(ctx, id, 10); return err },
			"ArtifactHeads":          func() error { _, err := db.ArtifactHeads(ctx, id, "", store.Page{Limit: 50}); return err },
			"ArtifactHeadsByID":      func() error { _, err := db.ArtifactHeadsByID(ctx, id, []string{id}); return err },
			"PersonInArtifact":       func() error { _, err := db.PersonInArtifact(ctx, id); return err },
			"AgentNames":             func() error { _, err := db.AgentNames(ctx, []string{id}); return err },
			"PendingSteps":           func() error { _, err := db.PendingSteps(ctx, id, store.Page{}); return err },
			"StepInRoom":             func() error { _, err := db.StepInRoom(ctx, id, id); return err },
			"OverdueSteps":           func() error { _, err := db.OverdueSteps(ctx, at, 50); return err },
			"TurnWaits":              func() error { _, err := db.TurnWaits(ctx, id); return err },
			"TurnSteps":              func() error { _, err := db.TurnSteps(ctx, id); return err },
			"Runs":                   func() error { _, err := db.Runs(ctx, id, id, 10); return err },
			"Exchanges":              func() error { _, err := db.Exchanges(ctx, id, id, 10); return err },
			"A2AMessages":            func() error { _, err := db.A2AMessages(ctx, []string{id, id}); return err },
			"TurnPaused":             func() error { _, err := db.TurnPaused(ctx, id); return err },
			"MessagesBySeq":          func() error { _, err := db.MessagesBySeq(ctx, id, []int64{1, 2}); return err },
			"OverdueTurns":           func() error { _, err := db.OverdueTurns(ctx, at, 50); return err },
			"OverdueRooms":           func() error { _, err := db.OverdueRooms(ctx, at, 50); return err },
			"SigninFailures":         func() error { _, err := db.SigninFailures(ctx, []string{"a"}, at, 5); return err },
			"AccessToken":            func() error { _, err := db.AccessToken(ctx, id); return err },
			"AccessTokenByHash":      func() error { _, err := db.AccessTokenByHash(ctx, id); return err },
			"AccessTokens":           func() error { _, err := db.AccessTokens(ctx, id); return err },
			"LiveAccessTokens":       func() error { _, err := db.LiveAccessTokens(ctx, []string{id}, at); return err },
			"SessionsOf":             func() error { _, err := db.SessionsOf(ctx, id, at, store.Page{}); return err },
			"AuditEntries":           func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{}, id, 50); return err },
			"AuditEntries of actor":  func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{ActorID: id}, "", 50); return err },
			"AuditEntries of target": func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{TargetID: id}, id, 50); return err },
			"AuditEntries on behalf": func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{OnBehalfOf: id}, id, 50); return err },
			"Report":                 func() error { _, err := db.Report(ctx, id); return err },
			"Reports":                func() error { _, err := db.Reports(ctx, w.course.ID, store.Page{}); return err },
			"LiveReport":             func() error { _, err := db.LiveReport(ctx, w.course.ID); return err },
			"OverdueReports":         func() error { _, err := db.OverdueReports(ctx, at, 50); return err },
			"ReportSections":         func() error { _, err := db.ReportSections(ctx, id); return err },
			"Announcements":          func() error { _, err := db.Announcements(ctx, w.course.ID, store.Page{}); return err },
			"OrganizationMembers":    func() error { _, err := db.OrganizationMembers(ctx, id, store.Page{}); return err },
			"ProjectMembers":         func() error { _, err := db.ProjectMembers(ctx, id, store.Page{}); return err },
			"OrganizationContents":   func() error { _, err := db.OrganizationContents(ctx, id); return err },
			"ProjectContents":        func() error { _, err := db.ProjectContents(ctx, id); return err },
			"SystemAgent":            func() error { _, err := db.SystemAgent(ctx, "design"); return err },
			"AgentVersions":          func() error { _, err := db.AgentVersions(ctx, w.agent.ID, store.Page{}); return err },
			"TemplatesOf":            func() error { _, err := db.TemplatesOf(ctx, id, store.Page{}); return err },
			"ExternalAgents":         func() error { _, err := db.ExternalAgents(ctx, "", store.Page{}); return err },
			"AgentType":              func() error { _, err := db.AgentType(ctx, "design"); return err },
			"CountAgentsOfType":      func() error { _, err := db.CountAgentsOfType(ctx, "design"); return err },
			"RoomContents":           func() error { _, err := db.RoomContents(ctx, id); return err },
			"CourseContents":         func() error { _, err := db.CourseContents(ctx, w.course.ID); return err },
			"Artifacts":              func() error { _, err := db.Artifacts(ctx, id, "", store.Page{Limit: 50}); return err },
			"Artifacts of a type":    func() error { _, err := db.Artifacts(ctx, id, "task", store.Page{Limit: 50}); return err },
			"DeletedArtifacts":       func() error { _, err := db.DeletedArtifacts(ctx, id, "", store.Page{Limit: 50}); return err },
			"ArtifactHead":           func() error { _, err := db.ArtifactHead(ctx, id); return err },
			"ArtifactLoad":           func() error { _, _, err := db.ArtifactLoad(ctx, id); return err },
			"Decisions":              func() error { _, err := db.Decisions(ctx, id, "", 50); return err },
			"Decisions before":       func() error { _, err := db.Decisions(ctx, id, id, 50); return err },
			"LineDecisions":          func() error { _, err := db.MessageDecisions(ctx, id, 0, 50); return err },
			"LineDecisions of":       func() error { _, err := db.MessageDecisions(ctx, id, 5, 50); return err },
			"TurnsOf":                func() error { _, err := db.TurnsOf(ctx, []string{id}); return err },
			"TurnsThatRead":          func() error { _, err := db.TurnsThatRead(ctx, id, 5); return err },
			"MessageInRoom":          func() error { _, err := db.MessageInRoom(ctx, id, id); return err },
			"DeleteDecisionsBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteDecisionsBefore(ctx, at, 5)
					return err
				})
			},
			"GiveWay": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { return tx.GiveWay(ctx, id, "x", "x", "x", at) })
			},
			"Users": func() error {
				_, err := db.Users(ctx, store.Page{})
				return err
			},
			"Acquaintance": func() error {
				_, err := db.Acquaintance(ctx, w.pupil.ID, w.owner.ID)
				return err
			},
			"StandingOf": func() error { _, err := db.StandingOf(ctx, w.pupil.ID, w.owner.ID); return err },
			"LinksOf": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.LinksOf(ctx, store.LinkPassword, []string{w.pupil.ID}, at)
					return err
				})
			},
			"StoredBytes": func() error { _, err := db.StoredBytes(ctx, w.pupil.ID); return err },
			"CountOwned":  func() error { _, err := db.CountOwned(ctx, store.OwnedProjects, w.pupil.ID); return err },
			"SearchUsers": func() error {
				_, err := db.SearchUsers(ctx, store.UserSearch{Text: "Ü", Limit: 10})
				return err
			},
			"SearchUsers of a course": func() error {
				_, err := db.SearchUsers(ctx, store.UserSearch{Text: "a", SharedBy: w.pupil.ID, Limit: 10})
				return err
			},
			"ActiveAgent":           func() error { _, err := db.ActiveAgent(ctx, id, "design"); return err },
			"ThreadsOf":             func() error { _, err := db.ThreadsOf(ctx, id, "", "", store.Page{}); return err },
			"ThreadsOf, filtered":   func() error { _, err := db.ThreadsOf(ctx, id, id, id, store.Page{}); return err },
			"ThreadMessages":        func() error { _, err := db.ThreadMessages(ctx, id, 0, 50); return err },
			"AnswersTo":             func() error { _, err := db.AnswersTo(ctx, []string{id}); return err },
			"TurnMessage":           func() error { _, err := db.TurnMessage(ctx, id); return err },
			"TurnAbout":             func() error { _, err := db.TurnAbout(ctx, id, id, 1); return err },
			"UnendedTurn":           func() error { _, err := db.UnendedTurn(ctx, id); return err },
			"ThreadsToEnd, person":  func() error { _, err := db.ThreadsToEnd(ctx, store.ThreadsOfPerson, id); return err },
			"ThreadsToEnd, project": func() error { _, err := db.ThreadsToEnd(ctx, store.ThreadsOfProject, id); return err },
			"CountAlone":            func() error { _, err := db.CountAlone(ctx, id); return err },
			"LastFailedCall":        func() error { _, err := db.LastFailedCall(ctx, id); return err },
			"PendingStepsOf":        func() error { _, err := db.PendingStepsOf(ctx, id); return err },
			"ThreadAnswer":          func() error { _, err := db.ThreadAnswer(ctx, id); return err },
			"OpenJoinCode":          func() error { _, err := db.OpenJoinCode(ctx, "x"); return err },
			"Arrivals": func() error {
				_, err := db.Arrivals(ctx, store.Arrivals{CourseID: "x"}, store.Page{Limit: 1})
				return err
			},
			"TakenUsernames":   func() error { _, err := db.TakenUsernames(ctx, []string{"x"}); return err },
			"InvitationByHash": func() error { _, err := db.InvitationByHash(ctx, "x"); return err },
			"Invitations":      func() error { _, err := db.Invitations(ctx, w.course.ID, store.Page{}); return err },
			"ShownMessages":    func() error { _, err := db.ShownMessages(ctx, id, 0, 50); return err },
			"MessagesToDecide": func() error { _, err := db.MessagesToDecide(ctx, id, 5, 50); return err },
			"AgentsThatSpoke":  func() error { _, err := db.AgentsThatSpoke(ctx, id, 5, 50); return err },
			"PersonSeq":        func() error { _, err := db.PersonSeq(ctx, id); return err },
			"LinesAfter":       func() error { _, err := db.MessagesAfter(ctx, id, 5, 50); return err },
			"EraseDeletedLines": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.EraseDeletedMessages(ctx, at, 5)
					return err
				})
			},
			"DeleteSessionsBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteSessionsBefore(ctx, at, 5)
					return err
				})
			},
			"ArtifactVersions":      func() error { _, err := db.ArtifactVersions(ctx, id); return err },
			"ArtifactVersion":       func() error { _, err := db.ArtifactVersion(ctx, id, 1); return err },
			"RoomsWithEventsBefore": func() error { _, err := db.RoomsWithEventsBefore(ctx, at, id, 50); return err },
			"DeleteEventsBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteEventsBefore(ctx, id, at.Add(time.Hour), 5)
					return err
				})
			},
			"DeleteAuditEntriesBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteAuditEntriesBefore(ctx, at, 5)
					return err
				})
			},
			"DeleteTurnsBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteTurnsBefore(ctx, at, 5)
					return err
				})
			},
			"EraseArtifactsBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.EraseArtifactsBefore(ctx, at, 5)
					return err
				})
			},
			"DeleteSigninFailuresBefore": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteSigninFailuresBefore(ctx, at, 5)
					return err
				})
			},
		} {
			if err := ask(); err != nil && !strings.Contains(err.Error(), store.ErrNotFound.Error()) {
				t.Fatalf("%s: %v", name, err)
			}
			// These are the few rows that a statement itself brings along.
			plan := ownRows.Replace(explain(t, db, last))
			if scan := fullScan.FindString(plan); scan != "" {
				t.Errorf("%s: %s\n%s\n%s", name, scan, last, plan)
			}
		}
	})
}

var ownRows = strings.NewReplacer("SCAN lines\n", "", "SCAN people\n", "", "SCAN unread\n", "", "SCAN rearmed\n", "", "SCAN gap\n", "", "SCAN place\n", "", "SCAN times\n", "", "SCAN recent\n", "",
	"SCAN mine\n", "", "SCAN page\n", "", "SCAN newest\n", "", "SCAN counted\n", "",
	"SCAN one\n", "", "SCAN older\n", "", "SCAN links\n", "", "SCAN found\n", "", "SCAN d\n", "", "SCAN newer\n", "", "SCAN search\n", "")

// fullScan is a line of either database's plan that reads a whole table.
var fullScan = regexp.MustCompile(`(?m)Seq Scan.*$|^SCAN (?:\w+)$|Filter: .*(look_at|lease_until) <.*$`)

// bound is what stands for a value that travels beside the statement.
var bound = regexp.MustCompile(`[$?]\d+`)

func explain(t *testing.T, db *store.DB, query string) string {
	t.Helper()
	tx, err := raw(t, db).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	var rows *sql.Rows
	if db.Postgres() {
		// With a handful of rows the planner would scan whatever there is.
		if _, err := tx.ExecContext(t.Context(), "SET LOCAL enable_seqscan = off"); err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, mark := range bound.FindAllString(query, -1) {
			n, err := strconv.Atoi(mark[1:])
			mustBe(t, "the error", err, nil)
			most = max(most, n)
		}
		if most > 0 {
			// The plan for any values, as a prepared statement has it in the end.
			if _, err := tx.ExecContext(t.Context(), "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE hot AS "+query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			defer func() { _, _ = tx.ExecContext(t.Context(), "DEALLOCATE hot") }()
			query = "EXECUTE hot (" + strings.Repeat("NULL, ", most-1) + "NULL)"
		}
		rows, err = tx.QueryContext(t.Context(), "EXPLAIN "+query)
	} else {
		rows, err = tx.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+bound.ReplaceAllString(query, "'7'")) // fits a text and a number
	}
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		var n int
		dest := []any{&line}
		if !db.Postgres() {
			dest = []any{&n, &n, &n, &line}
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	mustBe(t, "the plan", rows.Err(), nil)
	return plan.String()
}
