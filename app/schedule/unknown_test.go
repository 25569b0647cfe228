package schedule_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app/schedule"
)

func TestUnknown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``: "", `null`: "", `[1]`: "", `{`: "",
		`{"type":"message_count","value":3}`: "",
		`{"logic":"or","trigger":{"enabled_conditions":["message_count"],"message_count":1,"time_interval_mins":2,"user_silent_mins":3,
			"context_strategy":{"type":"last_n","n":4}},"close":{"strategy":"none","monologue_limit":5,"timeout_mins":6},
			"self_modification":{"duration_hours":7,"bounds":{"message_count":{"min":1,"max":2}}},
			"state_reset":{"enabled":true,"interval_days":1,"reset_time":"04:00"}}`: "",
		`{"trigger":{"mesage_count":1}}`:   "trigger_config.trigger.mesage_count",
		`{"trigger":{},"schedule":{}}`:     "trigger_config.schedule",
		`{"close":{"Strategy":"timeout"}}`: "trigger_config.close.Strategy",
	} {
		if got := schedule.UnknownInTrigger(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"mode":"whitelist","rules":[{"type":"day_of_week","days":[1],"date":null,"time_range":["08:00","09:00"]}]}`: "",
		`{"specific":[{"date":"2026-01-01","start":"08:00","end":"09:00"}],
			"general":{"mode":"x","start_date":"2026-01-01","end_date":"2026-02-01","rules":[{"start_time":"08:00","end_time":"09:00","days":[1]}]}}`: "",
		`{"specs":"x"}`: "schedule_config.specs",
		`{"mode":"whitelist","rules":[{"type":"everyday"},{"type":"everyday","time":"8"}]}`: "schedule_config.rules.time",
	} {
		if got := schedule.UnknownInSchedule(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
