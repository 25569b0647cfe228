package store

import (
	"context"
	"errors"
	"fmt"
)

// unfinishedTable exists while a command fills the database. It is no part of the schema: the
// command makes it before the first migration and drops it with its last transaction. So
// whatever ends the command in between, the database is known to be half filled.
const unfinishedTable = "coagent_unfinished"

// ErrOtherLoad says that another command has begun to fill the database.
var ErrOtherLoad = errors.New("another command has begun to fill this database")

// OtherLoad is an ErrOtherLoad that names the command that has begun, and what helps.
func OtherLoad(begun string) error {
	return fmt.Errorf("%w: run `coagent %s` again with the same file, or begin with an empty database", ErrOtherLoad, begun)
}

// Unfinished returns the name of the command that has begun to fill this database and has
// not finished, or "".
func (d *DB) Unfinished(ctx context.Context) (command string, err error) {
	if there, err := d.hasTable(ctx, unfinishedTable); err != nil || !there {
		return "", err
	}
	err = d.write.NewRaw("SELECT command FROM "+unfinishedTable).Scan(ctx, &command)
	return command, translate(err)
}

// BeginLoad marks the database as one that a command fills. The same command may begin
// again; for another it returns ErrOtherLoad.
func (d *DB) BeginLoad(ctx context.Context, command string) error {
	begun, err := d.Unfinished(ctx)
	if err != nil || begun == command {
		return err
	}
	if begun != "" {
		return OtherLoad(begun)
	}
	// One statement makes the table with its row, so there is none without.
	_, err = d.write.ExecContext(ctx, "CREATE TABLE "+unfinishedTable+" AS SELECT ? AS command", command)
	return translate(err)
}

// EndLoad says that the database is filled, with the transaction that fills in the last of
// it.
func (t *Tx) EndLoad(ctx context.Context) error {
	_, err := t.db.ExecContext(ctx, "DROP TABLE "+unfinishedTable)
	return translate(err)
}
