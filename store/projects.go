package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Project owns agents. Its members see them.
type Project struct {
	bun.BaseModel  `bun:"table:projects,alias:p"`
	ID             string `bun:",pk"`
	OrganizationID string
	Name           string
	Description    *string
	CreatedBy      string `bun:",nullzero"`
	CreatedAt      time.Time
	Version        int
}

// ProjectMember links a user to a project.
type ProjectMember struct {
	bun.BaseModel `bun:"table:project_members,alias:pm"`
	ProjectID     string `bun:",pk"`
	UserID        string `bun:",pk"`
	Role          string
	CreatedAt     time.Time

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// Project returns the project with this id.
func (q Queries) Project(ctx context.Context, id string) (*Project, error) {
	p := new(Project)
	return first(ctx, q.db.NewSelect().Model(p).Where("p.id = ?", id), p)
}

// ProjectsOf lists the projects to which a user is linked, by name. With organizationID
// it lists only those of that organisation.
func (q Queries) ProjectsOf(ctx context.Context, userID, organizationID string, p Page) (*Listing[Project], error) {
	sel := q.db.NewSelect().Model((*Project)(nil)).Join("JOIN project_members AS pm ON pm.project_id = p.id").
		Where("pm.user_id = ?", userID).OrderExpr("p.name, p.id")
	if organizationID != "" {
		sel = sel.Where("p.organization_id = ?", organizationID)
	}
	return listing(ctx, listed[Project]{places: p.on(sel), key: "p.id", size: q.octets("p.description"),
		rows: q.everything,
		id:   func(p *Project) string { return p.ID }})
}

// ProjectRole returns the user's role in a project, "" without a link.
func (q Queries) ProjectRole(ctx context.Context, projectID, userID string) (string, error) {
	ctx, bound := q.bound(ctx, projectID, userID)
	return q.role(ctx, q.db.NewSelect().Model((*ProjectMember)(nil)).
		Where("pm.project_id = ?", bound[0]).Where("pm.user_id = ?", bound[1]))
}

// CreateProject adds a project; ErrReferenced for an unknown organisation.
func (t *Tx) CreateProject(ctx context.Context, p *Project) error { return t.insert(ctx, p) }

// AddProjectMember links a user; ErrExists when there is a link already.
func (t *Tx) AddProjectMember(ctx context.Context, m *ProjectMember) error { return t.insert(ctx, m) }

// LeaveProjects removes a user from the projects of an organisation, or from all projects
// when organizationID is "". A project that is then without an owner or admin gets the
// owner of its organisation as admin. It returns these new links.
func (t *Tx) LeaveProjects(ctx context.Context, userID, organizationID string, at time.Time) ([]ProjectMember, error) {
	sel := t.db.NewSelect().Model((*Project)(nil)).Column("p.id").
		Where("EXISTS (SELECT 1 FROM project_members AS pm WHERE pm.project_id = p.id AND pm.user_id = ?)", userID).OrderExpr("p.id")
	if organizationID != "" {
		sel = sel.Where("p.organization_id = ?", organizationID)
	}
	var left []string
	if err := t.locked(sel).Scan(ctx, &left); err != nil || len(left) == 0 {
		return nil, translate(err)
	}
	if _, err := t.db.NewDelete().Model((*ProjectMember)(nil)).Where("user_id = ?", userID).
		Where("project_id IN (?)", bun.List(left)).Exec(ctx); err != nil {
		return nil, translate(err)
	}
	var heirs []ProjectMember
	err := t.db.NewRaw(`INSERT INTO project_members (project_id, user_id, role, created_at)
		SELECT p.id, o.owner_id, 'admin', ? FROM projects AS p JOIN organizations AS o ON o.id = p.organization_id
			WHERE p.id IN (?) AND NOT EXISTS
				(SELECT 1 FROM project_members AS m WHERE m.project_id = p.id AND m.role IN ('owner', 'admin'))
		ON CONFLICT (project_id, user_id) DO UPDATE SET role = 'admin'
		RETURNING project_id, user_id, role`, t.instant(at), bun.List(left)).Scan(ctx, &heirs)
	t.noteGains(&heirs)
	return heirs, translate(err)
}

// ProjectForUpdate returns a project and locks its row until the transaction ends. A
// transaction that changes the project's members holds this lock.
func (t *Tx) ProjectForUpdate(ctx context.Context, id string) (*Project, error) {
	p := new(Project)
	return first(ctx, t.locked(t.db.NewSelect().Model(p).Where("p.id = ?", id)), p)
}

// UpdateProject writes the name and description of a project that was read at p.Version,
// and increases the version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateProject(ctx context.Context, p *Project) error {
	p.Version++
	res, err := t.db.NewUpdate().Model(p).Column("name", "description", "version").
		Where("p.id = ?", p.ID).Where("p.version = ?", p.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteProject removes a project with its agents.
func (t *Tx) DeleteProject(ctx context.Context, id string) error {
	if err := t.lockRooms(ctx, "SELECT th.id FROM threads AS th WHERE th.project_id = ?", id); err != nil {
		return err
	}
	if err := t.lockProject(ctx, id); err != nil {
		return err
	}
	if err := t.agentsChanged(ctx, roomsOf+"a.project_id = ?", id); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*Project)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// ProjectMembers lists a project's links with their users, in the order in which they
// joined.
func (q Queries) ProjectMembers(ctx context.Context, projectID string, p Page) ([]ProjectMember, error) {
	var rows []ProjectMember
	err := p.on(q.db.NewSelect().Model(&rows).Relation("User").Where("pm.project_id = ?", projectID).
		OrderExpr("pm.created_at, pm.user_id")).Scan(ctx)
	return rows, translate(err)
}

// HasOtherProjectAdmin tells whether a project has another owner or admin than this user.
func (q Queries) HasOtherProjectAdmin(ctx context.Context, projectID, userID string) (bool, error) {
	ok, err := q.db.NewSelect().Model((*ProjectMember)(nil)).Where("pm.project_id = ?", projectID).
		Where("pm.user_id <> ?", userID).Where("pm.role IN ('owner', 'admin')").Exists(ctx)
	return ok, translate(err)
}

// SetProjectRole changes the role of a linked user; ErrNotFound without a link.
func (t *Tx) SetProjectRole(ctx context.Context, projectID, userID, role string) error {
	t.gains(userID)
	res, err := t.db.NewUpdate().Model((*ProjectMember)(nil)).Set("role = ?", role).
		Where("project_id = ?", projectID).Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// RemoveProjectMember removes a user from a project; ErrNotFound without a link.
func (t *Tx) RemoveProjectMember(ctx context.Context, projectID, userID string) error {
	res, err := t.db.NewDelete().Model((*ProjectMember)(nil)).Where("project_id = ?", projectID).
		Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// ProjectOfCourseAgents returns the id of the oldest project in which a person may change
// agents, and of which an agent is in a room of a course. ErrNotFound if there is none.
func (q Queries) ProjectOfCourseAgents(ctx context.Context, userID, courseID string) (id string, err error) {
	err = q.db.NewSelect().Model((*Project)(nil)).Column("p.id").Join("JOIN project_members AS pm ON pm.project_id = p.id").
		Where("pm.user_id = ?", userID).Where("pm.role IN ('owner', 'admin', 'editor')").
		Where("EXISTS (SELECT 1 FROM agents AS a JOIN room_agents AS ra ON ra.agent_id = a.id JOIN rooms AS r ON r.id = ra.room_id"+
			" WHERE a.project_id = p.id AND r.course_id = ?)", courseID).
		OrderExpr("p.created_at, p.id").Limit(1).Scan(ctx, &id)
	return id, translate(err)
}
