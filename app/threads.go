package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// threads stores what a person and an agent say to each other outside rooms. The caller
// has checked that the person may.
type threads struct {
	cfg    *config.Config
	db     *store.DB
	now    clock
	quotas quotas
	calls  *personCalls
}

// ThreadMessage is a person's message to an agent.
type ThreadMessage struct {
	Message      string
	MetadataJSON *string // for the client's own use
	// ClientID is the client's own id for the message, "" or at most 64 characters. If a
	// message is sent again with the same id, it is not stored or answered twice.
	ClientID string
}

// Simulate has an agent answer one message. Nothing is stored. cut is true if the answer
// was cut before its end.
func (a *App) Simulate(ctx context.Context, actor *Actor, agentID string, in ThreadMessage) (text string, cut bool, err error) {
	ag, mayKnow, err := a.usableAgent(ctx, actor, agentID, "Agent")
	if err != nil {
		return "", false, err
	}
	if err := a.threads.check(&in); err != nil {
		return "", false, err
	}
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return "", false, err
	}
	defer release()
	said, err := a.calls.ask(ctx, ag, ledger.Origin{Kind: ledger.ForSandbox, PersonID: actor.User.ID}, []llm.Message{{Role: llm.RoleUser, Text: in.Message}}, mayKnow)
	return said.Text, said.Cut, err
}

// usableAgent loads an agent that the actor may talk to. mayKnow is true if the actor
// may see why it fails.
func (a *App) usableAgent(ctx context.Context, actor *Actor, id, noun string) (ag *store.Agent, mayKnow bool, err error) {
	ag, res, err := a.agentResource(ctx, actor, id, noun)
	if err != nil {
		return nil, false, err
	}
	if err := Check(actor, ActUseAgent, res); err != nil {
		return nil, false, err
	}
	if ag.IsExternal {
		return nil, false, errorf(KindRejected, "external_agent", "External agents cannot be tried out here")
	}
	return ag, Check(actor, ActUpdateAgent, res) == nil, nil
}

func (t *threads) check(in *ThreadMessage) error {
	if len(in.Message) > int(t.cfg.Limits.MessageBytes) {
		return errorf(KindTooLarge, "too_large", "message: has %d bytes, at most %d are possible", len(in.Message), t.cfg.Limits.MessageBytes)
	}
	if strings.TrimSpace(in.Message) == "" {
		return invalid("message", "must not be empty")
	}
	return firstOf(errors.Join(text("message", in.Message, 1, len(in.Message)),
		optionalText("metadata_json", in.MetadataJSON, maxText), text("client_id", in.ClientID, 0, 64)))
}

// ThreadSettings are the members of a thread that its person sets. A member that is not
// sent keeps the stored value.
type ThreadSettings struct {
	Name         Opt[string]
	MetadataJSON Opt[string]
}

func (s ThreadSettings) apply(th *store.Thread) error {
	s.Name.setNullable(&th.Name)
	s.MetadataJSON.setNullable(&th.MetadataJSON)
	if th.Name != nil {
		*th.Name = strings.TrimSpace(*th.Name)
	}
	return firstOf(errors.Join(optionalText("name", th.Name, maxName), optionalText("metadata_json", th.MetadataJSON, maxText)))
}

// CreateThread begins a thread of the actor with an agent of a project, or with one of
// the actor's own agents.
func (a *App) CreateThread(ctx context.Context, actor *Actor, projectID, agentID string, s ThreadSettings) (*store.Thread, error) {
	ag, _, err := a.usableAgent(ctx, actor, agentID, "Agent")
	if err != nil {
		return nil, err
	}
	if err := a.mayUseProject(ctx, actor, projectID); err != nil {
		return nil, err
	}
	if ag.ProjectID != "" && ag.ProjectID != projectID {
		return nil, notFound("Agent")
	}
	now, title, metadata := a.instant(), "New Thread", "{}"
	th := &store.Thread{ID: store.NewID(), ProjectID: projectID, AgentID: agentID, UserID: actor.User.ID, Name: &title, MetadataJSON: &metadata,
		CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := s.apply(th); err != nil {
		return nil, err
	}
	return th, fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateThread(ctx, th); err != nil {
			return err
		}
		return a.quotas.within(ctx, tx, th.UserID, store.OwnedThreads)
	}), "Agent")
}

func (a *App) mayUseProject(ctx context.Context, actor *Actor, projectID string) error {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return err
	}
	return Check(actor, ActUseProject, res)
}

// Threads lists the actor's own threads, the last used first. agentID and projectID,
// unless "", limit them to that agent and that project.
func (a *App) Threads(ctx context.Context, actor *Actor, agentID, projectID string, p store.Page) (*store.Listing[store.Thread], error) {
	if err := Check(actor, ActListThreads, Resource{}); err != nil {
		return nil, err
	}
	return a.db.ThreadsOf(ctx, actor.User.ID, agentID, projectID, p)
}

// Thread returns one of the actor's threads.
func (a *App) Thread(ctx context.Context, actor *Actor, id string) (*store.Thread, error) {
	return a.threadFor(ctx, actor, id, ActReadThread)
}

// UpdateThread changes the sent members of a thread.
func (a *App) UpdateThread(ctx context.Context, actor *Actor, id string, s ThreadSettings) (th *store.Thread, err error) {
	if _, err := a.threadFor(ctx, actor, id, ActWriteThread); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if th, err = tx.ThreadForUpdate(ctx, id); err != nil {
			return err
		}
		metadata := th.MetadataJSON
		if err := s.apply(th); err != nil {
			return err
		}
		th.UpdatedAt = a.instant()
		if err := tx.UpdateThread(ctx, th); err != nil || !longer(metadata, th.MetadataJSON) {
			return err
		}
		return a.quotas.within(ctx, tx, th.UserID)
	})
	return th, fromStore(err, "Thread")
}

// DeleteThread deletes a thread with its messages. A dry run only counts.
func (a *App) DeleteThread(ctx context.Context, actor *Actor, id string, dryRun bool) (store.Counts, error) {
	th, err := a.threadFor(ctx, actor, id, ActWriteThread)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return a.db.ThreadContents(ctx, id)
	}
	return nil, fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteThread(ctx, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didDeleteThread, target{"thread", id}, changes{"project_id": th.ProjectID, "agent_id": th.AgentID}, nil)
	}), "Thread")
}

// ThreadMessages lists a thread's messages, oldest first: the newest 1000, or the newest
// of those before the message with the id before.
func (a *App) ThreadMessages(ctx context.Context, actor *Actor, id, before string) (*store.Listing[store.ThreadMessage], error) {
	if _, err := a.threadFor(ctx, actor, id, ActReadThread); err != nil {
		return nil, err
	}
	seq := int64(0)
	if before != "" {
		m, err := a.db.ThreadMessage(ctx, id, before)
		if err != nil {
			return nil, fromStore(err, "Message")
		}
		seq = m.Seq
	}
	return a.db.ListThreadMessages(ctx, id, seq, store.MaxLimit)
}

// threadFor loads a thread and checks that the actor may do the action to it.
func (a *App) threadFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Thread, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	th, err := a.db.Thread(ctx, id)
	if err != nil {
		return nil, fromStore(err, "Thread")
	}
	res := Resource{Noun: "Thread"}
	if th.UserID == actor.User.ID {
		res.Relations = IsCreator
	}
	return th, Check(actor, action, res)
}

// askSlack is added to the longest time for an answer. After that a thread no longer
// counts as being answered, because the process that answered it must have died.
const askSlack = 15 * time.Second

// TalkInThread stores the actor's message in a thread and returns the agent's answer. If
// the agent fails, the message stays. It is answered when the actor sends it again with
// the same ClientID.
func (a *App) TalkInThread(ctx context.Context, actor *Actor, id string, in ThreadMessage) (*store.ThreadMessage, error) {
	th, err := a.threadFor(ctx, actor, id, ActWriteThread)
	if err != nil {
		return nil, err
	}
	ag, mayKnow, err := a.usableAgent(ctx, actor, th.AgentID, "Agent config")
	if err != nil {
		return nil, err
	}
	// A template stays with its maker. But whoever has left the project may not talk to
	// it there any more.
	if err := a.mayUseProject(ctx, actor, th.ProjectID); err != nil {
		return nil, err
	}
	if err := a.threads.check(&in); err != nil {
		return nil, err
	}
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return nil, err
	}
	defer release()
	asked, answered, err := a.threads.ask(ctx, id, in)
	if err != nil || answered != nil {
		return answered, fromStore(err, "Thread")
	}
	said, err := a.threads.answer(ctx, ag, th, asked, mayKnow)
	// Store the model's answer and free the thread, even if the request was cancelled.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	answer, ended := a.threads.endAsking(end, asked, said)
	if err != nil {
		return nil, err
	}
	return answer, fromStore(ended, "Thread")
}

// ask stores a message and claims the thread for the answer to it. A message that
// was stored before is returned with its answer, if it has one.
func (t *threads) ask(ctx context.Context, id string, in ThreadMessage) (asked, answered *store.ThreadMessage, err error) {
	err = t.db.InTx(ctx, func(tx *store.Tx) error {
		th, err := tx.ThreadForUpdate(ctx, id)
		if err != nil {
			return err
		}
		if in.ClientID != "" {
			if asked, err = tx.ThreadMessageByClientID(ctx, id, in.ClientID); store.UnlessMissing(err) != nil {
				return err
			}
			if err == nil {
				if answered, err = tx.ThreadAnswer(ctx, asked.ID); err == nil || store.UnlessMissing(err) != nil {
					return err
				}
				answered = nil
			} else {
				asked = nil
			}
		}
		now := t.now.instant()
		if th.Asking != "" && th.AskingUntil.After(now) {
			return &Error{Kind: KindConflict, Code: "answering", Message: "The agent is still answering; wait for its answer", RetryAfter: retryModelAfter}
		}
		if asked == nil {
			th.LastSeq++
			asked = &store.ThreadMessage{ID: store.NewID(), ThreadID: id, Seq: th.LastSeq, Role: store.ThreadUser, Content: in.Message,
				MetadataJSON: in.MetadataJSON, ClientID: in.ClientID, CreatedAt: now}
			if err := tx.CreateThreadMessage(ctx, asked); err != nil {
				return err
			}
			if err := t.quotas.within(ctx, tx, th.UserID); err != nil {
				return err
			}
		}
		th.Asking, th.AskingUntil, th.UpdatedAt = asked.ID, now.Add(t.cfg.Limits.AnswerWithin+askSlack), now
		return tx.UpdateThread(ctx, th)
	})
	return asked, answered, err
}

// answer asks the agent's model. The model gets the newest messages up to the one
// that it answers, a window of the agent's context_window messages.
func (t *threads) answer(ctx context.Context, ag *store.Agent, th *store.Thread, asked *store.ThreadMessage, mayKnow bool) (model.Answer, error) {
	lines, err := turn.Window(ag.ContextWindow, func(limit int) ([]store.ThreadMessage, error) {
		return t.db.ThreadMessages(ctx, asked.ThreadID, asked.Seq+1, limit)
	}, func(m *store.ThreadMessage) int64 { return m.Seq })
	if err != nil {
		return model.Answer{}, err
	}
	shown := make([]llm.Message, len(lines))
	for i, m := range lines {
		shown[i] = llm.Message{Role: llm.RoleUser, Text: m.Content}
		if m.Role == store.ThreadAssistant {
			shown[i].Role = llm.RoleAssistant
		}
	}
	return t.calls.ask(ctx, ag, ledger.Origin{Kind: ledger.ForThread, ThreadID: th.ID, ProjectID: th.ProjectID, PersonID: th.UserID}, shown, mayKnow)
}

// CutMetadata is the metadata of an answer that was cut before its end.
var CutMetadata = `{"truncated":true}`

// endAsking stores the answer to a message and frees the thread. It stores nothing if
// the answer is empty or if the message already has one.
func (t *threads) endAsking(ctx context.Context, asked *store.ThreadMessage, said model.Answer) (answer *store.ThreadMessage, err error) {
	err = t.db.InTx(ctx, func(tx *store.Tx) error {
		th, err := tx.ThreadForUpdate(ctx, asked.ThreadID)
		if err != nil {
			return err
		}
		now := t.now.instant()
		// If this claim had expired, another process may have answered first.
		if answer, err = tx.ThreadAnswer(ctx, asked.ID); store.UnlessMissing(err) != nil {
			return err
		} else if err != nil && said.Text != "" {
			th.LastSeq++
			answer = &store.ThreadMessage{ID: store.NewID(), ThreadID: th.ID, Seq: th.LastSeq, Role: store.ThreadAssistant, Content: said.Text,
				Answers: asked.ID, CreatedAt: now}
			if said.Cut {
				answer.MetadataJSON = &CutMetadata
			}
			if err := tx.CreateThreadMessage(ctx, answer); err != nil {
				return err
			}
			th.UpdatedAt = now
		}
		if th.Asking == asked.ID {
			th.Asking, th.AskingUntil = "", time.Time{}
		}
		return tx.UpdateThread(ctx, th)
	})
	return answer, err
}
