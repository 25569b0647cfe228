package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// lateBackup is how much later than backup.every a backup may come: it has to be written too.
const lateBackup = time.Hour

// backups tells how old the last backup is, and whether the last attempt at one failed.
func backups(ctx context.Context, in *Installation) (found []Finding) {
	done, err := in.DB.NewestBackup(ctx, store.BackupDone)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return failed(err)
	}
	failure, err := in.DB.NewestBackup(ctx, store.BackupFailed)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return failed(err)
	}
	if failure != nil && (done == nil || failure.CreatedAt.After(done.CreatedAt)) {
		found = append(found, fault(words("The last backup, of %s, has failed: %s", failure.CreatedAt.UTC().Format(time.RFC3339), failure.Reason),
			words("Look whether %s (backup.to) can be written and has room; then ask for a backup among those of the installation, or run: coagent backup FILE", failure.Place)))
	}
	return append(found, agesOfBackups(in, done)...)
}

// agesOfBackups compares the age of the last good backup, nil for none, with backup.every.
func agesOfBackups(in *Installation, done *store.Backup) []Finding {
	every := in.Config.Backup.Every
	if every <= 0 {
		remedy := words("Set backup.every, such as 24h, and backup.to to another disk or a bucket")
		if shown(in) {
			return one(warn(words("No backups are made by themselves: backup.every is not set"), remedy))
		}
		return one(Finding{State: Skipped, Text: words("No backups are made by themselves: backup.every is not set"), Remedy: remedy})
	}
	if done == nil {
		return one(Finding{State: Skipped, Text: words("There is no backup yet: `coagent serve` or `coagent worker` makes the first one")})
	}
	age := in.Now().Sub(done.CreatedAt).Round(time.Minute)
	remedy := words("Look at the log of the processes that work off jobs, and whether %s (backup.to) can be written", done.Place)
	switch {
	case age > 2*every+lateBackup:
		return one(fault(words("The last good backup is %v old, and backup.every is %v", age, every), remedy))
	case age > every+lateBackup:
		return one(warn(words("The last good backup is %v old, and backup.every is %v", age, every), remedy))
	}
	return one(fine(words("The last good backup is %v old", age)))
}
