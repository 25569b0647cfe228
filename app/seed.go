package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Demo is the demo course of a new installation, with which one can try everything.
type Demo struct {
	File  string // the file with the accounts, "" if their passwords are not known any more
	Fresh bool   // this call has made the demo
}

// demoRoles are the roles of the demo's accounts, one for each role. The user name is
// the role, unless somebody has that user name, for example an operator's own admin.
var demoRoles = []string{RoleTeacher, RoleTA, RoleStudent, RoleGuest, RoleAdmin, RoleSuperAdmin}

// demoAccount is one of the demo's accounts. The database keeps them encrypted, and the
// file with the passwords is written from that.
type demoAccount struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Password string `json:"password"`
	Hash     string `json:"hash"` // the password is valid as long as the account has this hash
}

// SeedDemo adds a course with a room, and a teacher and a student agent on the offline
// provider. It adds an analytics agent if the program has none yet, and one user of each
// role. Their random passwords are in demo.txt (0600) in the data folder, which is
// written after everything is stored. A second call changes only that file, and only if
// it differs from the database.
func (o *Operator) SeedDemo(ctx context.Context) (*Demo, error) {
	d := &Demo{File: filepath.Join(o.cfg.DataDir, "demo.txt")}
	_, err := o.db.Setting(ctx, store.SettingDemo)
	if errors.Is(err, store.ErrNotFound) {
		d.Fresh, err = true, o.makeDemo(ctx)
	}
	if errors.Is(err, store.ErrExists) { // another process made it, or took a name, at the same moment
		return nil, errorf(KindConflict, wording.Demo, "Somebody else makes accounts right now. Run the command again.")
	}
	if err != nil {
		return nil, err
	}
	text, err := o.demoText(ctx)
	if err != nil {
		return nil, err
	}
	if text == "" {
		// Keep a file that an older version has written.
		if _, err := os.Stat(d.File); errors.Is(err, fs.ErrNotExist) {
			d.File = ""
		}
		return d, nil
	}
	return d, writePrivate(d.File, text)
}

// makeDemo stores the whole demo in one transaction.
func (o *Operator) makeDemo(ctx context.Context) error {
	users, accounts := map[string]*store.User{}, []demoAccount{}
	for _, role := range demoRoles {
		name, err := o.demoName(ctx, role)
		if err != nil {
			return err
		}
		password := strings.ToLower(rand.Text()[:14])
		full := "Demo " + strings.ReplaceAll(role, "_", " ")
		u, err := newUser(ctx, o.passwords, o.now, limit.Asker{},
			NewUser{Email: name + "@demo.example", Username: &name, FullName: &full, Role: role, Password: &password})
		if err != nil {
			return err
		}
		users[role] = u
		accounts = append(accounts, demoAccount{u.ID, name, password, u.PasswordHash})
	}
	analyst, err := o.demoAnalyst(ctx)
	if err != nil {
		return err
	}
	remembered, err := o.agents.keys.Encrypt(secret.Text(store.ToJSON(accounts)))
	if err != nil {
		return err
	}
	return o.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(ctx, store.SettingDemo, remembered); err != nil {
			return err
		}
		if err := o.seed(ctx, tx, users); err != nil {
			return err
		}
		return o.seedAnalyst(ctx, tx, analyst)
	})
}

// demoName is a user name for a role. Nobody has this user name or its e-mail address.
func (o *Operator) demoName(ctx context.Context, role string) (string, error) {
	for i := 1; ; i++ {
		name := role
		switch {
		case i == 2:
			name = "demo_" + role
		case i > 2:
			name = fmt.Sprintf("demo_%s_%d", role, i)
		}
		free := true
		for _, login := range []string{name, name + "@demo.example"} {
			_, err := o.db.UserByLogin(ctx, login)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return "", err
			}
			free = free && err != nil
		}
		if free {
			return name, nil
		}
	}
}

// openDemo are the demo's accounts that have not changed since they were made.
func (o *Operator) openDemo(ctx context.Context) (open []demoAccount, err error) {
	remembered, err := o.db.Setting(ctx, store.SettingDemo)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var accounts []demoAccount
	// Older versions did not store the accounts, and a key may be lost. Then there is
	// nothing to list.
	plain, _ := o.agents.keys.Decrypt(remembered)
	if !json.Valid([]byte(plain.Reveal())) {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(plain.Reveal()), &accounts); err != nil {
		return nil, fmt.Errorf("read the demo's accounts: %w", err)
	}
	for _, account := range accounts {
		u, err := o.db.User(ctx, account.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil && u.PasswordHash == account.Hash && u.IsActive {
			open = append(open, account)
		}
	}
	return open, nil
}

// demoText lists these accounts. It is "" if the database does not know them, or if none is
// left.
func (o *Operator) demoText(ctx context.Context) (string, error) {
	open, err := o.openDemo(ctx)
	if err != nil || len(open) == 0 {
		return "", err
	}
	var lines strings.Builder
	for _, account := range open {
		fmt.Fprintf(&lines, "%-12s  %s\n", account.Name, account.Password)
	}
	return "The accounts of the demo course (user name, password):\n\n" + lines.String(), nil
}

// DemoFile is the file with the demo's accounts of this database. It is "" if there are
// none, or if the file belongs to another database.
func (o *Operator) DemoFile(ctx context.Context) (string, error) {
	want, err := o.demoText(ctx)
	if err != nil || want == "" {
		return "", err
	}
	path := filepath.Join(o.cfg.DataDir, "demo.txt")
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		return "", nil //nolint:nilerr // a file that cannot be read is none to tell of
	}
	return path, nil
}

// seed adds the demo's database rows.
func (o *Operator) seed(ctx context.Context, tx *store.Tx, users map[string]*store.User) error {
	for _, role := range demoRoles {
		u := users[role]
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		if err := o.audit.record(ctx, tx, operator(), ActCreateUser, target{"user", u.ID}, nil, userChanges(u)); err != nil {
			return err
		}
	}
	now, teacher := o.now.instant(), users[RoleTeacher].ID
	course := &store.Course{ID: store.NewID(), Title: "Demo course", OwnerID: teacher, CreatedAt: now, Version: 1}
	room := &store.Room{ID: store.NewID(), CourseID: course.ID, Name: "Welcome", IsAIActive: true, AIFrequency: 1, AIMode: store.ModeBoth,
		CreatedAt: now, Version: 1}
	org := &store.Organization{ID: store.NewID(), Name: "Demo school", OwnerID: teacher, CreatedAt: now, Version: 1}
	project := &store.Project{ID: store.NewID(), OrganizationID: org.ID, Name: "Demo agents", CreatedAt: now, Version: 1}
	agents := o.agents.firstAgents(project.ID, teacher, wording.English)
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

// demoAnalyst writes reports without a model, so that the demo has one to show.
func (o *Operator) demoAnalyst(ctx context.Context) (*store.Agent, error) {
	ag := o.agents.fresh("", "")
	if err := o.agents.startAs(ctx, &ag, store.AgentAnalytics); err != nil {
		return nil, err
	}
	ag.Type, ag.Name, ag.ModelProvider, ag.Model, ag.IsActive = store.AgentAnalytics, "Analytics", providerOffline, nil, true
	return &ag, nil
}

// seedAnalyst adds the demo's analytics agent. It does not change an agent that an admin
// has made or switched off.
func (o *Operator) seedAnalyst(ctx context.Context, tx *store.Tx, ag *store.Agent) error {
	if _, err := tx.SystemAgentForUpdate(ctx, ag.Type); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := tx.CreateAgents(ctx, []store.Agent{*ag}); err != nil {
		return err
	}
	return o.agents.record(ctx, tx, operator(), ActWriteSystemAgents, nil, ag)
}

// writePrivate replaces a file. Only its owner may read it.
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
