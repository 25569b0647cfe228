package schedule

import "time"

// The highest numbers of entries in one configuration.
const (
	maxRules = 200
	maxDates = 400
)

// ParseSchedule reads a schedule_config. Its times are in the zone loc. The error for a
// configuration that cannot be read is a *Problem.
func ParseSchedule(text string, loc *time.Location) (*Schedule, error) {
	n, r := read(scheduleConfig, text)
	s := &Schedule{loc: loc}
	switch {
	case r.first != nil:
	case isNewSchedule(n):
		s.readRules(n)
	default:
		s.readOld(n)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	s.prepare()
	return s, nil
}

// isNewSchedule tells the newer form from the older one by the mode.
func isNewSchedule(n node) bool {
	mode, _ := n.member("mode").v.(string)
	return mode == "whitelist" || mode == "blacklist"
}

// readRules reads the newer form: {mode, rules: [{type, date, days, time_range}]}.
func (s *Schedule) readRules(n node) {
	s.except = n.member("mode").v == "blacklist"
	for _, n := range n.member("rules").items(maxRules) {
		r := rule{from: firstDay, to: lastDay, days: everyDay}
		switch n.member("type").choice("", "everyday", "specific_date", "day_of_week") {
		case "":
			n.member("type").fail("must be one of everyday, specific_date, day_of_week")
		case "specific_date":
			r.from = n.member("date").date()
			r.to = r.from
		case "day_of_week":
			if r.days = weekdays(n.member("days"), 1); r.days == 0 {
				n.member("days").fail("name at least one day, from 1 for Monday to 7 for Sunday")
			}
		}
		r.start, r.end = timeRange(n.member("time_range"))
		s.rules = append(s.rules, r)
	}
}

// timeRange reads ["HH:MM", "HH:MM"], or null for all day.
func timeRange(n node) (start, end int) {
	if n.absent() {
		return 0, lastMinute
	}
	times := n.items(2)
	if len(times) != 2 {
		n.fail("must be two times as HH:MM, or null for all day")
		return 0, 0
	}
	return times[0].clock(), times[1].clock()
}

// weekdays returns the days of a rule. monday is the number that stands for Monday.
func weekdays(n node, monday int) (days uint8) {
	for _, d := range n.items(100) {
		days |= 1 << (d.whole(monday, monday+6, required) - monday)
	}
	return days
}

// readOld reads {specific: [{date, start, end}], general: {mode, start_date, end_date,
// rules: [{start_time, end_time, days}]}}. An even older form has the members of
// general at the top. On a day that has entries in specific, only those apply.
func (s *Schedule) readOld(n node) {
	general := n.member("general")
	if n.has("mode") && general.absent() {
		general = n
	}
	s.special = map[day][]rule{}
	for _, n := range n.member("specific").items(maxDates) {
		d := n.member("date").date()
		s.special[d] = append(s.special[d], rule{from: d, to: d, days: everyDay, start: n.member("start").clock(), end: n.member("end").clock()})
	}
	modes := []string{"none", "range_daily", "range_weekly"}
	if general.at == n.at {
		modes = append(modes, "whitelist", "blacklist")
	}
	mode := general.member("mode").choice(modes...)
	if mode == "none" {
		if rules := n.member("rules").items(maxRules); len(rules) > 0 && general.at != n.at {
			n.member("mode").fail("must be whitelist or blacklist where there are rules")
		}
		s.rules = []rule{{from: firstDay, to: lastDay, days: everyDay, end: lastMinute}}
		return
	}
	from, to := firstDay, lastDay
	if n := general.member("start_date"); n.given() {
		from = n.date()
	}
	if n := general.member("end_date"); n.given() {
		if to = n.date(); to < from {
			n.fail("must not be before start_date")
		}
	}
	for _, n := range general.member("rules").items(maxRules) {
		r := rule{from: from, to: to, days: everyDay, start: n.member("start_time").clock(), end: n.member("end_time").clock()}
		if mode == "range_weekly" {
			r.days = weekdays(n.member("days"), 0)
		}
		s.rules = append(s.rules, r)
	}
}

// given tells whether a member has a value. Forms send "" for an empty field.
func (n node) given() bool { return !n.absent() && n.v != "" }
