package app

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sync/singleflight"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// threads stores what a person and an agent say to each other outside courses. The caller
// has checked that the person may.
type threads struct {
	cfg    *config.Config
	db     *store.DB
	now    clock
	quotas quotas
	engine *turn.Engine

	posting singleflight.Group // posts of the same message at once, see App.talk
}

// ThreadMessage is a person's message to an agent.
type ThreadMessage struct {
	Message      string
	MetadataJSON *string // for the client's own use
	// ClientID is the client's own id for the message, "" or at most 64 characters. If a
	// message is sent again with the same id, it is not stored or answered twice.
	ClientID string
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
	return ag, Check(actor, ActUpdateAgent, res) == nil, nil
}

func (t *threads) check(in *ThreadMessage) error {
	if len(in.Message) > int(t.cfg.Limits.MessageBytes) {
		return errorf(KindTooLarge, wording.TooLarge, "message: has %d bytes, at most %d are possible", len(in.Message), t.cfg.Limits.MessageBytes)
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
	th := &store.Thread{ID: store.NewID(), ProjectID: projectID, AgentID: agentID, UserID: actor.User.ID,
		Name: &title, MetadataJSON: &metadata, CreatedAt: now, UpdatedAt: now, Version: 1}
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
		// Lock order: room, thread.
		if _, err := tx.RoomForUpdate(ctx, id); err != nil {
			return err
		}
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
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteThread(ctx, id); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.audience.threadGone(id) })
		return a.audit.record(ctx, tx, actor, didDeleteThread, target{"thread", id},
			changes{"project_id": th.ProjectID, "agent_id": th.AgentID}, nil)
	})
	return nil, fromStore(err, "Thread")
}

// ThreadMessages lists a thread's messages, oldest first: the newest 1000, or the newest
// of those before the message with the id before.
func (a *App) ThreadMessages(ctx context.Context, actor *Actor, id, before string) (*store.Listing[store.ThreadMessage], error) {
	if _, err := a.threadFor(ctx, actor, id, ActReadThread); err != nil {
		return nil, err
	}
	seq := int64(0)
	if before != "" {
		m, err := a.db.MessageInRoom(ctx, id, before)
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
	if err == nil && th.Stateless { // nobody comes back to it
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fromStore(err, "Thread")
	}
	res := Resource{Noun: "Thread"}
	if th.UserID == actor.User.ID {
		res.Relations = IsCreator
	}
	return th, Check(actor, action, res)
}
