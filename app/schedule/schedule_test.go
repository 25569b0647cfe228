package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func scheduleOf(t testing.TB, text string, loc *time.Location) *Schedule {
	t.Helper()
	s, err := ParseSchedule(text, loc)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// at is a time in a zone, as "2026-03-02 08:15:30" or without the seconds.
func at(t testing.TB, loc *time.Location, text string) time.Time {
	t.Helper()
	if len(text) == len("2026-03-02 08:15") {
		text += ":00"
	}
	v, err := time.ParseInLocation(time.DateTime, text, loc)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// 2026-03-02 is a Monday.
func TestScheduleForms(t *testing.T) {
	t.Parallel()
	taipei := zone(t, "Asia/Taipei")
	for name, c := range map[string]struct {
		config       string
		open, closed []string
	}{
		"Nothing":   {config: "", open: []string{"2026-03-02 00:00", "2026-03-02 23:59:59"}},
		"Null":      {config: "null", open: []string{"2026-03-02 12:00"}},
		"Empty":     {config: "{}", open: []string{"2026-03-02 12:00"}},
		"ModeNone":  {config: `{"general":{"mode":"none"}}`, open: []string{"2026-03-02 12:00"}},
		"NoGeneral": {config: `{"specific":[],"general":null}`, open: []string{"2026-03-02 12:00"}},
		"Daily": {
			config: `{"general":{"mode":"range_daily","rules":[{"start_time":"09:00","end_time":"17:00"}]}}`,
			open:   []string{"2026-03-02 09:00", "2026-03-02 17:00:59", "2026-03-08 12:00"},
			closed: []string{"2026-03-02 08:59:59", "2026-03-02 17:01"},
		},
		"LegacyFlat": {
			config: `{"mode":"range_daily","rules":[{"start_time":"09:00","end_time":"17:00"}]}`,
			open:   []string{"2026-03-02 09:00"}, closed: []string{"2026-03-02 08:59:59"},
		},
		"DailyWithoutRules": {config: `{"general":{"mode":"range_daily"}}`, closed: []string{"2026-03-02 12:00"}},
		"Weekly": {
			config: `{"general":{"mode":"range_weekly","rules":[{"start_time":"09:00","end_time":"17:00","days":[0,2]}]}}`,
			open:   []string{"2026-03-02 12:00", "2026-03-04 12:00"}, closed: []string{"2026-03-03 12:00", "2026-03-08 12:00"},
		},
		"Dates": {
			config: `{"general":{"mode":"range_daily","start_date":"2026-03-03","end_date":"2026-03-04","rules":[{"start_time":"00:00","end_time":"23:59"}]}}`,
			open:   []string{"2026-03-03 00:00", "2026-03-04 23:59:59"}, closed: []string{"2026-03-02 23:59:59", "2026-03-05 00:00"},
		},
		"OneSidedDates": {
			config: `{"general":{"mode":"range_daily","start_date":"2026-03-03","end_date":"","rules":[{"start_time":"00:00","end_time":"23:59"}]}}`,
			open:   []string{"2026-03-03 00:00", "2036-03-04 23:59:59"}, closed: []string{"2026-03-02 23:59:59"},
		},
		"SpecificOverridesGeneral": {
			config: `{"specific":[{"date":"2026-03-02","start":"10:00","end":"11:00"},{"date":"2026-03-02","start":"20:00","end":"20:00"}],
				"general":{"mode":"range_daily","rules":[{"start_time":"09:00","end_time":"17:00"}]}}`,
			open:   []string{"2026-03-02 10:30", "2026-03-02 11:00:30", "2026-03-02 20:00:59", "2026-03-03 12:00"},
			closed: []string{"2026-03-02 12:00", "2026-03-02 09:30", "2026-03-02 20:01"},
		},
		"SpecificAlone": {
			config: `{"specific":[{"date":"2026-03-02","start":"10:00","end":"11:00"}]}`,
			open:   []string{"2026-03-02 10:30", "2026-03-03 12:00"}, closed: []string{"2026-03-02 12:00"},
		},
		"AcrossMidnight": {
			config: `{"general":{"mode":"range_weekly","rules":[{"start_time":"22:00","end_time":"02:00","days":[0]}]}}`,
			open:   []string{"2026-03-02 22:00", "2026-03-03 00:00", "2026-03-03 02:00:59"},
			closed: []string{"2026-03-02 01:00", "2026-03-03 02:01", "2026-03-03 22:30"},
		},
		"AcrossMidnightBelongsToItsDay": {
			config: `{"specific":[{"date":"2026-03-03","start":"12:00","end":"13:00"}],
				"general":{"mode":"range_daily","end_date":"2026-03-02","rules":[{"start_time":"22:00","end_time":"02:00"}]}}`,
			open:   []string{"2026-03-03 01:00", "2026-03-03 12:30"},
			closed: []string{"2026-03-03 22:30", "2026-03-04 01:00"},
		},
		"WholeDay": {config: `{"general":{"mode":"range_daily","rules":[{"start_time":"00:00","end_time":"23:59"}]}}`, open: []string{"2026-03-02 23:59:30"}},
		"Whitelist": {
			config: `{"mode":"whitelist","rules":[{"type":"day_of_week","days":[1,7],"time_range":["09:00","17:00"]},{"type":"specific_date","date":"2026-03-05","time_range":null}]}`,
			open:   []string{"2026-03-02 09:00", "2026-03-08 17:00:59", "2026-03-05 03:00"}, closed: []string{"2026-03-03 12:00", "2026-03-02 18:00", "2026-03-12 03:00"},
		},
		"WhitelistWithoutRules": {config: `{"mode":"whitelist","rules":[]}`, closed: []string{"2026-03-02 12:00"}},
		"Blacklist": {
			config: `{"mode":"blacklist","rules":[{"type":"everyday","time_range":["22:00","06:00"]},{"type":"specific_date","date":"2026-03-05"}]}`,
			open:   []string{"2026-03-02 06:01", "2026-03-02 21:59:59"}, closed: []string{"2026-03-02 22:00", "2026-03-03 06:00:59", "2026-03-05 12:00"},
		},
		"BlacklistWithoutRules": {config: `{"mode":"blacklist"}`, open: []string{"2026-03-02 12:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scheduleOf(t, c.config, taipei)
			for _, text := range c.open {
				if !s.Open(at(t, taipei, text)) {
					t.Errorf("closed at %s, want open", text)
				}
			}
			for _, text := range c.closed {
				if s.Open(at(t, taipei, text)) {
					t.Errorf("open at %s, want closed", text)
				}
			}
		})
	}
}

func TestScheduleProblems(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`[]`:                                 "schedule_config: must be an object",
		`{"mode":"whitelst"}`:                "schedule_config.mode: must be one of none, range_daily, range_weekly, whitelist, blacklist",
		`{"rules":[]}`:                       "",
		`{"rules":[{"type":"everyday"}]}`:    "schedule_config.mode: must be whitelist or blacklist where there are rules",
		`{"general":{"mode":"sometimes"}}`:   "schedule_config.general.mode: must be one of none, range_daily, range_weekly",
		`{"general":[]}`:                     "schedule_config.general: must be an object",
		`{"specific":{}}`:                    "schedule_config.specific: must be a list",
		`{"specific":["x"]}`:                 "schedule_config.specific[0]: must be an object",
		`{"specific":[{"date":"2026-3-2"}]}`: "schedule_config.specific[0].date: must be a date from 1970-01-01 to 2999-12-31, as YYYY-MM-DD",
		`{"specific":[{"date":"2026-02-30","start":"10:00","end":"11:00"}]}`:                                    "schedule_config.specific[0].date: must be a date",
		`{"specific":[{"date":"2026-03-02","start":"10:00"}]}`:                                                  "schedule_config.specific[0].end: must be a time of the day from 00:00 to 23:59, as HH:MM",
		`{"general":{"mode":"range_daily","rules":[{"start_time":"9:00","end_time":"17:00"}]}}`:                 "schedule_config.general.rules[0].start_time: must be a time",
		`{"general":{"mode":"range_daily","rules":[{"start_time":"09:00","end_time":"24:00"}]}}`:                "schedule_config.general.rules[0].end_time: must be a time",
		`{"general":{"mode":"range_weekly","rules":[{"start_time":"09:00","end_time":"10:00","days":[7]}]}}`:    "schedule_config.general.rules[0].days[0]: must be a number from 0 to 6",
		`{"general":{"mode":"range_weekly","rules":[{"start_time":"09:00","end_time":"10:00","days":[0.5]}]}}`:  "schedule_config.general.rules[0].days[0]: must be a whole number",
		`{"general":{"mode":"range_daily","start_date":"2026-03-03","end_date":"2026-03-02","rules":[]}}`:       "schedule_config.general.end_date: must not be before start_date",
		`{"mode":"whitelist","rules":[{"type":"day_of_week","days":[0]}]}`:                                      "schedule_config.rules[0].days[0]: must be a number from 1 to 7",
		`{"mode":"whitelist","rules":[{"type":"day_of_week"}]}`:                                                 "schedule_config.rules[0].days: name at least one day",
		`{"mode":"whitelist","rules":[{"type":"never"}]}`:                                                       "schedule_config.rules[0].type: must be one of everyday, specific_date, day_of_week",
		`{"mode":"whitelist","rules":[{}]}`:                                                                     "schedule_config.rules[0].type: must be one of everyday, specific_date, day_of_week",
		`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["09:00"]}]}`:                             "schedule_config.rules[0].time_range: must be two times",
		`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["09:00","1e1"]}]}`:                       "schedule_config.rules[0].time_range[1]: must be a time",
		`{"mode":"whitelist","rules":[` + strings.Repeat(`{"type":"everyday"},`, 200) + `{"type":"everyday"}]}`: "schedule_config.rules: has 201 entries, at most 200 are possible",
	} {
		_, err := ParseSchedule(config, time.UTC)
		wantProblem(t, config, err, want)
	}
}

func wantProblem(t *testing.T, config string, err error, want string) {
	t.Helper()
	var p *Problem
	switch {
	case want == "" && err != nil, want != "" && err == nil, want != "" && !errors.As(err, &p), want != "" && !strings.HasPrefix(err.Error(), want):
		t.Errorf("%s: got %v, want %q", config, err, want)
	}
}

// Where the clocks change, what counts is the clock on the wall.
func TestClockChanges(t *testing.T) {
	t.Parallel()
	const night = `{"mode":"whitelist","rules":[{"type":"everyday","time_range":["02:30","02:39"]}]}`
	for name, c := range map[string]struct {
		zone, config, from string // RFC 3339, with the offset
		want               string
	}{
		"BerlinSpring, skipped":     {"Europe/Berlin", night, "2026-03-29T00:00:00+01:00", "2026-03-30T02:30:00+02:00"},
		"BerlinSpring, jumped into": {"Europe/Berlin", `{"mode":"whitelist","rules":[{"type":"everyday","time_range":["02:30","04:00"]}]}`, "2026-03-29T00:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		"BerlinAutumn, first":       {"Europe/Berlin", night, "2026-10-25T00:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		"BerlinAutumn, second":      {"Europe/Berlin", night, "2026-10-25T02:40:00+02:00", "2026-10-25T02:30:00+01:00"},
		"BerlinAutumn, last":        {"Europe/Berlin", `{"mode":"whitelist","rules":[{"type":"specific_date","date":"2026-10-25","time_range":["02:30","02:39"]}]}`, "2026-10-25T02:50:00+02:00", "2026-10-25T02:30:00+01:00"},
		"BerlinAutumn, over":        {"Europe/Berlin", `{"mode":"whitelist","rules":[{"type":"specific_date","date":"2026-10-25","time_range":["02:30","02:39"]}]}`, "2026-10-25T02:50:00+01:00", ""},
		"NewYorkSpring, skipped":    {"America/New_York", night, "2026-03-08T00:00:00-05:00", "2026-03-09T02:30:00-04:00"},
		"NewYorkAutumn, second":     {"America/New_York", `{"mode":"whitelist","rules":[{"type":"everyday","time_range":["01:30","01:39"]}]}`, "2026-11-01T01:45:00-04:00", "2026-11-01T01:30:00-05:00"},
		"AcrossMidnight":            {"America/New_York", `{"mode":"blacklist","rules":[{"type":"day_of_week","days":[6],"time_range":["22:00","02:59"]}]}`, "2026-03-07T23:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		"Taipei":                    {"Asia/Taipei", night, "2026-03-29T02:40:00+08:00", "2026-03-30T02:30:00+08:00"},
		"FarAway":                   {"Europe/Berlin", `{"mode":"whitelist","rules":[{"type":"specific_date","date":"2999-07-01","time_range":["08:00","09:00"]}]}`, "2026-03-29T02:40:00+08:00", "2999-07-01T08:00:00+02:00"},
		"LongPast":                  {"Europe/Berlin", `{"mode":"whitelist","rules":[{"type":"specific_date","date":"1999-07-01"}]}`, "2026-03-29T02:40:00+08:00", ""},
		"AfterManyClosedDays":       {"Asia/Taipei", `{"mode":"blacklist","rules":[` + manyDates(40) + `]}`, "2026-03-01T10:00:00+08:00", "2026-04-10T00:00:00+08:00"},
		"ManyDaysOfTheirOwn":        {"Asia/Taipei", `{"general":{"mode":"range_weekly","start_date":"2027-03-02","rules":[{"start_time":"09:00","end_time":"10:00","days":[0]}]}}`, "2026-03-01T10:00:00+08:00", "2027-03-08T09:00:00+08:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc := zone(t, c.zone)
			from, err := time.Parse(time.RFC3339, c.from)
			if err != nil {
				t.Fatal(err)
			}
			next, ok := scheduleOf(t, c.config, loc).NextOpen(from)
			got := ""
			if ok {
				got = next.In(loc).Format(time.RFC3339)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// manyDates are n closed days from 1 March 2026 on.
func manyDates(n int) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = `{"type":"specific_date","date":"` + time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly) + `"}`
	}
	return strings.Join(rules, ",")
}
