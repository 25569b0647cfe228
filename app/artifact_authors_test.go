package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Each version of an artifact names the person or the agent that made it so, and the
// agent's turn. The agent's name stays when the agent is deleted, a person's does not.
func TestArtifactAuthors(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, allCaps...)
		ctx := t.Context()
		f := put(t, r, c, "doc", "Notes", `{"type":"doc","content":[]}`)
		ask(t, r, c, llmtest.InTurn(manage(obj{"action": "append", "artifact_id": f.ID, "content": "two"}), say("Done.")))
		turn := turns(t, r, c.Room.ID)[0]
		byAgent := artifacts(t, r, c)[0]
		if byAgent.ModifiedByAgent != c.TeacherAgent.ID || byAgent.ModifiedAgentName != c.TeacherAgent.Name || byAgent.ModifiedTurnID != turn.ID ||
			byAgent.Modifier != nil {
			t.Fatalf("got %+v, want the agent and its turn %s", byAgent, turn.ID)
		}
		frames := artifactEvents(t, r, c.Student, c.Room.ID)
		state, _ := frames[len(frames)-1]["artifact"].(map[string]any)
		if state["last_modified_agent_id"] != c.TeacherAgent.ID || state["last_modified_agent_name"] != c.TeacherAgent.Name ||
			state["last_modified_turn_id"] != turn.ID || state["last_modified_by"] != nil {
			t.Errorf("the frame: got %v", state)
		}
		// The student changes it, then the teacher makes it again what the agent had made.
		got, err := r.UpdateArtifact(ctx, c.Student, f.ID, app.ArtifactChange{Title: app.Some("Sue's")})
		must(t, err)
		if got.ModifiedByAgent != "" || got.ModifiedAgentName != "" || got.ModifiedTurnID != "" || got.Modifier.Name() != "Sue" {
			t.Errorf("after a person: got %+v", got)
		}
		back, err := r.RestoreArtifactVersion(ctx, c.Teacher, f.ID, byAgent.Version)
		if err != nil || back.Modifier.Name() != "Tess" || back.ModifiedByAgent != "" {
			t.Errorf("restored: got %+v, %v, want the one who restores", back, err)
		}
		names := func() (all []string) {
			rows, err := r.ArtifactVersions(ctx, c.Teacher, f.ID)
			must(t, err)
			for i := range rows {
				one, err := r.ArtifactVersion(ctx, c.Teacher, f.ID, rows[i].Version)
				must(t, err)
				name := event.AuthorName(rows[i].Modifier, rows[i].ModifiedAgentName)
				if alone := event.AuthorName(one.Modifier, one.ModifiedAgentName); alone != name || one.ModifiedTurnID != rows[i].ModifiedTurnID {
					t.Errorf("version %d: in the list by %s, alone by %s", one.Version, name, alone)
				}
				all = append(all, name+" "+strings.Replace(rows[i].ModifiedTurnID, turn.ID, "turn", 1))
			}
			return all
		}
		want(t, "versions", names(), []string{"Sue ", "Teacher turn", "Tess "})
		_, _, err = r.DeleteUser(ctx, c.Admin, c.Student.User.ID, false)
		must(t, err)
		must(t, r.DeleteAgent(ctx, c.Teacher, c.TeacherAgent.ID))
		want(t, "versions of who is gone", names(), []string{event.DeletedName + " ", "Teacher ", "Tess "}) // its turns go with the agent
	})
}
