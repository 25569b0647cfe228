package search

import (
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
)

// day knows what a date of a query means.
type day struct {
	zone *time.Location
	now  time.Time
}

// date adds "before:" or "after:". A day, a month and a year begin at midnight in the
// person's time zone. The date after "after:" belongs to what is found, that after
// "before:" does not.
func (q *Query) date(name, value string, minus bool, d day) error {
	if minus {
		return wording.Errorf("-%s: is not possible; before: and after: are the opposite of each other", name)
	}
	at, ok := d.parse(value)
	if !ok {
		return wording.Errorf("%s:%s is no date; write 2026-03-01, 2026-03, 2026, today, yesterday or 2026-03-01T09:00:00Z", name, value)
	}
	if name == "after" {
		if at.After(q.Since) {
			q.Since = at
		}
		return nil
	}
	if q.Until.IsZero() || at.Before(q.Until) {
		q.Until = at
	}
	return nil
}

func (d day) parse(value string) (time.Time, bool) {
	today := d.now.In(d.zone)
	midnight := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, d.zone)
	switch strings.ToLower(value) {
	case "today":
		return midnight.UTC(), true
	case "yesterday":
		return midnight.AddDate(0, 0, -1).UTC(), true
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02", "2006-01", "2006"} {
		// The database counts in microseconds, and from the year 1 on.
		if at, err := time.ParseInLocation(form, strings.ToUpper(value), d.zone); err == nil && at.Year() > 1 && at.Year() < 9999 {
			return at.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}
