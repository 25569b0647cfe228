package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Organization owns projects. Its members see it.
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

// Organization returns the organisation with this id.
func (q Queries) Organization(ctx context.Context, id string) (*Organization, error) {
	o := new(Organization)
	return first(ctx, q.db.NewSelect().Model(o).Where("o.id = ?", id), o)
}

// OrganizationsOf lists the organisations to which a user is linked, by name.
func (q Queries) OrganizationsOf(ctx context.Context, userID string, p Page) (*Listing[Organization], error) {
	sel := q.db.NewSelect().Model((*Organization)(nil)).Join("JOIN organization_members AS om ON om.organization_id = o.id").
		Where("om.user_id = ?", userID).OrderExpr("o.name, o.id")
	return listing(ctx, listed[Organization]{places: p.on(sel), key: "o.id", size: q.octets("o.description"),
		rows: q.everything,
		id:   func(o *Organization) string { return o.ID }})
}

// OrganizationRole returns the user's role in an organisation, "" without a link.
func (q Queries) OrganizationRole(ctx context.Context, organizationID, userID string) (string, error) {
	return q.role(ctx, q.db.NewSelect().Model((*OrganizationMember)(nil)).
		Where("om.organization_id = ?", organizationID).Where("om.user_id = ?", userID))
}

// CreateOrganization adds an organisation.
func (t *Tx) CreateOrganization(ctx context.Context, o *Organization) error { return t.insert(ctx, o) }

// AddOrganizationMember links a user; ErrExists when there is a link already.
func (t *Tx) AddOrganizationMember(ctx context.Context, m *OrganizationMember) error {
	return t.insert(ctx, m)
}

// role reads the "role" column of a link, "" when there is no link.
func (q Queries) role(ctx context.Context, sel *bun.SelectQuery) (string, error) {
	var role string
	err := translate(sel.Column("role").Limit(1).Scan(ctx, &role))
	if err == ErrNotFound { //nolint:errorlint // translate returns the bare sentinel
		return "", nil
	}
	return role, err
}

// OrganizationForUpdate returns an organisation and locks its row until the transaction
// ends. A transaction that changes the organisation's members holds this lock.
func (t *Tx) OrganizationForUpdate(ctx context.Context, id string) (*Organization, error) {
	o := new(Organization)
	return first(ctx, t.locked(t.db.NewSelect().Model(o).Where("o.id = ?", id)), o)
}

// UpdateOrganization writes the name, description and owner of an organisation that was
// read at o.Version, and increases the version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateOrganization(ctx context.Context, o *Organization) error {
	o.Version++
	res, err := t.db.NewUpdate().Model(o).Column("name", "description", "owner_id", "version").
		Where("o.id = ?", o.ID).Where("o.version = ?", o.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteOrganization removes an organisation with its projects and agents.
func (t *Tx) DeleteOrganization(ctx context.Context, id string) error {
	if err := t.lockRooms(ctx, "SELECT th.id FROM threads AS th JOIN projects AS p ON p.id = th.project_id WHERE p.organization_id = ?", id); err != nil {
		return err
	}
	if t.PG != nil {
		if _, err := t.db.NewRaw("SELECT id FROM projects WHERE organization_id = ? ORDER BY id FOR UPDATE", id).Exec(ctx); err != nil {
			return translate(err)
		}
	}
	if err := t.agentsChanged(ctx, roomsOf+"a.project_id IN (SELECT id FROM projects WHERE organization_id = ?)", id); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*Organization)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// OrganizationMembers lists an organisation's links with their users, in the order in
// which they joined.
func (q Queries) OrganizationMembers(ctx context.Context, organizationID string, p Page) ([]OrganizationMember, error) {
	var rows []OrganizationMember
	err := p.on(q.db.NewSelect().Model(&rows).Relation("User").Where("om.organization_id = ?", organizationID).
		OrderExpr("om.created_at, om.user_id")).Scan(ctx)
	return rows, translate(err)
}

// LinkOrganizationMember links a user unless there is a link. An existing link stays as
// it is.
func (t *Tx) LinkOrganizationMember(ctx context.Context, m *OrganizationMember) error {
	_, err := t.insertOnce(ctx, m)
	return err
}

// SetOrganizationRole changes the role of a linked user; ErrNotFound without a link.
func (t *Tx) SetOrganizationRole(ctx context.Context, organizationID, userID, role string) error {
	t.gains(userID)
	res, err := t.db.NewUpdate().Model((*OrganizationMember)(nil)).Set("role = ?", role).
		Where("organization_id = ?", organizationID).Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// RemoveOrganizationMember removes a user from an organisation, but not from its
// projects; ErrNotFound without a link.
func (t *Tx) RemoveOrganizationMember(ctx context.Context, organizationID, userID string) error {
	res, err := t.db.NewDelete().Model((*OrganizationMember)(nil)).Where("organization_id = ?", organizationID).
		Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// FirstOrganizationOf returns the oldest organisation that a person owns. ErrNotFound if
// there is none.
func (q Queries) FirstOrganizationOf(ctx context.Context, userID string) (*Organization, error) {
	o := new(Organization)
	return first(ctx, q.db.NewSelect().Model(o).Where("o.owner_id = ?", userID).OrderExpr("o.created_at, o.id").Limit(1), o)
}
