package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

const settingDemo = "demo_seeded"

// Demo is the first course of a new installation, to try everything with.
type Demo struct {
	File  string // where the accounts are kept
	Fresh bool   // made by this call
}

// demoRoles are the demo's accounts: one user of each role, whose user name is
// the role.
var demoRoles = []string{RoleTeacher, RoleTA, RoleStudent, RoleGuest, RoleAdmin, RoleSuperAdmin}

// SeedDemo adds a course with a room, a teacher and a student agent on the
// offline provider, an analytics agent on it where the program has none yet,
// and one user of each role. Their random passwords are kept
// in demo.txt (0600) of the data folder. A second call changes nothing.
func (a *App) SeedDemo(ctx context.Context) (*Demo, error) {
	d := &Demo{File: filepath.Join(a.cfg.DataDir, "demo.txt")}
	if _, err := a.db.Setting(ctx, settingDemo); err == nil {
		return d, nil
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	users := map[string]*store.User{}
	var accounts strings.Builder
	accounts.WriteString("The accounts of the demo course (user name, password):\n\n")
	for _, role := range demoRoles {
		password := strings.ToLower(rand.Text()[:14])
		full := "Demo " + strings.ReplaceAll(role, "_", " ")
		u, err := a.newUser(ctx, asker{}, NewUser{Email: role + "@demo.example", Username: &role, FullName: &full, Role: role, Password: &password})
		if err != nil {
			return nil, err
		}
		users[role] = u
		fmt.Fprintf(&accounts, "%-12s  %s\n", role, password)
	}
	analyst, err := a.demoAnalyst(ctx)
	if err != nil {
		return nil, err
	}
	// The file comes first: a kill in between leaves passwords without
	// accounts, which the next call replaces, never accounts without passwords.
	if err := writePrivate(d.File, accounts.String()); err != nil {
		return nil, err
	}
	d.Fresh = true
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := a.seed(ctx, tx, users); err != nil {
			return err
		}
		return a.seedAnalyst(ctx, tx, analyst)
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errors.New("the demo needs the user names " + strings.Join(demoRoles, ", ") +
			"; at least one of them, or its demo.example address, is taken in this database")
	}
	return d, err
}

// seed adds the demo's rows.
func (a *App) seed(ctx context.Context, tx *store.Tx, users map[string]*store.User) error {
	if err := tx.SetSetting(ctx, settingDemo, "1"); err != nil {
		return err
	}
	for _, role := range demoRoles {
		u := users[role]
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		if err := a.record(ctx, tx, operator(), ActCreateUser, target{"user", u.ID}, nil, userFacts(u)); err != nil {
			return err
		}
	}
	now, teacher := a.instant(), users[RoleTeacher].ID
	course := &store.Course{ID: store.NewID(), Title: "Demo course", OwnerID: teacher, CreatedAt: now, Version: 1}
	room := &store.Room{ID: store.NewID(), CourseID: course.ID, Name: "Welcome", IsAIActive: true, AIFrequency: 1, AIMode: ModeBoth,
		CreatedAt: now, Version: 1}
	org := &store.Organization{ID: store.NewID(), Name: "Demo school", OwnerID: teacher, CreatedAt: now, Version: 1}
	project := &store.Project{ID: store.NewID(), OrganizationID: org.ID, Name: "Demo agents", CreatedAt: now, Version: 1}
	agents := a.firstAgents(project.ID, teacher)
	steps := []func() error{
		func() error { return tx.CreateCourse(ctx, course) },
		func() error { return tx.CreateRoom(ctx, room) },
		func() error { return tx.CreateOrganization(ctx, org) },
		func() error {
			return tx.AddOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: org.ID, UserID: teacher, Role: "owner", CreatedAt: now})
		},
		func() error { return tx.CreateProject(ctx, project) },
		func() error {
			return tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: project.ID, UserID: teacher, Role: "admin", CreatedAt: now})
		},
		func() error { return tx.CreateAgents(ctx, agents) },
		func() error {
			_, err := tx.AddRoomMember(ctx, &store.RoomMember{RoomID: room.ID, UserID: users[RoleGuest].ID, CreatedAt: now})
			return err
		},
	}
	for _, role := range []string{RoleTeacher, RoleTA, RoleStudent} {
		steps = append(steps, func() error {
			_, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: course.ID, UserID: users[role].ID, Role: role, CreatedAt: now})
			return err
		})
	}
	for _, ag := range agents {
		steps = append(steps, func() error {
			_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: room.ID, AgentID: ag.ID, CreatedAt: now})
			return err
		})
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// demoAnalyst writes reports without a model, so that the demo shows one.
func (a *App) demoAnalyst(ctx context.Context) (*store.Agent, error) {
	ag := a.newAgent("", "")
	if err := a.startAs(ctx, &ag, AgentAnalytics); err != nil {
		return nil, err
	}
	ag.Type, ag.Name, ag.ModelProvider, ag.Model, ag.IsActive = AgentAnalytics, "Analytics", providerOffline, nil, true
	return &ag, nil
}

// seedAnalyst adds the demo's analytics agent; one that an admin has made, or
// switched off, stays as it is.
func (a *App) seedAnalyst(ctx context.Context, tx *store.Tx, ag *store.Agent) error {
	if _, err := tx.SystemAgentForUpdate(ctx, ag.Type); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.CreateAgents(ctx, []store.Agent{*ag}); err != nil {
		return err
	}
	return a.recordAgent(ctx, tx, operator(), ActWriteSystemAgents, nil, ag)
}

// writePrivate replaces a file that only its owner may read.
func writePrivate(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
