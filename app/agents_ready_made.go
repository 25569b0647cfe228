package app

import (
	"context"
	"slices"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// A new project has ready-made agents. As soon as a person's own agent of the same type
// becomes active, in whichever way, the ready-made one is switched off.

// firstAgents are the two agents of a new project. They can answer at once: they use the
// offline provider until somebody gives them a model. Their names and instructions are in
// the language of who makes the project.
func (r *agentRules) firstAgents(projectID, createdBy string, lang wording.Lang) []store.Agent {
	teacher, student := r.fresh(projectID, createdBy), r.fresh(projectID, createdBy)
	teacher.Type, teacher.Name = store.AgentTeacher, wording.Of("Teacher").In(lang)
	teacher.SystemPrompt = wording.Of("You are a patient teacher. Answer briefly and end with a question that leads the class on.").In(lang)
	student.Type, student.Name, student.Category = store.AgentStudent, wording.Of("Student").In(lang), categoryParticipant
	student.SystemPrompt = wording.Of("You are a curious student of this class. Add one short, honest thought or question.").In(lang)
	teacher.Capabilities = store.ToJSON([]string{turn.CapChatRead, turn.CapChatWrite, turn.CapArtifactRead, turn.CapArtifactWrite, turn.CapMembersRead})
	student.Capabilities = store.ToJSON([]string{turn.CapChatRead, turn.CapChatWrite, turn.CapArtifactRead})
	for _, ag := range []*store.Agent{&teacher, &student} {
		ag.ModelProvider, ag.IsActive = providerOffline, true
	}
	return []store.Agent{teacher, student}
}

// readyMade reports whether the program made this agent for a new project and nobody has
// changed its name, instructions, provider or key since.
func (r *agentRules) readyMade(ag *store.Agent) bool {
	return slices.ContainsFunc(wording.Langs(), func(lang wording.Lang) bool {
		return slices.ContainsFunc(r.firstAgents(ag.ProjectID, "", lang), func(made store.Agent) bool {
			return made.Type == ag.Type && made.Name == ag.Name && made.SystemPrompt == ag.SystemPrompt && made.ModelProvider == ag.ModelProvider &&
				ag.EncryptedAPIKey == ""
		})
	})
}

// giveWayTo switches off the ready-made agents among siblings if ag, a person's own
// agent of their type, is active.
func (r *agentRules) giveWayTo(ctx context.Context, tx *store.Tx, actor *Actor, ag *store.Agent, siblings []store.Agent) error {
	if !ag.IsActive || r.readyMade(ag) {
		return nil
	}
	for i := range siblings {
		was := siblings[i]
		if !was.IsActive || was.ID == ag.ID || !r.readyMade(&was) {
			continue
		}
		off := was
		off.IsActive, off.UpdatedAt = false, r.now.instant()
		if err := tx.UpdateAgent(ctx, &off); err != nil {
			return err
		}
		if err := r.record(ctx, tx, actor, ActActivateAgent, &was, &off); err != nil {
			return err
		}
	}
	return nil
}
