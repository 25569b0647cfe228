package store

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"
)

// User is a person's account. PasswordHash never goes beyond the packages that call the
// store.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`
	ID            string `bun:",pk"`
	Email         string
	Username      *string
	FullName      *string
	Role          string
	AvatarURL     *string `bun:"avatar_url"`
	PasswordHash  string  `bun:",nullzero"`
	IsActive      bool
	CreatedAt     time.Time
	Version       int
	DeviceEpoch   int    // increases when the devices that signed in become unknown
	EmailKey      string `bun:",nullzero"` // LoginKey of Email, "" while another account has it
	UsernameKey   string `bun:",nullzero"`
	Kind          string // KindPerson or KindBot; it never changes
	BotCourseID   string `bun:",nullzero"` // the course that a bot belongs to
	Preferences   JSON   `bun:",nullzero"` // how the person likes the program, as app encodes it
	// TwoFactorAt is since when the person signs in with a second factor; zero for without.
	TwoFactorAt time.Time `bun:",nullzero"`

	SearchText string `bun:",scanonly"` // computed by the database
}

// The kinds of accounts.
const (
	KindPerson = "person"
	KindBot    = "bot" // a program in the rooms of one course
)

// IsBot reports whether the account is a program's.
func (u *User) IsBot() bool { return u.Kind == KindBot }

// Name returns what others see: the full name, else the user name, else the e-mail.
func (u *User) Name() string {
	for _, n := range []*string{u.FullName, u.Username} {
		if n != nil && *n != "" {
			return *n
		}
	}
	return u.Email
}

// User returns the account with this id.
func (q Queries) User(ctx context.Context, id string) (*User, error) {
	u := new(User)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(u).Where("u.id = ?", bound...), u)
}

// UserByEmail finds an account by its e-mail in any spelling. An exact match comes first.
func (q Queries) UserByEmail(ctx context.Context, email string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).Where("lower(u.email) = lower(?) OR u.email_key = ?", email, LoginKey(email)).
		OrderExpr("CASE WHEN u.email = ? THEN 0 WHEN lower(u.email) = lower(?) THEN 1 ELSE 2 END", email, email), u)
}

// UserByUsername finds an account by its user name in any spelling.
func (q Queries) UserByUsername(ctx context.Context, name string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).Where("lower(u.username) = lower(?) OR u.username_key = ?", name, LoginKey(name)).
		OrderExpr("CASE WHEN u.username = ? THEN 0 WHEN lower(u.username) = lower(?) THEN 1 ELSE 2 END", name, name), u)
}

// ListedPeople lists, from behind an id, the accounts that class lists have made for a
// course with an address like mail.
func (q Queries) ListedPeople(ctx context.Context, courseID, mail, after string) ([]User, error) {
	var rows []User
	err := q.db.NewSelect().Model(&rows).Join("JOIN course_members AS cm ON cm.user_id = u.id").Where("cm.course_id = ?", courseID).
		Where("cm.via = 'list'").Where("u.email LIKE ?", mail).Where("u.id > ?", after).OrderExpr("u.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// UserByLogin finds an account by e-mail or user name in any spelling. An e-mail comes
// before a user name, so nobody can take another's e-mail as a user name. An exact match
// comes before both: two accounts from before there were keys may differ only in
// spelling.
func (q Queries) UserByLogin(ctx context.Context, login string) (*User, error) {
	u, key := new(User), LoginKey(login)
	return first(ctx, q.db.NewSelect().Model(u).
		Where("lower(u.email) = lower(?0) OR lower(u.username) = lower(?0) OR u.email_key = ?1 OR u.username_key = ?1", login, key).
		OrderExpr("CASE WHEN u.email = ?0 THEN 0 WHEN lower(u.email) = lower(?0) THEN 1 WHEN lower(u.username) = lower(?0) THEN 2"+
			" WHEN u.email_key = ?1 THEN 3 ELSE 4 END", login, key), u)
}

// Users lists accounts, newest first.
func (q Queries) Users(ctx context.Context, p Page) (*Listing[User], error) {
	return listing(ctx, listed[User]{places: p.on(q.db.NewSelect().Model((*User)(nil)).OrderExpr("u.created_at DESC, u.id DESC")), key: "u.id", size: "1024",
		rows: q.everything,
		id:   func(u *User) string { return u.ID }})
}

// UserSearch says which accounts to find. Text may be anywhere in the e-mail, the name or
// the user name, in any case. An e-mail or user name, whole or a part of it, is found in
// every spelling with which its person can sign in.
type UserSearch struct {
	Text     string
	Inactive bool   // find inactive accounts too
	SharedBy string // only people who share a course with this user
	Limit    int
}

// SearchUsers finds the accounts of people, in the order of their e-mails.
func (q Queries) SearchUsers(ctx context.Context, s UserSearch) ([]User, error) {
	// The few bots are left out by their own index: the other conditions read one index alone.
	bots := q.db.NewSelect().TableExpr("users").Column("id").Where("bot_course_id IS NOT NULL")
	found := q.db.NewSelect().Model((*User)(nil)).Column("u.id").Where("u.id NOT IN (?)", bots)
	if s.Text != "" {
		found = q.textIn(found, s.Text)
	}
	if !s.Inactive {
		found = found.Where("u.is_active")
	}
	if s.SharedBy != "" {
		found = found.Where("u.id IN (?)", bun.SafeQuery(classmatesOf, s.SharedBy))
	}
	found = found.OrderExpr("u.search_text, u.id").Limit(int64(s.Limit))
	var rows []User
	err := q.db.NewSelect().Model(&rows).Where("u.id IN (?)", found).OrderExpr("u.search_text, u.id").Limit(int64(s.Limit)).Scan(ctx)
	return rows, translate(err)
}

// textIn keeps the accounts in which a text is found, as UserSearch says.
func (q Queries) textIn(found *bun.SelectQuery, part string) *bun.SelectQuery {
	return found.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
		for _, text := range needles(part) {
			sel = sel.WhereOr("? > 0", q.position("u.search_text", text))
		}
		// A query of its own, so that the search above goes on reading one index alone.
		keyed := q.db.NewSelect().TableExpr("users").Column("id").Where("email_key = ?0 OR username_key = ?0", LoginKey(part))
		for _, p := range keyParts(part) {
			keyed = keyed.WhereOr("? > 0", q.position("email_key", p)).WhereOr("? > 0", q.position("username_key", p))
		}
		return sel.WhereOr("u.id IN (?)", keyed)
	})
}

// needles are the texts that a search looks for: the text as it was typed, in the form in
// which names are stored, and in the form in which logins are compared, each as lower()
// may have made it.
func needles(text string) (all []string) {
	for _, form := range append(keyParts(text), text, norm.NFC.String(text)) {
		if form != "" {
			all = append(all, spellings(form)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keyParts are the forms that a part of a login may have in the login's key: the blanks at
// its ends stay, and a host in it may be the beginning of one.
func keyParts(text string) (all []string) {
	for _, form := range []string{norm.NFKC.String(strings.Map(smallLetter, compatible(text))), LoginKey(text)} {
		if form != "" && (len(all) == 0 || form != all[0] && strings.Contains(form, "@")) {
			all = append(all, form)
		}
	}
	return all
}

// maxCased limits the spellings of a text to 2^4.
const maxCased = 4

// spellings returns all texts that lower() may have made of a text. On SQLite, and in
// some locales on Postgres, lower() changes only A to Z. So each of the first few other
// letters comes in both cases.
func spellings(text string) []string {
	all, cased := []string{""}, 0
	for _, r := range text {
		lower, upper := unicode.ToLower(r), unicode.ToUpper(r)
		n := len(all)
		if r > unicode.MaxASCII && lower != upper && cased < maxCased {
			cased++
			all = append(all, all...)
		}
		for i := range all {
			if i < n {
				all[i] += string(lower)
			} else {
				all[i] += string(upper)
			}
		}
	}
	return all
}

// coursesOf are the ids of the courses that a user owns or is linked to; classmatesOf are
// the people in those. They are plain SQL because bun would put brackets around the parts
// of a UNION, which SQLite does not accept.
const (
	coursesOf = "SELECT course_id FROM course_members WHERE user_id = ?0 UNION ALL SELECT id FROM courses WHERE owner_id = ?0"
	staffedBy = "SELECT course_id FROM course_members WHERE user_id = ?0 AND role IN ('teacher', 'ta')" +
		" UNION ALL SELECT id FROM courses WHERE owner_id = ?0"
	classmatesOf = "SELECT user_id FROM course_members WHERE course_id IN (" + coursesOf + ")" +
		" UNION ALL SELECT owner_id FROM courses WHERE id IN (" + coursesOf + ")"
)

// Acquaintance is how one user knows another.
type Acquaintance struct {
	Staff     bool // is owner, teacher or TA of any course
	Classmate bool // shares a course with the other
}

// Acquaintance tells how userID knows otherID, which may be "".
func (q Queries) Acquaintance(ctx context.Context, userID, otherID string) (*Acquaintance, error) {
	row := new(Acquaintance)
	err := q.db.NewSelect().ColumnExpr("EXISTS (?) AS staff", bun.SafeQuery(staffedBy, userID)).
		ColumnExpr("EXISTS (SELECT 1 FROM (?) AS known WHERE known.user_id = ?) AS classmate", bun.SafeQuery(classmatesOf, userID), otherID).Scan(ctx, row)
	return row, translate(err)
}

// HasSuperAdmin tells whether any super admin exists.
func (q Queries) HasSuperAdmin(ctx context.Context) (bool, error) {
	ok, err := q.db.NewSelect().Model((*User)(nil)).Where("u.role = 'super_admin'").Exists(ctx)
	return ok, translate(err)
}

// CreateUser adds an account; ErrExists when the e-mail or user name is taken.
func (t *Tx) CreateUser(ctx context.Context, u *User) error { return t.insert(ctx, u) }

// CreateUserOnce adds an account unless its e-mail or user name is taken. added tells
// whether it did. The transaction can go on in both cases.
func (t *Tx) CreateUserOnce(ctx context.Context, u *User) (added bool, err error) {
	return t.insertOnce(ctx, u)
}

// UserForUpdate returns an account and locks its row until the transaction ends.
func (t *Tx) UserForUpdate(ctx context.Context, id string) (*User, error) {
	u := new(User)
	return first(ctx, t.locked(t.db.NewSelect().Model(u).Where("u.id = ?", id)), u)
}

// LockSuperAdmins returns the ids of the active super admins and locks their rows until
// the transaction ends. Lock a single account only after this, otherwise two transactions
// could wait for each other.
func (t *Tx) LockSuperAdmins(ctx context.Context) ([]string, error) {
	var ids []string
	err := t.locked(t.db.NewSelect().Model((*User)(nil)).Column("u.id").Where("u.role = 'super_admin'").Where("u.is_active").
		OrderExpr("u.id").Limit(MaxLimit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// UpdateUser writes an account that was read at u.Version, and increases the version.
// ErrStale when it was changed meanwhile, ErrExists for a taken user name. An account that
// waits for the key of the old user name gets it.
func (t *Tx) UpdateUser(ctx context.Context, u *User) error {
	was, err := t.loginKeysOf(ctx, u.ID)
	if err != nil {
		return err
	}
	u.Version++
	t.gains(u.ID) // the role may have changed
	t.changesAccount(u.ID)
	res, err := t.db.NewUpdate().Model(u).
		Column("username", "username_key", "full_name", "role", "avatar_url", "password_hash", "is_active", "version").
		Where("u.id = ?", u.ID).Where("u.version = ?", u.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil || was.UsernameKey == u.UsernameKey {
		return err
	}
	return t.passKeysOn(ctx, "", was.UsernameKey)
}

// SetPasswordHash replaces the stored hash of an account.
func (t *Tx) SetPasswordHash(ctx context.Context, id, hash string) error {
	t.changesAccount(id)
	res, err := t.db.NewUpdate().Model((*User)(nil)).Set("password_hash = ?", hash).
		Set("version = version + 1").Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// SetPreferences writes how a person likes the program.
func (t *Tx) SetPreferences(ctx context.Context, userID string, p JSON) error {
	t.changesAccount(userID)
	res, err := t.db.NewUpdate().Model((*User)(nil)).Set("preferences = ?", p).Where("id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
