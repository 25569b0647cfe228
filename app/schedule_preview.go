package app

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Preview is what a trigger and a schedule mean.
type Preview struct {
	Zone     *time.Location // in which its hours are
	Shown    *time.Location // that of the person, in which times are shown
	ShownAs  string         // the name of Shown
	Words    []wording.Text
	Open     bool          // the agent may speak now
	Windows  []OpenTime    // the next times in which it may; the first may have begun
	Times    []time.Time   // when its trigger would make it speak, see speakTimes
	Warnings []PreviewNote // what is probably not meant
}

// OpenTime is a time in which an agent may speak. Until is zero if it has no end.
type OpenTime struct{ From, Until time.Time }

// PreviewNote is a remark on a trigger and a schedule.
type PreviewNote struct {
	Code string
	Text wording.Text
}

// The codes of remarks.
const (
	NoteNeverOpen  = "never_open"
	NoteNeverDue   = "never_due"
	NoteOnlyCalled = "only_called"
	NoteSleeps     = "sleeps_first"
	NoteUnknown    = "unknown_member"
)

// PreviewNotes are all codes of remarks.
func PreviewNotes() []string {
	return []string{NoteNeverOpen, NoteNeverDue, NoteOnlyCalled, NoteSleeps, NoteUnknown}
}

// previewed is how many times a preview shows.
const previewed = 5

// ToPreview is what a person wants to see in words. A member that is empty is that of an
// agent which has none.
type ToPreview struct {
	Trigger, Schedule json.RawMessage
	Zone              string    // the server's when empty
	From              time.Time // now when zero
}

// PreviewSchedule says in words when an agent with these settings speaks.
func (a *App) PreviewSchedule(actor *Actor, in ToPreview) (*Preview, error) {
	if err := Check(actor, ActPreview, Resource{}); err != nil {
		return nil, err
	}
	p := &Preview{Zone: a.cfg.Location(), Shown: actor.Zone(a.cfg.Location())}
	if in.Zone != "" {
		zone, err := time.LoadLocation(in.Zone)
		if err != nil || in.Zone == "Local" {
			return nil, invalid("timezone", "must be the name of a time zone, such as Asia/Taipei")
		}
		p.Zone, p.Shown = zone, zone
	}
	from := in.From
	switch {
	case from.IsZero():
		from = a.now()
	case from.Year() < 1970 || from.Year() > 2999:
		return nil, invalid("from", "must be a date from 1970-01-01 to 2999-12-31, as YYYY-MM-DD")
	}
	triggerText, wrong := object("trigger_config", in.Trigger, "")
	scheduleText, wrongToo := object("schedule_config", in.Schedule, "")
	if err := firstOf(errors.Join(wrong, wrongToo)); err != nil {
		return nil, err
	}
	if triggerText == "" && scheduleText == "" {
		return nil, invalid("trigger_config", "send it, or schedule_config, or both")
	}
	trigger, err := schedule.ParseTrigger(string(triggerText))
	if err != nil {
		return nil, badConfig(err)
	}
	hours := schedule.Always(p.Zone)
	if scheduleText != "" {
		if hours, err = schedule.ParseSchedule(string(scheduleText), p.Zone); err != nil {
			return nil, badConfig(err)
		}
	}
	p.read(trigger, triggerText, hours, from)
	for _, at := range []string{schedule.UnknownInTrigger(string(triggerText)), schedule.UnknownInSchedule(string(scheduleText))} {
		if at != "" {
			p.Warnings = append(p.Warnings, PreviewNote{NoteUnknown, wording.Of("%s means nothing here. Is it misspelt?", at)})
		}
	}
	return p, nil
}

// zoneName is the name of a zone. That of a machine has none that means anything elsewhere, and
// is told by its offset.
func zoneName(zone *time.Location, at time.Time) string {
	if zone == time.Local {
		return at.In(zone).Format("UTC-07:00")
	}
	return zone.String()
}

func (p *Preview) read(trigger *schedule.Trigger, triggerText store.JSON, hours *schedule.Schedule, from time.Time) {
	p.ShownAs = zoneName(p.Shown, from)
	if triggerText != "" {
		p.Words = trigger.Words()
	}
	p.Words = append(p.Words, hours.Words()...)
	if p.Shown.String() != p.Zone.String() && !hours.Always() {
		p.Words = append(p.Words, wording.Of("Its hours are those of the time zone %s.", zoneName(p.Zone, from)))
	}
	p.Open, p.Windows = hours.Open(from), openTimes(hours, from)
	p.Times = speakTimes(trigger, hours, from)
	note := func(code string, text wording.Text) { p.Warnings = append(p.Warnings, PreviewNote{code, text}) }
	switch {
	case len(p.Windows) == 0:
		note(NoteNeverOpen, wording.Of("The schedule never lets it speak."))
	case trigger.Timed() && len(p.Times) == 0:
		note(NoteNeverDue, wording.Of("Time alone never makes it speak."))
	}
	if triggerText != "" && !trigger.Chance && trigger.Messages == 0 && !trigger.Timed() {
		note(NoteOnlyCalled, wording.Of("Without a condition it speaks only when it is called."))
	}
	if trigger.UserTimeout > 0 && trigger.Silence > 0 && trigger.UserTimeout <= trigger.Silence {
		note(NoteSleeps, wording.Of("It falls asleep before the silence is long enough to break."))
	}
}

// openTimes are the next times in which an agent may speak.
func openTimes(hours *schedule.Schedule, from time.Time) (all []OpenTime) {
	for len(all) < previewed {
		opens, ok := hours.NextOpen(from)
		if !ok {
			break
		}
		closes, ends := hours.NextClosed(opens)
		if all = append(all, OpenTime{opens, closes}); !ends {
			break
		}
		from = closes
	}
	return all
}

// speakTimes are the next times at which a trigger makes its agent speak, in a room in
// which a person has just spoken, and answers each of its messages at once.
func speakTimes(trigger *schedule.Trigger, hours *schedule.Schedule, from time.Time) (all []time.Time) {
	if trigger.UserTimeout > 0 && trigger.UserTimeout <= trigger.Silence {
		return nil
	}
	room := schedule.Facts{Now: from, Since: from, Person: from, Unread: true, Broken: true, Messages: trigger.Messages}
	for len(all) < previewed {
		at, ok := trigger.Due(room)
		if !ok {
			break
		}
		if at, ok = hours.NextOpen(at); !ok {
			break
		}
		all = append(all, at)
		room.Now, room.Spoke, room.Person = at, at, at
	}
	return all
}
