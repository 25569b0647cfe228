package web

import (
	"context"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

const pathThreadEvents = v1 + "/threads/{thread_id}/events"

// ThreadTurnMembers are the members that lists and details of a thread's turns share.
type ThreadTurnMembers struct {
	ID         string     `json:"id" format:"uuid"`
	ThreadID   string     `json:"thread_id" format:"uuid"`
	AgentID    string     `json:"agent_id" format:"uuid"`
	Cause      string     `json:"cause" enum:"thread,stateless"`
	QuestionID string     `json:"question_id" format:"uuid"`
	AnswerID   *string    `json:"answer_id" format:"uuid"`
	State      string     `json:"state" enum:"waiting,queued,running,parked,finished,failed,stopped" doc:"parked: see the approvals"`
	Reason     *string    `json:"reason" doc:"Why it ended so, waits or is tried again"`
	Detail     *string    `json:"detail" doc:"For who may change the agent"`
	CreatedAt  time.Time  `json:"created_at"`
	StartedAt  *time.Time `json:"started_at"`
	EndedAt    *time.Time `json:"ended_at"`
}

func threadTurnForm(t *app.ThreadTurn) ThreadTurnMembers {
	return ThreadTurnMembers{ID: t.ID, ThreadID: t.RoomID, AgentID: t.AgentID, Cause: t.Cause, QuestionID: t.QuestionID, AnswerID: nullable(t.AnswerID),
		State: t.State, Reason: nullable(t.Reason), Detail: nullable(t.Detail), CreatedAt: instant(t.CreatedAt),
		StartedAt: optionalInstant(t.StartedAt), EndedAt: optionalInstant(t.EndedAt)}
}

type askInThreadIn struct {
	ThreadID id `path:"thread_id"`
	Body     struct {
		ThreadLineIn
		ClientID string `json:"client_id,omitempty" doc:"Your name for the message: sent again, it is asked once"`
	}
}

type askedInThreadOut struct {
	Body struct {
		Turn    maybe[ThreadTurnMembers] `json:"turn" doc:"null: long ago, only the answer is kept"`
		Message threadMessageOut         `json:"message"`
		Answer  maybe[threadMessageOut]  `json:"answer"`
	}
}

func (s *Server) askInThread(ctx context.Context, actor *app.Actor, in *askInThreadIn) (*askedInThreadOut, error) {
	m, t, answer, err := s.app.AskInThread(ctx, actor, in.ThreadID.String(),
		app.ThreadMessage{Message: in.Body.Message, MetadataJSON: in.Body.MetadataJSON, ClientID: in.Body.ClientID})
	if err != nil {
		return nil, err
	}
	out := &askedInThreadOut{}
	if out.Body.Message = threadMessageForm(m); t != nil {
		form := threadTurnForm(t)
		out.Body.Turn.object = &form
	}
	out.Body.Answer = answerOrNull(answer)
	return out, nil
}

func answerOrNull(m *store.ThreadMessage) (out maybe[threadMessageOut]) {
	if m != nil {
		form := threadMessageForm(m)
		out.object = &form
	}
	return out
}

func (s *Server) threadTurns(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[ThreadTurnMembers], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.ThreadTurn, error) {
		return s.app.ThreadTurns(ctx, actor, in.ID.String(), in.page())
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, threadTurnForm, skipping[app.ThreadTurn](in.PageIn))
}

type threadTurnDetailsOut struct {
	ThreadTurnMembers
	Message   maybe[threadMessageOut] `json:"message"`
	Approvals []approvalOut           `json:"approvals"`
	Steps     []stepOut               `json:"steps" doc:"For who may change the agent"`
}

type threadTurnOut struct {
	Body around[threadTurnDetailsOut]
}

func (s *Server) threadTurn(ctx context.Context, actor *app.Actor, in *twoIDs) (*threadTurnOut, error) {
	t, err := s.app.ThreadTurn(ctx, actor, in.First.String(), in.Second.String())
	if err != nil {
		return nil, err
	}
	out := threadTurnDetailsOut{ThreadTurnMembers: threadTurnForm(&t.ThreadTurn), Message: answerOrNull(t.Answer),
		Approvals: make([]approvalOut, len(t.Approvals)), Steps: []stepOut{}}
	for i := range t.Approvals {
		out.Approvals[i] = approvalForm(&t.Approvals[i])
	}
	body, err := enclosed(ctx, s, out, t.Steps, stepForm)
	return &threadTurnOut{body}, err
}

func (s *Server) stopThreadTurn(ctx context.Context, actor *app.Actor, in *twoIDs) (*stoppedTurnOut, error) {
	return stopped(s.app.StopThreadTurn(ctx, actor, in.First.String(), in.Second.String()))
}

func (s *Server) threadApprovals(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[approvalOut], error) {
	rows, err := s.app.ThreadApprovals(ctx, actor, in.ID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, approvalForm, skipping[app.Approval](in.PageIn))
}

func (s *Server) decideInThread(ctx context.Context, actor *app.Actor, in *decisionIn) (*oneOut[approvalOut], error) {
	done, err := s.app.DecideThreadApproval(ctx, actor, in.First.String(), in.Second.String(), in.Body.Decision, in.Body.Note)
	if err != nil {
		return nil, err
	}
	return &oneOut[approvalOut]{approvalForm(done)}, nil
}

func (s *Server) threadEvents(ctx context.Context, actor *app.Actor, in *eventsIn) (*eventsOut, error) {
	return s.eventList(ctx, func(room func(int64) error) (*app.EventPage, error) {
		return s.app.ThreadEvents(ctx, actor, in.ID.String(), in.After, in.Limit, room)
	})
}

// streamThread is streamEvents for a thread. Its streams also have the text of the answer
// under way.
func (s *Server) streamThread(c *fiber.Ctx) error {
	return s.streamOf(c, "thread_id", &eventStream{server: s, read: s.app.ThreadEvents, deltas: true})
}

func (s *Server) threadArtifacts(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[artifactOut], error) {
	rows, err := s.app.ThreadArtifacts(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, artifactForm)
}

func (s *Server) threadArtifact(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[artifactOut], error) {
	return oneArtifact(s.app.ThreadArtifact(ctx, actor, in.First.String(), in.Second.String()))
}

// threadTurnRoutes registers the routes about the turns in a thread, for its person.
func (s *Server) threadTurnRoutes() {
	const tag = "Threads"
	known, edited := []int{missing}, []int{missing, conflict}
	const turns, approvals = v1 + "/threads/{thread_id}/turns", v1 + "/threads/{thread_id}/approvals"
	add(s, post, turns, "askInThread", s.askInThread,
		route{tag: tag, summary: "Say something to a thread's agent, once for each client_id, and read the answer later",
			description: "For who began it. The answer comes with the turn and by the thread's events.",
			example:     `{"message":"What is light?","client_id":"7f3a"}`,
			status:      http.StatusAccepted, errors: []int{missing, conflict, limited}})
	add(s, get, turns, "listThreadTurns", s.threadTurns,
		route{tag: tag, summary: "List the turns of a thread's agent, newest first",
			description: "For who began the thread.",
			errors:      known})
	add(s, get, turns+"/{turn_id}", "getThreadTurn", s.threadTurn,
		route{tag: tag, summary: "Show a turn with its answer, and what waits for your decision",
			description: "For who began the thread.",
			large:       manyBytes, errors: known})
	add(s, post, turns+"/{turn_id}/stop", "stopThreadTurn", s.stopThreadTurn,
		route{tag: tag, summary: "Stop a turn; what the agent has said is kept",
			description: "For who began the thread.",
			errors:      known})
	add(s, get, approvals, "listThreadApprovals", s.threadApprovals,
		route{tag: tag, summary: "List what the agent wants to do in a thread and waits for",
			description: "For who began the thread.",
			errors:      known})
	add(s, post, approvals+"/{step_id}", "decideInThread", s.decideInThread,
		route{tag: tag, summary: "Allow or refuse what the agent wants to do; the first decision counts",
			description: "For who began the thread. The agent goes on at once.",
			example:     `{"decision":"reject","note":"Keep the old one."}`,
			errors:      edited})
	s.fiber.Add(get, v1+"/threads/:thread_id/events", s.streamThread)
	add(s, get, pathThreadEvents, "listThreadEvents", s.threadEvents,
		route{tag: tag, summary: "List a thread's durable events after a seq, or stream them with Accept: text/event-stream",
			description: "For who began the thread. Go on with after=next while more is true.",
			large:       manyBytes, errors: known})
	s.streamed(pathThreadEvents)
	add(s, get, v1+"/threads/{thread_id}/artifacts", "listThreadArtifacts", s.threadArtifacts,
		route{tag: tag, summary: "List what the agent has made in a thread, newest first",
			description: "For who began the thread.",
			large:       manyBytes, errors: known})
	add(s, get, v1+"/threads/{thread_id}/artifacts/{artifact_id}", "getThreadArtifact", s.threadArtifact,
		route{tag: tag, summary: "Show what the agent has made",
			description: "For who began the thread.",
			large:       manyBytes, errors: known})
}

// stopped is the answer about a turn that somebody has stopped.
func stopped(t *store.Turn, err error) (*stoppedTurnOut, error) {
	if err != nil {
		return nil, err
	}
	out := &stoppedTurnOut{}
	out.Body.TurnID, out.Body.State = t.ID, t.State
	return out, nil
}
