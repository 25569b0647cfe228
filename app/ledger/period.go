package ledger

import (
	"time"

	"github.com/coagent-studio/coagent/store"
)

// Starts are the dates on which the periods began that a time is in. A week begins on
// Monday. The period in all begins on no date.
func Starts(at time.Time, zone *time.Location) store.PeriodStarts {
	at = at.In(zone)
	y, m, d := at.Date()
	monday := d - (int(at.Weekday())+6)%7
	date := func(day int) string { return time.Date(y, m, day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly) }
	return store.PeriodStarts{store.PeriodDay: date(d), store.PeriodWeek: date(monday), store.PeriodMonth: date(1), store.PeriodTotal: ""}
}

// RenewsAt is when the next period begins, the zero time for a budget that never renews.
func RenewsAt(period string, at time.Time, zone *time.Location) time.Time {
	at = at.In(zone)
	y, m, d := at.Date()
	switch period {
	case store.PeriodDay:
		d++
	case store.PeriodWeek:
		d += 7 - (int(at.Weekday())+6)%7
	case store.PeriodMonth:
		m, d = m+1, 1
	default:
		return time.Time{}
	}
	return dayBegins(y, m, d, zone)
}

// dayBegins is the first instant of a date. Where a clock is set forward at midnight, the
// date begins later than at 0:00.
func dayBegins(y int, m time.Month, d int, zone *time.Location) time.Time {
	at := time.Date(y, m, d, 0, 0, 0, 0, zone)
	want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	for h := 1; at.Day() != want.Day() && h < 4; h++ {
		at = time.Date(y, m, d, h, 0, 0, 0, zone)
	}
	return at.UTC()
}

// Starts are the dates on which the present periods began.
func (l *Ledger) Starts() store.PeriodStarts { return Starts(l.Now(), l.Zone) }

// RenewsAt is when the period after the present one begins.
func (l *Ledger) RenewsAt(period string) time.Time { return RenewsAt(period, l.Now(), l.Zone) }
