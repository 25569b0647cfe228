package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// settingProgress is the row that says how far an import is. It stays when the import is
// done: then it says what was imported, so that the same import changes nothing.
const settingProgress = "legacy_import"

// progress is how far an import is.
type progress struct {
	Source   string    `json:"source"`   // the fingerprint of what is imported
	Settings string    `json:"settings"` // of the command, as far as they change the plan
	Began    time.Time `json:"began"`
	Step     int       `json:"step"`            // the step that is being written
	Done     int       `json:"done"`            // of its list
	After    []string  `json:"after,omitempty"` // or the row of the source behind which it goes on
	Room     string    `json:"room,omitempty"`  // the room of the last message, and its number
	Seq      int64     `json:"seq,omitempty"`
	Answers  string    `json:"answers,omitempty"` // in a thread, the question that waits for its answer
	Kept     string    `json:"kept,omitempty"`    // the account of the configuration, when it stays
	Over     bool      `json:"over,omitempty"`
	Counts   []Count   `json:"counts,omitempty"`
}

// readProgress returns how far an import is, nil when none has begun.
func readProgress(ctx context.Context, db *store.DB) (*progress, error) {
	text, err := db.Setting(ctx, settingProgress)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // none has begun
	}
	if err != nil {
		return nil, err
	}
	pr := new(progress)
	if err := json.Unmarshal([]byte(text), pr); err != nil {
		return nil, fmt.Errorf("read how far the import is: %w", err)
	}
	return pr, nil
}

func (pr *progress) save(ctx context.Context, tx *store.Tx) error {
	return tx.SetSetting(ctx, settingProgress, string(store.ToJSON(pr)))
}

// errOther says that the database holds another import.
func (pr *progress) same(source, settings string) error {
	switch {
	case pr.Source != source && pr.Over:
		return fmt.Errorf("this database holds the import of another state of a school, of %s: nothing was changed", pr.Began.Format(time.DateOnly))
	case pr.Source != source:
		return errors.New("this database has been filled in part from another state of the school: stop the old system and import the same dump, or begin with an empty database")
	case pr.Settings != settings && !pr.Over:
		return errors.New("this database has been filled in part with another old key or other pictures: give the same as before, or begin with an empty database")
	}
	return nil
}
