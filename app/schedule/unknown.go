package schedule

import (
	"encoding/json"
	"maps"
	"slices"
)

// The names that members of a configuration have, in all of its forms.
var (
	triggerMembers = []string{"type", "value", "logic", "trigger", "enabled_conditions", "message_count", "time_interval_mins", "user_silent_mins",
		"context_strategy", "n", "close", "strategy", "monologue_limit", "timeout_mins", "self_modification", "duration_hours", "bounds",
		"min", "max", "state_reset", "enabled", "interval_days", "reset_time"}
	scheduleMembers = []string{"mode", "rules", "type", "date", "days", "time_range", "specific", "start", "end", "general", "start_date", "end_date",
		"start_time", "end_time"}
)

// UnknownInTrigger returns the path of a member of a trigger_config that means nothing, ""
// when there is none. Such members are taken and kept, as they always were.
func UnknownInTrigger(text string) string { return unknown(triggerConfig, text, triggerMembers) }

// UnknownInSchedule is UnknownInTrigger for a schedule_config.
func UnknownInSchedule(text string) string { return unknown(scheduleConfig, text, scheduleMembers) }

func unknown(at, text string, known []string) string {
	var v any
	if text == "" || json.Unmarshal([]byte(text), &v) != nil {
		return ""
	}
	return unknownIn(node{at: at, v: v}, known)
}

func unknownIn(n node, known []string) string {
	switch v := n.v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			m := node{at: n.at + "." + name, v: v[name]}
			if !slices.Contains(known, name) {
				return m.at
			}
			if found := unknownIn(m, known); found != "" {
				return found
			}
		}
	case []any:
		for i := range v {
			if found := unknownIn(node{at: n.at, v: v[i]}, known); found != "" {
				return found
			}
		}
	}
	return ""
}
