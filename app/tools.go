package app

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coagent-studio/coagent/app/llm"
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

// effect is what a tool's call does to the room.
type effect string

const (
	effectRead        effect = "read"
	effectChange      effect = "change"      // adds something, or changes what agents made; it can be undone
	effectDestructive effect = "destructive" // deletes or replaces what a person made
	effectOutgoing    effect = "outgoing"    // sends something out of the room, or changes how the agent is set
)

// waits reports whether a call waits for a person to allow it. A model acts on what it
// reads, and anybody in the room can write that.
func (e effect) waits() bool { return e == effectDestructive || e == effectOutgoing }

// tool is something that a model may call in a turn. plan says what a call would do,
// before it does anything. run then does it in the transaction that stores the step. A
// tool has either run or ask, which works outside of a transaction.
type tool struct {
	name, description string
	schema            string // JSON Schema 2020-12 of the arguments
	needs             []string
	plan              func(ctx context.Context, c *toolCall) (plan, error)
	run               func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error)
	ask               func(ctx context.Context, c *toolCall) (toolResult, error)

	valid *jsonschema.Schema
}

// plan is what a call is going to do. Summary is for the person who may have to allow
// it. Version is the version of the artifact that it changes.
type plan struct {
	Effect     effect `json:"effect"`
	Summary    string `json:"summary,omitempty"`
	ArtifactID string `json:"artifact_id,omitempty"`
	Version    int    `json:"version,omitempty"`
}

// toolResult is what a model gets as the result of a call: a text, messages of the room
// by their seqs, or a list of artifacts. Messages and artifacts are stored as
// references, so that no stored result contains what is hidden, deleted or erased later.
type toolResult struct {
	Text      string        `json:"result,omitempty"`
	Messages  []int64       `json:"lines,omitzero"`
	Artifacts []artifactRef `json:"artifacts,omitzero"`
	Erased    bool          `json:"erased,omitempty"`

	artifactID string
}

// artifactRef is an artifact in a list, with its version at that time.
type artifactRef struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

// toolCall is one call in progress.
type toolCall struct {
	run  *attempt
	part *part
	args json.RawMessage // they fit the tool's schema
	plan plan
	step *store.TurnStep
	// node is the position of the call in its part: the number of the answer and of the
	// call in it.
	node string
}

// by is the agent as the author of a change.
func (c *toolCall) by() author { return author{agent: c.part.agent.ID} }

// arguments decodes the arguments. They already fit the schema.
func arguments[T any](c *toolCall) (args T, err error) {
	if err = json.Unmarshal(c.args, &args); err != nil {
		err = errorf(KindInvalid, "invalid", "the arguments cannot be read: %v", err)
	}
	return args, err
}

// reply is a result with v as JSON.
func reply(v any) toolResult { return toolResult{Text: string(store.ToJSON(v))} }

// compileTools makes the tools that agents may be offered. An error means a bug in a
// tool.
func compileTools() ([]*tool, error) {
	tools := []*tool{manageArtifact(true), manageArtifact(false), listArtifacts(), readArtifact(), searchMessages(), listMembers(), askAgent(), updateTrigger()}
	for _, t := range tools {
		schema, err := jsonschema.UnmarshalJSON(strings.NewReader(t.schema))
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.name, err)
		}
		c := jsonschema.NewCompiler()
		if err = c.AddResource(t.name, schema); err == nil {
			t.valid, err = c.Compile(t.name)
		}
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.name, err)
		}
	}
	return tools, nil
}

// toolsFor returns the tools that an agent's capabilities allow. If several have one
// name, the first one counts.
func (a *App) toolsFor(ag *store.Agent) []*tool {
	var have []string
	if json.Unmarshal([]byte(ag.Capabilities), &have) != nil || len(have) == 0 {
		return nil
	}
	var tools []*tool
	for _, t := range a.tools {
		lacks := slices.ContainsFunc(t.needs, func(need string) bool { return !holds(have, need) })
		if !lacks && !slices.ContainsFunc(tools, func(o *tool) bool { return o.name == t.name }) {
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
		out[i] = llm.Tool{Name: t.name, Description: t.description, Schema: json.RawMessage(t.schema)}
	}
	return out
}

// toolRule tells a model how to use its tools.
const toolRule = " You have tools. Use them when the class needs it, and say in your line what you have done. " +
	"A call that takes away or replaces what somebody made waits for a person of the staff; do not make it again meanwhile."

// find returns the offered tool with this name, nil if there is none.
func (p *part) find(name string) *tool {
	if i := slices.IndexFunc(p.tools, func(t *tool) bool { return t.name == name }); i >= 0 {
		return p.tools[i]
	}
	return nil
}

// check returns what is wrong with a call's arguments, in words for the model.
func (t *tool) check(args json.RawMessage) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(args)))
	if err != nil {
		return errorf(KindInvalid, "invalid", "the arguments are not JSON")
	}
	if err := t.valid.Validate(v); err != nil {
		return errorf(KindInvalid, "invalid", "the arguments do not fit the schema: %s", store.Cut(schemaFaults(err), 1000))
	}
	return nil
}

// schemaFaults lists the faults in a validation error, without the address of the
// schema.
func schemaFaults(err error) string {
	_, faults, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(faults)
}
