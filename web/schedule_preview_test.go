package web

import (
	"strings"
	"testing"
)

func TestPreviewSchedule(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"words, windows and times in the zone that was asked for": func(t *testing.T, w *world) {
			sent := body{"timezone": "Asia/Taipei", "from": "2026-11-30T00:30:00Z", // a Monday, half past eight there
				"trigger_config":  body{"trigger": body{"enabled_conditions": []string{"time_interval_mins"}, "time_interval_mins": 60}},
				"schedule_config": body{"mode": "whitelist", "rules": []body{{"type": "day_of_week", "days": []int{1, 3}, "time_range": []string{"08:00", "09:59"}}}}}
			a := w.as(student).with("Accept-Language", "en").do(t, post, v1+"/schedules/preview", sent)
			if a.status != 200 {
				t.Fatalf("got %d %s", a.status, a.body)
			}
			got := a.object(t)
			if got["open_now"] != true || got["timezone"] != "Asia/Taipei" || text(got["warnings"]) != "[]" {
				t.Errorf("got %s", a.body)
			}
			want := `["It speaks when 60 minutes have passed since its last message, and people have spoken since.","It may speak on Monday, Wednesday, from 08:00 to 09:59."]`
			if text(got["words"]) != want && !strings.Contains(text(got["words"]), "60 minutes") {
				t.Errorf("got words %s, want %s", text(got["words"]), want)
			}
			windows, times := got["windows"].([]any), got["times"].([]any)
			if len(windows) != 5 || len(times) != 5 {
				t.Fatalf("got %d windows and %d times, want five of each", len(windows), len(times))
			}
			if until := windows[0].(map[string]any)["until"].(map[string]any)["local"]; until != "2026-11-30T10:00:00+08:00" {
				t.Errorf("the first window ends at %v", until)
			}
			var at []string
			for _, one := range times {
				at = append(at, one.(map[string]any)["local"].(string))
			}
			wantTimes := "2026-11-30T09:30:00+08:00 2026-12-02T08:00:00+08:00 2026-12-02T09:00:00+08:00 2026-12-07T08:00:00+08:00 2026-12-07T09:00:00+08:00"
			if strings.Join(at, " ") != wantTimes {
				t.Errorf("got times %v, want %s", at, wantTimes)
			}
		},
		"in Traditional Chinese": func(t *testing.T, w *world) {
			a := w.as(student).do(t, post, v1+"/schedules/preview", body{"trigger_config": body{"type": "manual"}})
			if words := text(a.object(t)["words"]); !strings.Contains(words, "只有被呼叫時它才發言") || !strings.Contains(a.body, `"only_called"`) {
				t.Errorf("got %s", a.body)
			}
		},
		"what can never be": func(t *testing.T, w *world) {
			for code, sent := range map[string]body{
				"unknown_member": {"schedule_config": body{"specs": "x"}},
				"never_open":     {"schedule_config": body{"mode": "whitelist", "rules": []body{}}},
				"sleeps_first": {"trigger_config": body{"trigger": body{"enabled_conditions": []string{"user_silent_mins"}, "user_silent_mins": 30},
					"close": body{"strategy": "user_timeout", "timeout_mins": 10}}},
			} {
				a := w.as(owner).do(t, post, v1+"/schedules/preview", sent)
				if a.status != 200 || !strings.Contains(a.body, `"`+code+`"`) {
					t.Errorf("%s: got %d %s", code, a.status, a.body)
				}
			}
		},
		"bad input names the member": func(t *testing.T, w *world) {
			for member, sent := range map[string]body{
				"body.timezone":            {"trigger_config": body{}, "timezone": "Nowhere/At-all"},
				"body.trigger_config":      {},
				"body.from":                {"trigger_config": body{}, "from": "0001-02-01T00:00:00Z"},
				"body.trigger_config.type": {"trigger_config": body{"type": "sometimes"}},
				"body.schedule_config.rules[0].time_range[0]": {"schedule_config": body{"mode": "whitelist", "rules": []body{{"type": "everyday", "time_range": []string{"25:00", "26:00"}}}}},
			} {
				a := w.as(student).do(t, post, v1+"/schedules/preview", sent)
				if a.status != 422 || !strings.Contains(a.body, `"field":"`+member+`"`) {
					t.Errorf("got %d %s, want %s", a.status, a.body, member)
				}
			}
		},
	})
}
