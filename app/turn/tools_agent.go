package turn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

// askAgent has another agent of the room answer a question within the turn. That agent
// sees the same room but is offered no tools, so questions cannot nest.
func askAgent() *Tool {
	return &Tool{Name: "ask_agent", Needs: []string{CapAgentsAsk},
		Description: "Ask another agent of this room a question and get its answer; the room does not see it. " +
			"agent is a name as list_members gives it.",
		Schema: `{"type":"object","properties":{"agent":{"type":"string","minLength":1,"maxLength":200},` +
			`"question":{"type":"string","minLength":1,"maxLength":4000}},"required":["agent","question"],"additionalProperties":false}`,
		ask: func(ctx context.Context, c *Call) (Result, error) {
			args, err := Arguments[struct {
				Agent    string `json:"agent"`
				Question string `json:"question"`
			}](c)
			if err != nil {
				return Result{}, err
			}
			return c.askOther(ctx, strings.TrimPrefix(strings.TrimSpace(args.Agent), "@"), args.Question)
		}}
}

func (c *Call) askOther(ctx context.Context, name, text string) (Result, error) {
	r, self := c.run, c.part.agent
	others := slices.DeleteFunc(slices.Clone(r.speakers), func(ag store.Agent) bool { return ag.ID == self.ID })
	i := slices.IndexFunc(others, func(ag store.Agent) bool { return mention.Fold(ag.Name) == mention.Fold(name) })
	if i < 0 {
		var names []string
		for _, ag := range others {
			names = append(names, ag.Name)
		}
		return Result{}, toolErrorf("not_found", "no other agent of that name can answer here; there are: %s", strings.Join(names, ", "))
	}
	other := &others[i]
	// The node of the question is the same in every attempt at the turn, so a later
	// attempt finds its answer.
	part := part{node: c.part.node + "/ask " + c.node, agent: other}
	err := r.engine.background.Do(ctx, func() (err error) {
		course, err := r.engine.db.Course(ctx, r.room.CourseID)
		if err != nil {
			return err
		}
		part.system = r.instructionsFor(other, course)
		part.messages, err = r.windowOf(ctx, other)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	part.asked = []llm.Message{quoted(fmt.Sprintf("%s (AI %s, to you alone)", self.Name, self.Type), text)}
	answer, err := c.answerOf(ctx, &part, text)
	if err != nil {
		return Result{}, c.notAsked(other, err)
	}
	if answer == "" {
		return Result{}, toolErrorf(model.ReasonSilent, "%s said nothing", other.Name)
	}
	return Reply(struct {
		Agent  string `json:"agent"`
		Answer string `json:"answer"`
	}{other.Name, store.Cut(answer, int(r.engine.cfg.Limits.MessageBytes))}), nil
}

// answerOf has the other agent answer. One outside this program may take its time: then
// errParked says that the turn waits for it, and a later attempt makes the call again.
func (c *Call) answerOf(ctx context.Context, part *part, text string) (string, error) {
	if !part.agent.IsExternal {
		return c.run.converse(ctx, *part)
	}
	return c.run.consult(ctx, &question{node: part.node, agent: part.agent, by: c.part.agent, cause: causeAsked, text: text,
		asked: part.asked, messages: part.messages, within: min(askedWithin, c.run.engine.cfg.Turns.ApprovalWithin)})
}

// notAsked is the result for the asking model if the other agent fails. A turn does not
// fail because of a question in it.
func (c *Call) notAsked(other *store.Agent, err error) error {
	f := FaultOf(err, 1)
	switch {
	case errors.Is(err, errParked):
		return err
	case errors.Is(err, errUnanswered):
		return toolErrorf(f.Reason, "%s has not answered in time", other.Name)
	case errors.Is(err, errNothing):
		return toolErrorf(f.Reason, "%s said nothing", other.Name)
	case llm.KindOf(err) == "" && f.Reason != model.ReasonNoKey && f.Reason != reasonOutside:
		return err
	}
	return toolErrorf(f.Reason, "%s could not answer", other.Name)
}
