// Command forget drops the event logs of a database of which no server runs, as retention does
// after its days: go run ./web/ui/e2e/forget sqlite:data/coagent.db. A test cannot wait for them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coagent-studio/coagent/store"
)

func main() {
	if err := forget(context.Background(), os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func forget(ctx context.Context, url string) (err error) {
	db, err := store.Open(ctx, store.Options{URL: url, Pool: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	before := time.Now().Add(time.Hour)
	rooms, err := db.RoomsWithEventsBefore(ctx, before, "", store.MaxLimit)
	for i := 0; err == nil && i < len(rooms); i++ {
		err = db.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.DeleteEventsBefore(ctx, rooms[i], before, 100_000)
			return err
		})
	}
	return err
}
