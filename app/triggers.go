package app

import (
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/store"
)

// checkTrigger refuses an invalid trigger_config. The error names the member.
func checkTrigger(text store.JSON) error {
	_, err := schedule.ParseTrigger(string(text))
	return badConfig(err)
}

// checkSchedule is checkTrigger for a schedule_config.
func checkSchedule(text store.JSON) error {
	_, err := schedule.ParseSchedule(string(text), time.UTC)
	return badConfig(err)
}

func badConfig(err error) error {
	var p *schedule.Problem
	if errors.As(err, &p) {
		return invalid(p.Field, "%s", p.Text)
	}
	return err
}
