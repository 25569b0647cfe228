package app

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// usersPage is how many accounts the command line reads and aligns at once.
const usersPage = 200

// ListedUser is an account as the command line lists it.
type ListedUser struct {
	ID       string     `json:"id"`
	Email    string     `json:"email"`
	Username *string    `json:"username"`
	Name     *string    `json:"name"`
	Role     string     `json:"role"`
	Bot      bool       `json:"bot"`
	Active   bool       `json:"active"`
	SeenAt   *time.Time `json:"last_seen_at"` // when a session was last renewed; of old sessions nothing is known
}

// Users writes all accounts of a filter, the oldest first: as a table, or as JSON with a line
// for each. It reads them page by page, however many there are.
func (o *Operator) Users(ctx context.Context, out io.Writer, f store.UserFilter, asJSON bool) (n int, err error) {
	f.Order, f.Limit = store.UsersOldest, usersPage
	for {
		users, err := o.db.FilteredUsers(ctx, f)
		if err != nil {
			return n, err
		}
		if len(users) == 0 {
			return n, nil
		}
		listed, err := o.listed(ctx, users)
		if err != nil {
			return n, err
		}
		text := tableOf(listed, n == 0)
		if asJSON {
			text = linesOf(listed)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return n, err
		}
		n += len(users)
		f.After = &users[len(users)-1]
	}
}

func (o *Operator) listed(ctx context.Context, users []store.User) ([]ListedUser, error) {
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	sums, err := o.db.SessionSums(ctx, ids, o.now.instant())
	if err != nil {
		return nil, err
	}
	all := make([]ListedUser, len(users))
	for i := range users {
		u := &users[i]
		all[i] = ListedUser{ID: u.ID, Email: u.Email, Username: u.Username, Name: u.FullName, Role: u.Role, Bot: u.IsBot(), Active: u.IsActive}
		if WithoutEmail(u) {
			all[i].Email = "" // it is made up
		}
		if seen := sums[u.ID].SeenAt; !seen.IsZero() {
			at := seen.UTC()
			all[i].SeenAt = &at
		}
	}
	return all, nil
}

func linesOf(users []ListedUser) string {
	var b strings.Builder
	for i := range users {
		b.WriteString(string(store.ToJSON(&users[i])) + "\n")
	}
	return b.String()
}

func tableOf(users []ListedUser, head bool) string {
	var b strings.Builder
	if head {
		b.WriteString("login\trole\tactive\tlast seen\tuser name\tname\n")
	}
	cell := func(text *string) string {
		if text == nil {
			return "-"
		}
		// A name must not draw on the terminal, or look like two cells.
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				return ' '
			}
			return r
		}, *text)
	}
	for i := range users {
		u := &users[i]
		role, active, seen, login := u.Role, "yes", "-", cell(&u.Email)
		if u.Bot {
			role = "bot"
		}
		if !u.Active {
			active = "no"
		}
		if u.SeenAt != nil {
			seen = u.SeenAt.Format("2006-01-02 15:04")
		}
		if login == "" {
			login = cell(u.Username)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\t%s\n", login, role, active, seen, cell(u.Username), cell(u.Name))
	}
	return aligned(b.String())
}
