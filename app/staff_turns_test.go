package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Staff who start or continue a turn that cannot work are told so at once, with the
// reason, and no turn comes of it.
func TestStaffTurnsThatCannotWork(t *testing.T) {
	t.Parallel()
	type ways map[string]string // what is changed in the agent's row -> the code of the error
	unusable := ways{"is_active = FALSE": "inactive", "encrypted_api_key = NULL": "no_key", "encrypted_api_key = 'gAAAA'": "no_key",
		"model_provider = 'school'": "no_key"}
	for name, way := range map[string]struct {
		codes   ways
		prepare func(t *testing.T, r *apptest.Rig, c *apptest.Class) (start func() error)
	}{
		"Wake": {unusable, func(t *testing.T, r *apptest.Rig, c *apptest.Class) func() error {
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			return func() error { _, err := r.WakeAgent(t.Context(), c.TA, c.Room.ID, c.TeacherAgent.ID); return err }
		}},
		"GoOn": {unusable, func(t *testing.T, r *apptest.Rig, c *apptest.Class) func() error {
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "no"}))
			post(t, r, c.Student, c.Room.ID, "@teacher")
			r.Idle(t, c.Room.ID)
			r.Exec(t, "UPDATE agent_turns SET state = 'failed', reason = 'too_many_steps' WHERE room_id = ?", c.Room.ID)
			return func() error { _, err := r.GoOn(t.Context(), c.TA, c.Room.ID); return err }
		}},
		"Approve": {unusable, func(t *testing.T, r *apptest.Rig, c *apptest.Class) func() error {
			_, a := deletion(t, r, c)
			return func() error {
				_, err := r.DecideApproval(t.Context(), c.TA, c.Room.ID, a.Step.ID, app.DecisionApprove, "")
				return err
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url)
				c := silentClass(t, r)
				start := way.prepare(t, r, c)
				agent := c.TeacherAgent.ID
				row, err := r.DB.Agent(t.Context(), agent)
				must(t, err)
				before := turns(t, r, c.Room.ID)
				for change, code := range way.codes {
					r.Exec(t, "UPDATE agents SET "+change+" WHERE id = ?", agent)
					err := start()
					refused(t, err, app.KindConflict, code, "")
					if code == "no_key" && !strings.Contains(err.Error(), "a key") && !strings.Contains(err.Error(), "Choose another provider") {
						t.Errorf("after %s: got %v, want it to name the remedy", change, err)
					}
					r.Exec(t, "UPDATE agents SET is_active = TRUE, encrypted_api_key = ?, model_provider = ? WHERE id = ?", row.EncryptedAPIKey, row.ModelProvider, row.ID)
				}
				r.Idle(t, c.Room.ID)
				for i, turn := range turns(t, r, c.Room.ID) {
					if len(before) <= i || turn.State != before[i].State {
						t.Errorf("turn %d is %s %q, want no turn to begin or to end", i, turn.State, turn.Reason)
					}
				}
				r.Model.Script(llmtest.Say("Here again."))
				must(t, start())
				r.Idle(t, c.Room.ID)
				if all := turns(t, r, c.Room.ID); all[0].State != store.TurnFinished {
					t.Errorf("got a turn that is %s (%s), want it finished", all[0].State, all[0].Detail)
				}
			})
		})
	}
}
