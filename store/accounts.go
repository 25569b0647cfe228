package store

import "slices"

// This file tells those who keep what a session or an access token stands for that it may
// have changed, or how somebody stands to a course. It is kept for one request after the
// other, see OnAccounts.

// OnAccounts sets the function that this process calls with the ids of accounts, sessions,
// access tokens, courses and rooms that have changed, courses also in their people and rooms: after the commit and before InTx returns.
// Set it before the first transaction. A session's new expiry and the last use of a token
// are not told.
func (d *DB) OnAccounts(fn func(ids []string)) { d.accounts = fn }

// AccountsChanged reports changed accounts, sessions, access tokens or courses in this
// process and to the others.
func (d *DB) AccountsChanged(ids ...string) {
	if len(ids) == 0 {
		return
	}
	d.changes.Add(1)
	if d.accounts != nil {
		d.accounts(ids)
	}
	if d.notifier == nil {
		return
	}
	d.notifier.add(func(n *notifier) {
		for _, id := range ids {
			if len(n.accounts) < maxAccountsToNotify {
				n.accounts[id] = true
			}
		}
	})
}

// changesAccount records that an account, a session, an access token or a course changes in
// this transaction.
func (t *Tx) changesAccount(ids ...string) {
	for _, id := range ids {
		if !slices.Contains(t.accounts, id) {
			t.accounts = append(t.accounts, id)
		}
	}
}
