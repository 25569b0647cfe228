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

// What TestEveryQueryUsesAnIndex cannot ask finds its rows by an index too: statements that
// depend on what is asked, and those of transactions that run with each post and sweep.
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
		ctx, id := t.Context(), w.room.ID
		for name, ask := range map[string]func() error{
			"Messages": func() error { _, err := db.Messages(ctx, id, 0, 50); return err },
			"EventsIn": func() error {
				_, err := db.EventsIn(ctx, []store.RoomAfter{{RoomID: id, After: 5}, {RoomID: store.NewID(), After: 0}}, 50)
				return err
			},
			"PeopleIn": func() error { _, err := db.PeopleIn(ctx, []string{id, w.course.ID}, []string{w.pupil.ID}); return err },
			"MessagePage": func() error {
				_, err := db.MessagePage(ctx, id, store.HistoryPart{Around: 5, Limit: 50})
				return err
			},
			"Mentions": func() error {
				_, err := db.Mentions(ctx, store.Reader{UserID: w.pupil.ID}, store.MentionSearch{Unread: true, Limit: 50})
				return err
			},
			"CalledByEdits": func() error {
				_, err := db.CalledByEdits(ctx, id, 1, 5, []string{w.pupil.ID}, 50)
				return err
			},
			"Said": func() error { _, err := db.Said(ctx, []string{id}); return err },
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
			"File":        func() error { _, err := db.FileContent(ctx, id, store.BlobOriginal); return err },
			"FilesInRoom": func() error { _, err := db.FilesInRoom(ctx, id, true, id, 50); return err },
			"BlobsToDrop": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error { _, err := tx.BlobsToDrop(ctx, at, 50); return err })
			},
			"Budgets": func() error {
				_, err := db.Budgets(ctx, []store.Scope{{Kind: store.ScopeRoom, ID: id}, {Kind: store.ScopeCourse, ID: id}, {Kind: store.ScopeKey, ID: id}}, ledgerStarts)
				return err
			},
			"SpentScopes": func() error {
				_, err := db.SpentScopes(ctx, []store.Scope{{Kind: store.ScopeRoom, ID: id}, {Kind: store.ScopeCourse, ID: id}, {Kind: store.ScopeAgent, ID: id}}, ledgerStarts)
				return err
			},
			"UsageSums": func() error {
				_, err := db.UsageSums(ctx, store.UsageFilter{CourseID: id, From: at, Until: at.AddDate(0, 1, 0)}, []string{"day", "agent_id"}, store.Page{})
				return err
			},
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
			"ArtifactHeads":          func() error { _, err := db.ArtifactHeads(ctx, id, "", store.Page{Limit: 50}); return err },
			"AuditEntries":           func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{}, id, 50); return err },
			"AuditEntries of actor":  func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{ActorID: id}, "", 50); return err },
			"AuditEntries of target": func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{TargetID: id}, id, 50); return err },
			"AuditEntries on behalf": func() error { _, err := db.AuditEntries(ctx, store.AuditFilter{OnBehalfOf: id}, id, 50); return err },
			"ExternalAgents":         func() error { _, err := db.ExternalAgents(ctx, "", store.Page{}); return err },
			"Artifacts":              func() error { _, err := db.Artifacts(ctx, id, "", store.Page{Limit: 50}); return err },
			"Artifacts of a type":    func() error { _, err := db.Artifacts(ctx, id, "task", store.Page{Limit: 50}); return err },
			"DeletedArtifacts":       func() error { _, err := db.DeletedArtifacts(ctx, id, "", store.Page{Limit: 50}); return err },
			"Decisions":              func() error { _, err := db.Decisions(ctx, id, "", 50); return err },
			"LineDecisions":          func() error { _, err := db.MessageDecisions(ctx, id, 0, 50); return err },
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
			"LinksOf": func() error {
				return w.try(func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.LinksOf(ctx, store.LinkPassword, []string{w.pupil.ID}, at)
					return err
				})
			},
			"CountOwned": func() error { _, err := db.CountOwned(ctx, store.OwnedProjects, w.pupil.ID); return err },
			"CountIn":    func() error { _, err := db.CountIn(ctx, store.PlacedAgents, store.NewID()); return err },
			"SearchUsers": func() error {
				_, err := db.SearchUsers(ctx, store.UserSearch{Text: "Ü", Limit: 10})
				return err
			},
			"SearchUsers of a course": func() error {
				_, err := db.SearchUsers(ctx, store.UserSearch{Text: "a", SharedBy: w.pupil.ID, Limit: 10})
				return err
			},
			"ThreadsOf":             func() error { _, err := db.ThreadsOf(ctx, id, "", "", store.Page{}); return err },
			"ThreadMessages":        func() error { _, err := db.ThreadMessages(ctx, id, 0, 50); return err },
			"ThreadsToEnd, person":  func() error { _, err := db.ThreadsToEnd(ctx, store.ThreadsOfPerson, id); return err },
			"ThreadsToEnd, project": func() error { _, err := db.ThreadsToEnd(ctx, store.ThreadsOfProject, id); return err },
			"Arrivals": func() error {
				_, err := db.Arrivals(ctx, store.Arrivals{CourseID: "x"}, store.Page{Limit: 1})
				return err
			},
			"ShownMessages": func() error { _, err := db.ShownMessages(ctx, id, 0, 50); return err },
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
	"SCAN mine\n", "", "SCAN live\n", "", "SCAN page\n", "", "SCAN newest\n", "", "SCAN counted\n", "",
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
