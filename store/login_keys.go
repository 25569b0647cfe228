package store

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"unicode"

	"github.com/uptrace/bun"
	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// This file makes the keys by which e-mail addresses and user names are compared. Every
// account stores its keys beside the text that was typed, so that both databases compare
// alike: lower() knows other letters in each database, and in each locale of Postgres.

// LoginKey returns the form in which an address or a user name is compared: NFKC, without
// case, without invisible characters, each run of blanks as one blank, and a host in
// letters as IDNA maps it. The profile Nickname of PRECIS (RFC 8266) compares in this
// form. LoginKey also accepts texts of old accounts that PRECIS refuses.
func LoginKey(login string) string {
	key := withoutCase(login)
	at := strings.LastIndexByte(key, '@')
	if at < 0 {
		return key
	}
	// Map the host by its own rules, from the typed text: IDNA distinguishes ς from σ.
	typed := compatible(login)
	host := typed[strings.LastIndexByte(typed, '@')+1:]
	mapped, err := idna.Lookup.ToUnicode(strings.TrimSuffix(strings.TrimSpace(host), "."))
	if err != nil {
		mapped = key[at+1:]
	}
	return key[:at+1] + norm.NFC.String(mapped)
}

func withoutCase(text string) string {
	return norm.NFKC.String(strings.Join(strings.Fields(strings.Map(smallLetter, compatible(text))), " "))
}

// compatible returns a text in NFKC, without invisible characters.
func compatible(text string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		if !unicode.IsSpace(r) && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, text))
}

// smallLetter returns one letter for all forms of a letter, for example for ς and σ,
// which are forms of Σ. The small letter ı is not i; the capital İ becomes i, as in most
// databases.
func smallLetter(r rune) rune {
	if r == 'ı' {
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// BeforeAppendModel gives a new account its keys and its kind.
func (u *User) BeforeAppendModel(_ context.Context, query bun.Query) error {
	if _, adds := query.(*bun.InsertQuery); adds {
		u.EmailKey = LoginKey(u.Email)
		u.SetUsername(u.Username)
		u.Kind = cmp.Or(u.Kind, KindPerson)
	}
	return nil
}

// SetUsername sets the user name of an account and its key; nil for none.
func (u *User) SetUsername(name *string) {
	u.Username, u.UsernameKey = name, ""
	if name != nil {
		u.UsernameKey = LoginKey(*name)
	}
}

// LoginClash is an account (User) whose address or user name differs only in spelling
// from that of an older account. The older one (Holder) keeps the key.
type LoginClash struct {
	Field  string // "email" or "username"
	Holder User
	User   User
}

// keyPortion is how many accounts get their keys in one transaction.
const keyPortion = 500

// KeyLogins gives keys to the accounts that have none, oldest first. It returns the
// accounts that get none because another account has their key. Such an account gets its
// key when the other one is gone or renamed.
func (d *DB) KeyLogins(ctx context.Context) ([]LoginClash, error) {
	var all []LoginClash
	for after, more := "", true; more; {
		var found []LoginClash
		var rows []User
		err := d.InTx(ctx, func(tx *Tx) error {
			found, rows = nil, nil
			if err := tx.locked(tx.db.NewSelect().Model(&rows).Apply(withoutKey).
				Where("u.id > ?", after).OrderExpr("u.id").Limit(keyPortion)).Scan(ctx); err != nil {
				return translate(err)
			}
			for _, u := range rows {
				clashes, err := tx.keyLogin(ctx, u)
				if err != nil {
					return err
				}
				found = append(found, clashes...)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if more = len(rows) == keyPortion; more {
			after = rows[len(rows)-1].ID
		}
	}
	return all, nil
}

// keyLogin gives an account its missing keys, except those that another account has.
func (t *Tx) keyLogin(ctx context.Context, u User) (clashes []LoginClash, err error) {
	for _, of := range u.lacking() {
		given, err := t.giveKey(ctx, u.ID, of)
		if err != nil {
			return nil, err
		}
		if given {
			continue
		}
		holder := new(User)
		if _, err := first(ctx, t.db.NewSelect().Model(holder).Where("u.? = ?", of.column(), of.key), holder); err != nil {
			return nil, err
		}
		clashes = append(clashes, LoginClash{Field: of.field, Holder: *holder, User: u})
	}
	return clashes, nil
}

// login is an address or a user name of an account that has no key for it.
type login struct{ field, typed, key string }

func (l login) column() bun.Ident { return bun.Ident(l.field + "_key") }

// lacking returns the logins of an account that have no key.
func (u *User) lacking() (all []login) {
	if u.EmailKey == "" {
		all = append(all, login{"email", u.Email, LoginKey(u.Email)})
	}
	if u.Username != nil && u.UsernameKey == "" {
		all = append(all, login{"username", *u.Username, LoginKey(*u.Username)})
	}
	return all
}

// giveKey gives an account the key of a login, unless another account has it or the login
// was changed meanwhile.
func (t *Tx) giveKey(ctx context.Context, id string, of login) (given bool, err error) {
	t.changesAccount(id)
	held := t.db.NewSelect().Model((*User)(nil)).ColumnExpr("1").Where("u.? = ?", of.column(), of.key)
	n, err := affected(t.db.NewUpdate().Model((*User)(nil)).Set("? = ?", of.column(), of.key).Where("id = ?", id).
		Where("? = ?", bun.Ident(of.field), of.typed).Where("NOT EXISTS (?)", held).Exec(ctx))
	return n > 0, err
}

// loginKeysOf reads the keys of an account before it is deleted or changed. It returns no
// keys if the account is gone.
func (t *Tx) loginKeysOf(ctx context.Context, id string) (*User, error) {
	u := new(User)
	_, err := first(ctx, t.db.NewSelect().Model(u).Column("u.email_key", "u.username_key").Where("u.id = ?", id), u)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return u, err
}

// passKeysOn gives keys that an account had, or "", to the oldest account that waits for
// each. An index finds the accounts without a key, which are few.
func (t *Tx) passKeysOn(ctx context.Context, emailKey, usernameKey string) error {
	free := map[string]string{"email": emailKey, "username": usernameKey}
	for after, more := "", emailKey+usernameKey != ""; more; {
		var rows []User
		if err := t.db.NewSelect().Model(&rows).Column("u.id", "u.email", "u.email_key", "u.username", "u.username_key").Apply(withoutKey).
			Where("u.id > ?", after).OrderExpr("u.id").Limit(keyPortion).Scan(ctx); err != nil {
			return translate(err)
		}
		for i := range rows {
			for _, of := range rows[i].lacking() {
				if free[of.field] != of.key || of.key == "" {
					continue
				}
				if _, err := t.giveKey(ctx, rows[i].ID, of); err != nil {
					return err
				}
			}
		}
		if more = len(rows) == keyPortion; more {
			after = rows[len(rows)-1].ID
		}
	}
	return nil
}

// withoutKey finds the accounts that have a login without a key.
func withoutKey(q *bun.SelectQuery) *bun.SelectQuery {
	return q.Where("u.email_key IS NULL OR (u.username IS NOT NULL AND u.username_key IS NULL)")
}
