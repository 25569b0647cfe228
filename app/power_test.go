package app_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Whatever people who are no admins do, in any order: nobody gets a right over
// another person, or gives one, that they do not have themselves.
func TestNobodyRises(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.SigninFailuresPerAddress = 100_000 })
		made, used := 0, 0
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				w := newPeople(t, r, seed)
				for range 180 {
					w.step(t)
				}
				made, used = made+w.made, used+w.used
			})
		}
		if made < 10 || used < 5 {
			t.Errorf("%d links were made and %d used, want more: the worlds test nothing", made, used)
		}
	})
}

// people are a generated world: accounts, the places that they have made, and
// the links that somebody holds.
type people struct {
	*apptest.Rig
	rnd        *rand.Rand
	admin      *app.Actor
	all        []*app.Actor
	courses    []string
	orgs       []string
	projects   map[string]string // to their organisations
	codes      map[string]string // of courses
	invited    []string
	links      []heldLink
	given      map[[2]string]bool // courses that people have asked into, or that made them
	rooms      map[[2]string]bool // courses in whose rooms people are
	made, used int
}

type heldLink struct{ giver, user, token string }

func newPeople(t *testing.T, r *apptest.Rig, seed uint64) *people {
	t.Helper()
	w := &people{Rig: r, rnd: rand.New(rand.NewPCG(seed, 1)), admin: r.User(t, app.RoleAdmin, "Ada"), projects: map[string]string{},
		codes: map[string]string{}, given: map[[2]string]bool{}, rooms: map[[2]string]bool{}}
	for _, role := range []string{app.RoleTeacher, app.RoleTeacher, app.RoleTA, app.RoleStudent, app.RoleStudent, app.RoleGuest} {
		w.all = append(w.all, r.User(t, role, role))
	}
	return w
}

func pick[T any](w *people, from []T) T { return from[w.rnd.IntN(len(from))] }

var roleRanks = map[string]int{"student": 1, "member": 1, "viewer": 1, "editor": 2, "ta": 2, "admin": 3, "teacher": 3, "owner": 4}

// step lets somebody do something, and looks at what has become of everybody's
// places.
func (w *people) step(t *testing.T) {
	t.Helper()
	who, whom := pick(w, w.all), pick(w, w.all)
	before := w.places(t)
	name := pick(w, append(slices.Sorted(maps.Keys(deeds)), "join", "link", "link", "use", "use", "list", "course"))
	deeds[name](t, w, who, whom)
	after := w.places(t)
	for place, roles := range before {
		for _, p := range w.all {
			was, is := roles[p.User.ID], after[place][p.User.ID]
			switch {
			case after[place] == nil, was == is, name == "join", name == "accept", name == "leave":
				continue
			case max(roleRanks[was], roleRanks[is]) > roleRanks[roles[who.User.ID]]:
				t.Errorf("%s: %q made %q of %q in %s", name, roles[who.User.ID], is, was, place)
			}
		}
	}
}

// places are everybody's roles in every course, organisation and project.
func (w *people) places(t *testing.T) map[string]map[string]string {
	t.Helper()
	all, ctx := map[string]map[string]string{}, t.Context()
	for _, id := range w.courses {
		c, err := w.DB.Course(ctx, id)
		must(t, err)
		links, err := storetest.All(w.DB.CourseMembers(ctx, id, store.Page{Limit: 1000}))
		must(t, err)
		all[id] = map[string]string{}
		for _, l := range links {
			all[id][l.UserID] = l.Role
		}
		all[id][c.OwnerID] = "owner"
	}
	for _, id := range w.orgs {
		links, err := w.DB.OrganizationMembers(ctx, id, store.Page{Limit: 1000})
		must(t, err)
		all[id] = map[string]string{}
		for _, l := range links {
			all[id][l.UserID] = l.Role
		}
	}
	for id := range w.projects {
		links, err := w.DB.ProjectMembers(ctx, id, store.Page{Limit: 1000})
		must(t, err)
		all[id] = map[string]string{}
		for _, l := range links {
			all[id][l.UserID] = l.Role
		}
	}
	return all
}

// governs tells whether giver has all that somebody has, found out in another
// way than the program does.
func (w *people) governs(t *testing.T, giver, id string) bool {
	t.Helper()
	ctx, page := t.Context(), store.Page{Limit: 1000}
	u, err := w.DB.User(ctx, id)
	must(t, err)
	orgs, err1 := storetest.All(w.DB.OrganizationsOf(ctx, id, page))
	projects, err2 := storetest.All(w.DB.ProjectsOf(ctx, id, "", page))
	keys, err3 := storetest.All(w.DB.UserKeys(ctx, id))
	tokens, err4 := storetest.All(w.DB.AccessTokens(ctx, id))
	threads, err5 := storetest.All(w.DB.ThreadsOf(ctx, id, "", "", page))
	templates, err6 := storetest.All(w.DB.TemplatesOf(ctx, id, page))
	courses, err7 := storetest.All(w.DB.Courses(ctx, id, false, page))
	must(t, errors.Join(err1, err2, err3, err4, err5, err6, err7))
	if len(orgs)+len(projects)+len(keys)+len(tokens)+len(threads)+len(templates) > 0 || u.Role != app.RoleStudent && u.Role != app.RoleGuest {
		return false
	}
	given, places := false, w.places(t)
	in := map[string]bool{}
	for _, c := range courses {
		in[c.ID] = true
	}
	for room := range w.rooms {
		in[room[0]] = in[room[0]] || room[1] == id
	}
	for course, there := range in {
		if !there {
			continue
		}
		g, p := places[course][giver], places[course][id]
		if roleRanks[g] < 2 || roleRanks[p] > roleRanks[g] || u.PasswordHash != "" && (roleRanks[g] < 3 || roleRanks[p] > 1) {
			return false
		}
		given = given || w.given[[2]string{course, id}]
	}
	return given
}

func (w *people) hold(t *testing.T, giver *app.Actor, id, token string) {
	t.Helper()
	w.links, w.made = append(w.links, heldLink{giver.User.ID, id, token}), w.made+1
	if !w.governs(t, giver.User.ID, id) {
		t.Errorf("a link was made for a person who has more than its giver")
	}
}

// deeds are what people who are no admins try; most attempts are refused.
var deeds = map[string]func(t *testing.T, w *people, who, whom *app.Actor){
	"course": func(t *testing.T, w *people, who, _ *app.Actor) {
		if c, err := w.CreateCourse(t.Context(), who, "Course", nil); err == nil && len(w.courses) < 5 {
			w.courses = append(w.courses, c.ID)
			code, err := w.SetJoinCode(t.Context(), who, c.ID)
			must(t, err)
			w.codes[c.ID] = code.Code
		}
	},
	"enrol": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) { _, _ = w.Enrol(t.Context(), who, id, app.Person{ID: whom.User.ID}, w.role()) })
	},
	"role": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) { _ = w.ChangeMemberRole(t.Context(), who, id, whom.User.ID, w.role()) })
	},
	"remove": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) {
			if w.RemoveMember(t.Context(), who, id, whom.User.ID) == nil {
				delete(w.given, [2]string{id, whom.User.ID})
				delete(w.rooms, [2]string{id, whom.User.ID})
			}
		})
	},
	"list": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) {
			list := "email,role\n" + whom.User.Email + "," + w.role() + "\n"
			if len(w.all) < 14 {
				list += store.NewID() + "@x.org," + w.role() + "\n"
			}
			rows, _ := w.ImportMembers(t.Context(), who, id, []byte(list), false)
			for _, row := range rows {
				if row.Link == nil {
					continue
				}
				u, err := w.DB.UserByEmail(t.Context(), row.Email)
				must(t, err)
				w.all = append(w.all, &app.Actor{User: *u, SessionID: store.NewID()})
				w.given[[2]string{id, u.ID}] = true
				w.hold(t, who, u.ID, row.Link.Token)
			}
		})
	},
	"join": func(t *testing.T, w *people, who, _ *app.Actor) {
		w.inCourse(func(id string) {
			was := w.places(t)[id][who.User.ID]
			if _, err := w.JoinCourse(t.Context(), who, w.codes[id]); err == nil && was == "" {
				w.given[[2]string{id, who.User.ID}] = true
			}
		})
	},
	"invite": func(t *testing.T, w *people, who, _ *app.Actor) {
		w.inCourse(func(id string) {
			if _, token, err := w.Invite(t.Context(), who, id, app.NewInvitation{Role: w.role(), Life: 3600e9, MaxUses: 3}); err == nil {
				w.invited = append(w.invited, token)
			}
		})
	},
	"accept": func(t *testing.T, w *people, who, _ *app.Actor) {
		if len(w.invited) == 0 {
			return
		}
		was := w.places(t)
		if c, err := w.AcceptInvitation(t.Context(), who, pick(w, w.invited)); err == nil && was[c.ID][who.User.ID] == "" {
			w.given[[2]string{c.ID, who.User.ID}] = true
		}
	},
	"room": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) {
			room, err := w.CreateRoom(t.Context(), who, id, app.RoomSettings{Name: app.Some("Room")})
			if err != nil {
				return
			}
			if _, err := w.AssignToRoom(t.Context(), who, room.ID, app.Person{ID: whom.User.ID}); err == nil {
				w.rooms[[2]string{id, whom.User.ID}] = true
			}
		})
	},
	"transfer": func(t *testing.T, w *people, who, whom *app.Actor) {
		w.inCourse(func(id string) { _, _ = w.TransferCourse(t.Context(), who, id, whom.User.ID) })
		if len(w.orgs) > 0 {
			_, _ = w.TransferOrganization(t.Context(), who, pick(w, w.orgs), whom.User.ID)
		}
	},
	"own": func(t *testing.T, w *people, who, _ *app.Actor) {
		if w.rnd.IntN(8) > 0 { // or everybody would have something soon
			return
		}
		switch w.rnd.IntN(4) {
		case 0:
			o, err := w.CreateOrganization(t.Context(), who, "Club", nil)
			must(t, err)
			w.orgs = append(w.orgs, o.ID)
			p, err := w.CreateProject(t.Context(), who, o.ID, "Project", nil)
			must(t, err)
			w.projects[p.ID] = o.ID
		case 1:
			_, err := w.CreateUserKey(t.Context(), who, app.NewUserKey{Provider: "openai", Alias: store.NewID(), Key: apptest.CanaryKey})
			must(t, err)
		case 2:
			_, _, err := w.CreateAccessToken(t.Context(), who, app.NewAccessToken{Name: "x", Scopes: []app.Scope{"read"}, Days: 1})
			must(t, err)
		case 3:
			_, err := w.CreateTemplate(t.Context(), who, app.AgentSettings{Type: app.Some("teacher"), SystemPrompt: app.Some("x"), ModelProvider: app.Some("offline")})
			must(t, err)
		}
	},
	"club": func(t *testing.T, w *people, who, whom *app.Actor) {
		if len(w.orgs) == 0 {
			return
		}
		role, id := pick(w, []string{"admin", "member"}), pick(w, w.orgs)
		if w.rnd.IntN(4) == 0 {
			_, _ = w.AddOrganizationMember(t.Context(), who, id, app.Person{ID: whom.User.ID}, role)
		}
		_ = w.ChangeOrganizationMember(t.Context(), who, id, whom.User.ID, role)
		role = pick(w, []string{"owner", "admin", "editor", "member", "viewer"})
		for project := range w.projects {
			if w.rnd.IntN(4) == 0 {
				_, _ = w.AddProjectMember(t.Context(), who, project, app.Person{ID: whom.User.ID}, role)
			}
			_ = w.ChangeProjectMember(t.Context(), who, project, whom.User.ID, role)
		}
	},
	"leave": func(t *testing.T, w *people, who, _ *app.Actor) {
		for _, id := range w.orgs {
			_ = w.RemoveOrganizationMember(t.Context(), who, id, who.User.ID)
		}
	},
	"link": func(t *testing.T, w *people, who, whom *app.Actor) {
		may := w.governs(t, who.User.ID, whom.User.ID) && who != whom
		l, err := w.MakePasswordLink(t.Context(), who, whom.User.ID)
		if err == nil {
			w.hold(t, who, whom.User.ID, l.Token)
		} else if u, _ := w.DB.User(t.Context(), whom.User.ID); may && u.PasswordHash != "" {
			t.Errorf("no link for somebody whose teacher asks: %v", err)
		}
	},
	"use": func(t *testing.T, w *people, _, _ *app.Actor) {
		if len(w.links) == 0 {
			return
		}
		l := pick(w, w.links)
		may := w.governs(t, l.giver, l.user)
		_, err := w.UsePasswordLink(t.Context(), l.token, "another horse battery", app.Client{})
		if err == nil {
			w.used++
			if !may {
				t.Error("a link has outlived its giver's rights over the person")
			}
		} else if !strings.Contains(err.Error(), "not valid any more") {
			t.Error(err)
		}
	},
	// What others give: the admin puts people into projects of strangers.
	"gift": func(t *testing.T, w *people, _, whom *app.Actor) {
		if w.rnd.IntN(6) == 0 {
			_, err := w.CreateOrganization(t.Context(), w.admin, "Foreign", nil)
			must(t, err)
			orgs, err := storetest.All(w.DB.OrganizationsOf(t.Context(), w.admin.User.ID, store.Page{}))
			must(t, err)
			_, err = w.AddOrganizationMember(t.Context(), w.admin, orgs[0].ID, app.Person{ID: whom.User.ID}, "member")
			if err != nil && app.KindOf(err) != app.KindConflict {
				t.Error(err)
			}
		}
	},
}

// inCourse runs fn on one of the courses, if there are any.
func (w *people) inCourse(fn func(id string)) {
	if len(w.courses) > 0 {
		fn(pick(w, w.courses))
	}
}

// role is that of a student more often than not.
func (w *people) role() string {
	return pick(w, []string{"student", "student", "student", "ta", "teacher"})
}
