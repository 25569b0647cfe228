package turn

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/store"
)

// What an agent may do besides posting messages, by its capabilities. An agent without
// any is offered no tool.
const (
	CapChatRead       = "chat:read"       // search the messages from before its context window
	CapChatWrite      = "chat:write"      // post messages, as every agent in a room may
	CapArtifactRead   = "artifact:read"   // list and read artifacts
	CapArtifactWrite  = "artifact:write"  // create, change and read artifacts
	CapArtifactDelete = "artifact:delete" // ask for the deletion of artifacts
	CapMembersRead    = "members:read"    // know the names of the people and agents
	CapAgentsAsk      = "agents:ask"      // ask another agent of the room
	CapTriggerWrite   = "trigger:write"   // ask to change when it speaks by itself
)

// Effect is what a tool's call does to the room.
type Effect string

// The effects of calls.
const (
	EffectRead        Effect = "read"
	EffectChange      Effect = "change"      // adds something, or changes what agents made; it can be undone
	EffectDestructive Effect = "destructive" // deletes or replaces what a person made
	EffectOutgoing    Effect = "outgoing"    // sends something out of the room, or changes how the agent is set
)

// Waits reports whether a call waits for a person to allow it. A model acts on what it
// reads, and anybody in the room can write that.
func (e Effect) Waits() bool { return e == EffectDestructive || e == EffectOutgoing }

// Tool is something that a model may call in a turn. Plan says what a call would do,
// before it does anything; without one, a call only reads. Run then does it in the
// transaction that stores the step.
type Tool struct {
	Name, Description string
	Schema            string   // JSON Schema 2020-12 of the arguments
	Needs             []string // capabilities
	Alone             bool     // it is of use to an agent that talks to one person alone
	Plan              func(ctx context.Context, c *Call) (Plan, error)
	Run               func(ctx context.Context, tx *store.Tx, c *Call) (Result, error)

	// useful says whether a call can do anything for the agent in this room; nil means
	// yes. A tool that is of no use is not offered.
	useful func(here *RoomAgent) bool

	ask   func(ctx context.Context, c *Call) (Result, error) // in place of Run: it works outside of a transaction
	valid *jsonschema.Schema
}

// slow tells whether a call may take long: it asks another model. All other tools are a
// few reads or one transaction.
func (t *Tool) slow() bool { return t != nil && t.ask != nil }

// Plan is what a call is going to do. Summary is for the person who may have to allow
// it. Version is the version of the artifact that it changes.
type Plan struct {
	Effect     Effect `json:"effect"`
	Summary    string `json:"summary,omitempty"`
	ArtifactID string `json:"artifact_id,omitempty"`
	Version    int    `json:"version,omitempty"`
}

// Result is what a model gets as the result of a call: a text, messages of the room
// by their seqs, or a list of artifacts. Messages and artifacts are stored as
// references, so that no stored result contains what is hidden, deleted or erased later.
type Result struct {
	Text      string        `json:"result,omitempty"`
	Messages  []int64       `json:"lines,omitzero"`
	Artifacts []ArtifactRef `json:"artifacts,omitzero"`
	Erased    bool          `json:"erased,omitempty"`

	ArtifactID string `json:"-"` // the artifact that the call read or changed
}

// ArtifactRef is an artifact in a list, with its version at that time.
type ArtifactRef struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

// Call is one call of a tool in progress.
type Call struct {
	Plan Plan
	run  *attempt
	part *part
	args json.RawMessage // they fit the tool's schema
	step *store.TurnStep
	// node is the position of the call in its part: the number of the answer and of the
	// call in it.
	node string
}

// RoomID is the room of the turn.
func (c *Call) RoomID() string { return c.run.turn.RoomID }

// TurnID is the turn in which the agent calls.
func (c *Call) TurnID() string { return c.run.turn.ID }

// AgentID is the agent that calls.
func (c *Call) AgentID() string { return c.part.agent.ID }

// AgentName is what that agent is called.
func (c *Call) AgentName() string { return c.part.agent.Name }

// ToolError is an error that the model is told as the result of its call.
type ToolError struct {
	Code, Message string
	Err           error // the cause, may be nil
}

// Error is the text for the log.
func (e *ToolError) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause.
func (e *ToolError) Unwrap() error { return e.Err }

func toolErrorf(code, format string, args ...any) *ToolError {
	return &ToolError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Arguments decodes the arguments of a call. They already fit the schema.
func Arguments[T any](c *Call) (args T, err error) {
	if err = json.Unmarshal(c.args, &args); err != nil {
		err = toolErrorf("invalid", "the arguments cannot be read: %v", err)
	}
	return args, err
}

// Reply is a result with v as JSON.
func Reply(v any) Result { return Result{Text: string(store.ToJSON(v))} }

// Compile makes the tools that agents may be offered: more, and those of this package. An
// error means a bug in a tool.
func Compile(more []*Tool) ([]*Tool, error) {
	tools := slices.Concat(more, []*Tool{listArtifacts(), readArtifact(), searchMessages(), listMembers(), askAgent(), updateTrigger()})
	for _, t := range tools {
		schema, err := jsonschema.UnmarshalJSON(strings.NewReader(t.Schema))
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.Name, err)
		}
		c := jsonschema.NewCompiler()
		if err = c.AddResource(t.Name, schema); err == nil {
			t.valid, err = c.Compile(t.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.Name, err)
		}
	}
	return tools, nil
}

// toolsFor returns the tools that an agent is offered in this room: those that its
// capabilities allow and that can do something here. If several have one name, the first
// one counts.
func (r *attempt) toolsFor(ag *store.Agent) []*Tool {
	var have []string
	here := r.roomAgents[ag.ID]
	if json.Unmarshal([]byte(ag.Capabilities), &have) != nil || len(have) == 0 || here == nil && r.turn.Cause != turntaking.CauseThread {
		return nil
	}
	var tools []*Tool
	for _, t := range r.engine.tools {
		lacks := slices.ContainsFunc(t.Needs, func(need string) bool { return !holds(have, need) })
		useless := here == nil && !t.Alone || here != nil && t.useful != nil && !t.useful(here)
		if !lacks && !useless && !slices.ContainsFunc(tools, func(o *Tool) bool { return o.Name == t.Name }) {
			tools = append(tools, t)
		}
	}
	return tools
}

// holds reports whether capabilities include one. An agent that may write artifacts may
// also read them.
func holds(have []string, need string) bool {
	return slices.Contains(have, need) || need == CapArtifactRead && slices.Contains(have, CapArtifactWrite)
}

// offered is the description of a part's tools for the model.
func (p *part) offered() []llm.Tool {
	out := make([]llm.Tool, len(p.tools))
	for i, t := range p.tools {
		out[i] = llm.Tool{Name: t.Name, Description: t.Description, Schema: json.RawMessage(t.Schema)}
	}
	return out
}

// find returns the offered tool with this name, nil if there is none.
func (p *part) find(name string) *Tool {
	if i := slices.IndexFunc(p.tools, func(t *Tool) bool { return t.Name == name }); i >= 0 {
		return p.tools[i]
	}
	return nil
}

// Check returns what is wrong with a call's arguments, in words for the model.
func (t *Tool) Check(args json.RawMessage) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(args)))
	if err != nil {
		return toolErrorf("invalid", "the arguments are not JSON")
	}
	if err := t.valid.Validate(v); err != nil {
		return toolErrorf("invalid", "the arguments do not fit the schema: %s", store.Cut(schemaFaults(err), 1000))
	}
	return nil
}

// schemaFaults lists the faults in a validation error, without the address of the
// schema.
func schemaFaults(err error) string {
	_, faults, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(faults)
}
