package app_test

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store/storetest"
)

// The zone of a machine is called Local in Go, which is no name of a zone to anybody else.
func TestZoneOfTheMachineHasAName(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Timezone = "" })
		c := r.Class(t)
		name := r.Now().In(time.Local).Format("UTC-07:00")
		if f, err := r.Figures(t.Context(), c.Teacher, app.FiguresQuery{CourseID: c.Course.ID}); err != nil || f.Zone != name {
			t.Errorf("figures: got %+v, %v, want the zone %s", f, err, name)
		}
		p, err := r.PreviewSchedule(c.Teacher, app.ToPreview{Schedule: []byte(`{"mode":"whitelist","rules":[]}`)})
		if err != nil || p.ShownAs != name {
			t.Errorf("preview: got %+v, %v, want the zone %s", p, err, name)
		}
	})
}
