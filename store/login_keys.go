package store

import (
	"context"
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

// BeforeAppendModel gives a new account its keys.
func (u *User) BeforeAppendModel(_ context.Context, query bun.Query) error {
	if _, adds := query.(*bun.InsertQuery); adds {
		u.EmailKey = LoginKey(u.Email)
		u.SetUsername(u.Username)
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
// key when the other one is gone.
func (d *DB) KeyLogins(ctx context.Context) ([]LoginClash, error) {
	var all []LoginClash
	for after, more := "", true; more; {
		var found []LoginClash
		var rows []User
		err := d.InTx(ctx, func(tx *Tx) error {
			found, rows = nil, nil
			if err := tx.locked(tx.db.NewSelect().Model(&rows).Where("u.email_key IS NULL OR (u.username IS NOT NULL AND u.username_key IS NULL)").
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
	for _, of := range []struct {
		field, typed string
		lacks        bool
	}{{"email", u.Email, u.EmailKey == ""}, {"username", value(u.Username), u.Username != nil && u.UsernameKey == ""}} {
		if !of.lacks {
			continue
		}
		column, key := bun.Ident(of.field+"_key"), LoginKey(of.typed)
		held := t.db.NewSelect().Model((*User)(nil)).ColumnExpr("1").Where("u.? = ?", column, key)
		n, err := affected(t.db.NewUpdate().Model((*User)(nil)).Set("? = ?", column, key).Where("id = ?", u.ID).
			Where("NOT EXISTS (?)", held).Exec(ctx))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			continue
		}
		holder := new(User)
		if _, err := first(ctx, t.db.NewSelect().Model(holder).Where("u.? = ?", column, key), holder); err != nil {
			return nil, err
		}
		clashes = append(clashes, LoginClash{Field: of.field, Holder: *holder, User: u})
	}
	return clashes, nil
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
