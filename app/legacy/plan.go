package legacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/dump"
)

// plan is what becomes of a school. Its lists are in the order in which they are written.
type plan struct {
	src    dump.Source
	rules  *app.Imports
	old    *secret.Keyring // of the old system; nil without its key
	now    time.Time
	zone   string // in which the old system reads the clock times of schedules
	ours   string // in which this installation reads them
	files  *pictures
	left   io.Writer // rows that have no place here, as JSON lines; nil writes none
	report *report

	head        bool // the newer schema: rooms belong to spaces
	courseTable string
	linkTable   string
	courseID    string

	users       []store.User
	user        map[string]*store.User
	avatars     []avatar
	orgs        []store.Organization
	org         map[string]bool
	orgMembers  []store.OrganizationMember
	projects    []store.Project
	project     map[string]bool
	members     []store.ProjectMember
	courses     []store.Course
	course      map[string]bool
	enrolled    []store.CourseMember
	notes       []store.Announcement
	types       []store.AgentType
	category    map[string]string // of each type of agents
	keys        []store.UserKey
	agents      []store.Agent
	agent       map[string]*store.Agent
	agentKeys   []store.AgentKey
	versions    []store.AgentVersion
	workflows   []store.Workflow
	rooms       []store.Room
	roomCourse  map[string]string
	roomMembers []store.RoomMember
	roomAgents  []store.RoomAgent
	onlyOfType  map[string]*store.Agent // the one agent of a type in a room, by room and type
	threads     []store.Thread
	thread      map[string]*store.Thread
	threadRooms []store.Room
	parents     []parent
	artifact    map[string]string // the room of each artifact
	reports     []store.Report

	bootstrap *store.User // the account that the first start has made, when it stays
	replaced  *store.User // ..., when an imported one takes its place
	schedules int
	sealed    int // keys that are encrypted
	unread    int // ... which no key could decrypt
	messages  int64
	lines     int64 // of threads
}

// detect finds out which version of the old system a source is.
func (p *plan) detect() error {
	tables := p.src.Tables()
	if tables["user"] == nil || tables["room"] == nil || tables["message"] == nil {
		return errors.New("this is no database of CoAgent Studio: it needs the tables user, room and message")
	}
	switch {
	case slices.Contains(tables["room"], "course_id"):
		p.courseTable, p.linkTable, p.courseID = "course", "usercourselink", "course_id"
	case slices.Contains(tables["room"], "space_id"):
		p.head = true
		p.courseTable, p.linkTable, p.courseID = "space", "user_space_link", "space_id"
	default:
		return errors.New("the table room has neither course_id nor space_id, so this is a version of CoAgent Studio that the import does not know")
	}
	for table, needed := range map[string][]string{"user": {"id", "email", "role"}, "room": {"id", "name"},
		"message": {"id", "room_id", "content", "created_at"}, p.courseTable: {"id", "title", "owner_id"}} {
		for _, column := range needed {
			if !slices.Contains(tables[table], column) {
				return fmt.Errorf("the table %s has no column %s, so this is a version of CoAgent Studio that the import does not know", table, column)
			}
		}
	}
	return nil
}

// make judges every row.
func (p *plan) make(ctx context.Context) error {
	for _, part := range []func(context.Context) error{p.people, p.organizations, p.projectsOf, p.coursesOf, p.announcements, p.agentTypes,
		p.userKeys, p.agentsOf, p.agentVersions, p.keysOfAgents, p.roomsOf, p.roomPeople, p.agentsInRooms, p.countMessages, p.artifactsOf,
		p.threadsOf, p.countLines, p.reportsOf, p.auditOf, p.leftovers, p.unknown} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if p.schedules > 0 && p.zone != p.ours {
		p.report.decide("agentconfig", "", "%d schedules have clock times of %s, and this installation reads them in %s: set timezone: %s in the configuration",
			p.schedules, p.zone, p.ours, p.zone)
	}
	return p.report.err
}

// each reads the rows of a table, counts them, and gives them to fn.
func (p *plan) each(ctx context.Context, table string, order []string, fn func(row)) error {
	return p.src.Scan(ctx, table, order, nil, func(r dump.Row) error {
		p.report.read(table)
		fn(row{r, p, table})
		return nil
	})
}

// gone leaves a row out because what it belongs to does not come.
func (r row) gone(what string) {
	r.p.report.leave(r.table, r.own(), "%s", "its "+what+" does not come")
}

// noID leaves out a row that has no id.
func (r row) noID() bool {
	if r.id("id") != "" {
		return false
	}
	r.p.report.leave(r.table, r.Text("id"), "has no valid id")
	return true
}

// account returns the id of an account that comes, "" for any other.
func (r row) account(column string) string {
	if u := r.p.user[r.id(column)]; u != nil {
		return u.ID
	}
	return ""
}

// fingerprint tells two states of a source apart: the numbers of rows of all tables, and
// the ids of people and rooms.
func (p *plan) fingerprint(ctx context.Context) (string, error) {
	h := sha256.New()
	tables := p.src.Tables()
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		n, err := p.src.Count(ctx, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", name, n)
	}
	for _, table := range []string{"user", "room"} {
		var ids []string
		err := p.src.Scan(ctx, table, nil, nil, func(r dump.Row) error {
			ids = append(ids, r.Text("id"))
			return nil
		})
		if err != nil {
			return "", err
		}
		slices.Sort(ids)
		fmt.Fprintln(h, strings.Join(ids, " "))
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
