package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Organization owns projects; its members see it.
type Organization struct {
	bun.BaseModel `bun:"table:organizations,alias:o"`
	ID            string `bun:",pk"`
	Name          string
	Description   *string
	OwnerID       string
	CreatedAt     time.Time
	Version       int
}

// OrganizationMember links a user to an organisation.
type OrganizationMember struct {
	bun.BaseModel  `bun:"table:organization_members,alias:om"`
	OrganizationID string `bun:",pk"`
	UserID         string `bun:",pk"`
	Role           string
	CreatedAt      time.Time

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// Project owns agents; its members see them.
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

// Organization returns the organisation with this id.
func (q Queries) Organization(ctx context.Context, id string) (*Organization, error) {
	o := new(Organization)
	return first(ctx, q.db.NewSelect().Model(o).Where("o.id = ?", id), o)
}

// OrganizationsOf lists the organisations a user is linked to, by name.
func (q Queries) OrganizationsOf(ctx context.Context, userID string, p Page) (*Listing[Organization], error) {
	sel := q.db.NewSelect().Model((*Organization)(nil)).Join("JOIN organization_members AS om ON om.organization_id = o.id").
		Where("om.user_id = ?", userID).OrderExpr("o.name, o.id")
	return listing(ctx, listed[Organization]{places: p.on(sel), key: "o.id", size: q.octets("o.description"),
		rows: func(rows *[]Organization) *bun.SelectQuery { return q.db.NewSelect().Model(rows) },
		id:   func(o *Organization) string { return o.ID }})
}

// OrganizationRole is the user's role in an organisation, "" without a link.
func (q Queries) OrganizationRole(ctx context.Context, organizationID, userID string) (string, error) {
	return q.role(ctx, q.db.NewSelect().Model((*OrganizationMember)(nil)).
		Where("om.organization_id = ?", organizationID).Where("om.user_id = ?", userID))
}

// CreateOrganization adds an organisation.
func (t *Tx) CreateOrganization(ctx context.Context, o *Organization) error { return t.insert(ctx, o) }

// AddOrganizationMember links a user; ErrExists when the link is there.
func (t *Tx) AddOrganizationMember(ctx context.Context, m *OrganizationMember) error {
	return t.insert(ctx, m)
}

// Project returns the project with this id.
func (q Queries) Project(ctx context.Context, id string) (*Project, error) {
	p := new(Project)
	return first(ctx, q.db.NewSelect().Model(p).Where("p.id = ?", id), p)
}

// ProjectsOf lists the projects a user is linked to, by name; with
// organizationID only those of that organisation.
func (q Queries) ProjectsOf(ctx context.Context, userID, organizationID string, p Page) (*Listing[Project], error) {
	sel := q.db.NewSelect().Model((*Project)(nil)).Join("JOIN project_members AS pm ON pm.project_id = p.id").
		Where("pm.user_id = ?", userID).OrderExpr("p.name, p.id")
	if organizationID != "" {
		sel = sel.Where("p.organization_id = ?", organizationID)
	}
	return listing(ctx, listed[Project]{places: p.on(sel), key: "p.id", size: q.octets("p.description"),
		rows: func(rows *[]Project) *bun.SelectQuery { return q.db.NewSelect().Model(rows) },
		id:   func(p *Project) string { return p.ID }})
}

// ProjectRole is the user's role in a project, "" without a link.
func (q Queries) ProjectRole(ctx context.Context, projectID, userID string) (string, error) {
	return q.role(ctx, q.db.NewSelect().Model((*ProjectMember)(nil)).
		Where("pm.project_id = ?", projectID).Where("pm.user_id = ?", userID))
}

// CreateProject adds a project; ErrReferenced for an unknown organisation.
func (t *Tx) CreateProject(ctx context.Context, p *Project) error { return t.insert(ctx, p) }

// AddProjectMember links a user; ErrExists when the link is there.
func (t *Tx) AddProjectMember(ctx context.Context, m *ProjectMember) error { return t.insert(ctx, m) }

// role scans the one "role" column of a link, "" when there is no link.
func (q Queries) role(ctx context.Context, sel *bun.SelectQuery) (string, error) {
	var role string
	err := translate(sel.Column("role").Limit(1).Scan(ctx, &role))
	if err == ErrNotFound { //nolint:errorlint // translate returns the bare sentinel
		return "", nil
	}
	return role, err
}
