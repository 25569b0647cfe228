package store_test

import (
	"context"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestLoginKey(t *testing.T) {
	t.Parallel()
	for key, same := range map[string][]string{
		"ada@example.org": {"Ada@Example.ORG", " ada@example.org\u3000", "ＡＤＡ＠ｅｘａｍｐｌｅ．ｏｒｇ", "ada@EXAMPLE。org", "ada\u200b@example.org", "\ufeffada@example.org", "ada@example.org.",
			"a\u00adda@example.org", "ada@exam\u2060ple.org"},
		"zoë@bücher.example": {"ZOË@BÜCHER.example", "zoe\u0308@bu\u0308cher.example", "Zoë@xn--bcher-kva.example", "zoë@XN--BCHER-KVA.EXAMPLE"},
		"νίκοσ":              {"ΝΊΚΟΣ", "νίκος", "Νι\u0301κος"},
		"王@例子.台灣":            {"王@xn--fsqu00a.xn--kpry57d", "王@例子。台灣"},
		"groß@faß.example":   {"Groß@faß.example", "GROẞ@faß.example", "groß@xn--fa-hia.example"},
		"fiona":              {"ﬁona", "FIONA", "Ｆｉｏｎａ", "ﬁo\u200dna"},
		"ali veli":           {"ALİ VELİ", "ali  veli", "Ali\u00a0Veli", "ali\u3000veli"},
		"kasa":               {"\u212aASA", "ka\u017fa"},
		"åsa":                {"\u212bsa", "A\u030asa"},
		"각":                  {"\u1100\u1161\u11a8"},
		"カ":                  {"ｶ"},
		"ガ":                  {"ｶﾞ", "カ\u3099"},
		"ada@my_host":        {"Ada@MY_host"},
		"a@b@c.example":      {"A@B@C.Example"},
		"":                   {" ", "\u200b"},
	} {
		for _, typed := range append(same, key) {
			if got := store.LoginKey(typed); got != key {
				t.Errorf("%+q: got %+q, want %+q", typed, got, key)
			}
		}
	}
	for _, two := range [][2]string{{"gross@x.org", "groß@x.org"}, {"a@fass.example", "a@faß.example"}, {"yıldız", "yildiz"}, {"Zoë", "Zoe"}, {"ada b", "adab"},
		{"a.b@x.org", "ab@x.org"}, {"a+b@x.org", "a@x.org"}, {"αι", "ᾳ"}, {"a@νίκος.example", "a@νίκοσ.example"}, {"が", "か"}, {"ada@x.org", "ada"}} {
		if store.LoginKey(two[0]) == store.LoginKey(two[1]) {
			t.Errorf("%q and %q are two", two[0], two[1])
		}
	}
}

func FuzzLoginKey(f *testing.F) {
	for _, s := range []string{"Ada@Example.org", "ΝΊΚΟΣ", "a\u0345\u0301", "@", "x@xn--", "İ\u0307@İ", "\xff@\u200b", "ﬃ@㍿"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		key := store.LoginKey(typed)
		if again := store.LoginKey(key); again != key {
			t.Errorf("%+q gives %+q, which gives %+q", typed, key, again)
		}
	})
}

// Accounts from before there was a key get theirs; of two that are the same the
// older one, and each is still found as it is spelled.
func TestKeyLogins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := &world{T: t, db: db}
		old := func(email, username string) *store.User {
			u := newUser("x")
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateUser(ctx, u) })
			// As an older program has written it.
			w.tx(func(ctx context.Context, tx *store.Tx) error { return store.SetLogins(ctx, tx, u.ID, email, username) })
			u.Email, u.Username = email, &username
			return u
		}
		first, second := old("zoë@bücher.example", "zoë"), old("zoe\u0308@xn--bcher-kva.example", "Ｚoe\u0308")
		third, other := old("a\u200bda@x.org", "Ada  L"), old("ada.l@x.org", "ada\u00a0l")
		for range 2 {
			clashes, err := db.KeyLogins(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, c := range clashes {
				got[c.Field+" "+c.User.ID] = c.Holder.ID
			}
			if len(clashes) != 3 || got["email "+second.ID] != first.ID || got["username "+second.ID] != first.ID || got["username "+other.ID] != third.ID {
				t.Errorf("got %v", got)
			}
		}
		for login, want := range map[string]*store.User{
			first.Email: first, second.Email: second, third.Email: third, other.Email: other, *first.Username: first, *second.Username: second, *third.Username: third,
			*other.Username: other, "ZOË@BÜCHER.EXAMPLE": first, "ZOË": first, "ada@x.org": third, "ADA L": third, "ADA.L@x.org": other,
		} {
			if u, err := db.UserByLogin(t.Context(), login); err != nil || u.ID != want.ID {
				t.Errorf("%+q: got %+v (%v), want %+q", login, u, err, want.Email)
			}
		}
		// Renamed, the account gets a key at once. So does one whose older namesake is gone or
		// renamed, and the oldest of those that wait.
		later := old("ZOË@bücher.example\u200b", "zoë\u200b")
		if _, err := db.KeyLogins(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			u, err := tx.UserForUpdate(ctx, other.ID)
			if err != nil {
				return err
			}
			u.SetUsername(new("Bob"))
			return tx.UpdateUser(ctx, u)
		})
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteUser(ctx, first.ID) })
		found := func(login string, want *store.User) {
			t.Helper()
			if u, err := db.UserByLogin(t.Context(), login); err != nil || u.ID != want.ID {
				t.Errorf("%+q: got %+v (%v), want %+q", login, u, err, want.Email)
			}
		}
		found("BOB", other)
		found("ZOË@BÜCHER.EXAMPLE", second)
		found("ZOË", second)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			u, err := tx.UserForUpdate(ctx, second.ID)
			if err != nil {
				return err
			}
			u.SetUsername(nil)
			return tx.UpdateUser(ctx, u)
		})
		found("ZOË", later)
		found("ZOË@BÜCHER.EXAMPLE", second)
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.DeleteUser(ctx, second.ID) })
		found("ZOË@BÜCHER.EXAMPLE", later)
		if clashes, err := db.KeyLogins(t.Context()); err != nil || len(clashes) != 0 {
			t.Errorf("got %+v (%v)", clashes, err)
		}
	})
}
