package schedule

import (
	"slices"
	"time"
)

// Bounds of the numbers in a trigger.
const (
	maxMessages   = 10_000
	minMinutes    = 0.5
	maxMinutes    = 1440
	maxSeconds    = 86_400
	maxMonologue  = 100
	maxHours      = 720
	maxResetDays  = 365
	maxWindow     = 10_000
	defaultWindow = 10
	defaultCount  = 10
	defaultSecond = 60
)

// ParseTrigger reads a trigger_config. An empty text and the type "chance" leave the
// decision to chance. The error for a configuration that cannot be read is a *Problem.
func ParseTrigger(text string) (*Trigger, error) {
	n, r := read(triggerConfig, text)
	t := &Trigger{}
	if isNewTrigger(n) {
		t.isNewForm = true
		t.readNew(n)
	} else {
		t.readOld(n)
	}
	return t, r.err()
}

// Never returns the trigger of an agent whose own trigger cannot be read. It never
// makes the agent speak.
func Never() *Trigger { return &Trigger{} }

func isNewTrigger(n node) bool {
	return n.has("logic", "trigger", "close", "self_modification", "state_reset")
}

// readOld reads {type, value}. The value is a number of messages, or seconds. Forms
// send an empty value for the default.
func (t *Trigger) readOld(n node) {
	value := n.member("value")
	if value.v == "" {
		value.v = nil
	}
	seconds := func() time.Duration {
		return time.Duration(value.number(1, maxSeconds, defaultSecond) * float64(time.Second))
	}
	switch n.member("type").choice("chance", MessageCount, TimeInterval, Silence, "manual") {
	case "chance":
		t.Chance = true
	case MessageCount:
		t.Messages = value.whole(1, maxMessages, defaultCount)
	case TimeInterval:
		t.Interval = seconds()
	case Silence:
		t.Silence = seconds()
	}
}

func (t *Trigger) readNew(n node) {
	t.Every = n.member("logic").choice("or", "and") == "and"
	t.readConditions(n.member("trigger"))
	t.readContext(n.member("trigger").member("context_strategy"))
	t.readClose(n.member("close"))
	t.readModification(n.member("self_modification"))
	if r := n.member("state_reset"); r.member("enabled").flag() {
		t.reset.days = r.member("interval_days").whole(1, maxResetDays, 1)
		if at := r.member("reset_time"); !at.absent() {
			t.reset.minute = at.clock()
		}
	}
}

func (t *Trigger) readConditions(n node) {
	if n.absent() {
		t.Chance = true
		return
	}
	var enabled []string
	for _, c := range n.member("enabled_conditions").items(10) {
		enabled = append(enabled, c.choice("message_count", "time_interval_mins", "user_silent_mins"))
	}
	// A value of a condition that is not enabled is kept for later, so it must be valid
	// too.
	wanted := func(name string) bool { return slices.Contains(enabled, name) || n.has(name) }
	count, interval, silent := 0, time.Duration(0), time.Duration(0)
	if wanted("message_count") {
		count = n.member("message_count").whole(1, maxMessages, required)
	}
	if wanted("time_interval_mins") {
		interval = n.member("time_interval_mins").minutes(minMinutes, maxMinutes)
	}
	if wanted("user_silent_mins") {
		silent = n.member("user_silent_mins").minutes(minMinutes, maxMinutes)
	}
	for _, name := range enabled {
		switch name {
		case "message_count":
			t.Messages = count
		case "time_interval_mins":
			t.Interval = interval
		case "user_silent_mins":
			t.Silence = silent
		}
	}
}

func (t *Trigger) readContext(n node) {
	if n.absent() {
		return
	}
	if n.member("type").choice("last_n", "all") == "all" {
		t.Window = AllMessages
		return
	}
	t.Window = n.member("n").whole(1, maxWindow, defaultWindow)
}

func (t *Trigger) readClose(n node) {
	strategy := n.member("strategy").choice("none", "agent_monologue", "user_timeout")
	monologue := n.member("monologue_limit")
	if strategy == "agent_monologue" || !monologue.absent() {
		limit := monologue.whole(1, maxMonologue, required)
		if strategy == "agent_monologue" {
			t.Monologue = limit
		}
	}
	timeout := n.member("timeout_mins")
	if strategy == "user_timeout" || !timeout.absent() {
		after := timeout.minutes(1, maxMinutes)
		if strategy == "user_timeout" {
			t.UserTimeout = after
		}
	}
}

// readModification reads {duration_hours, bounds: {condition: {min, max}}}.
func (t *Trigger) readModification(n node) {
	hours := n.member("duration_hours")
	switch v := hours.number(-1, maxHours, 0); {
	case v == -1:
		t.Modify.Always = true
	case v < 0:
		hours.fail("must be -1 for good, 0 for never, or a number of hours up to %d", maxHours)
	default:
		t.Modify.For = time.Duration(v * float64(time.Hour))
	}
	t.Modify.Bounds = map[string]Range{}
	for _, c := range terms {
		b := n.member("bounds").member(c.name)
		if b.absent() {
			continue
		}
		r := Range{b.member("min").number(c.least, c.most, c.least), b.member("max").number(c.least, c.most, c.most)}
		if r.Max < r.Min {
			b.member("max").fail("must not be below min")
		}
		t.Modify.Bounds[c.name] = r
	}
}
