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

// What an agent may do beside speaking, as its capabilities say. An agent
// without any is offered no tool.
const (
	CapChatRead       = "chat:read"       // search what was said before its window
	CapChatWrite      = "chat:write"      // speak, as every agent in a room may
	CapArtifactRead   = "artifact:read"   // list and read artifacts
	CapArtifactWrite  = "artifact:write"  // make, change and read artifacts
	CapArtifactDelete = "artifact:delete" // ask for their deletion
	CapMembersRead    = "members:read"    // know the names of the people and agents
	CapAgentsAsk      = "agents:ask"      // ask another agent of the room
	CapTriggerWrite   = "trigger:write"   // ask for a change of when it speaks by itself
)

// effect is what a call does to the room.
type effect string

const (
	effectRead        effect = "read"
	effectChange      effect = "change"      // adds, or changes what agents made; it can be undone
	effectDestructive effect = "destructive" // takes away or replaces what a person made
	effectOutgoing    effect = "outgoing"    // leaves the room, or changes how the agent is led
)

// waits tells whether a call waits for a person. What a model does follows
// from what it reads, and anybody in the room writes that.
func (e effect) waits() bool { return e == effectDestructive || e == effectOutgoing }

// tool is something that a model may call in a turn. plan says what a call
// would do, before anything is done; run does it in the transaction that
// stores the step; ask, in its place, does it outside of one.
type tool struct {
	name, description string
	schema            string // of the arguments, JSON Schema 2020-12
	needs             []string
	plan              func(ctx context.Context, c *toolCall) (plan, error)
	run               func(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error)
	ask               func(ctx context.Context, c *toolCall) (toolResult, error)

	valid *jsonschema.Schema
}

// plan is what a call is going to do: Summary says it to the person who may
// have to allow it, Version is that of the artifact which it is about.
type plan struct {
	Effect     effect `json:"effect"`
	Summary    string `json:"summary,omitempty"`
	ArtifactID string `json:"artifact_id,omitempty"`
	Version    int    `json:"version,omitempty"`
}

// toolResult is what a model is told of a call: a text, or lines of the room
// by their numbers, or a list of artifacts, so that what is hidden, taken back
// or erased later is in no stored result.
type toolResult struct {
	Text      string        `json:"result,omitempty"`
	Messages  []int64       `json:"lines,omitzero"`
	Artifacts []artifactRef `json:"artifacts,omitzero"`
	Erased    bool          `json:"erased,omitempty"`

	artifactID string
}

// artifactRef is an artifact in a list, as it was then.
type artifactRef struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

// toolCall is one call on its way.
type toolCall struct {
	run  *attempt
	part *part
	args json.RawMessage // valid against the tool's schema
	plan plan
	step *store.TurnStep
	// place is that of the call in its part: of which answer, and which of its calls.
	node string
}

// by is who an agent's change is made by.
func (c *toolCall) by() author { return author{agent: c.part.agent.ID} }

// arguments reads the arguments, which fit the schema.
func arguments[T any](c *toolCall) (args T, err error) {
	if err = json.Unmarshal(c.args, &args); err != nil {
		err = errorf(KindInvalid, "invalid", "the arguments cannot be read: %v", err)
	}
	return args, err
}

// reply is a result that says something as JSON.
func reply(v any) toolResult { return toolResult{Text: string(toJSON(v))} }

// compileTools makes the tools that agents may be offered; a mistake in one is
// a mistake of the program.
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

// toolsFor are the tools that an agent's capabilities allow; of several of one
// name the first.
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

// holds tells whether capabilities include one; who writes artifacts reads them.
func holds(have []string, need string) bool {
	return slices.Contains(have, need) || need == CapArtifactRead && slices.Contains(have, CapArtifactWrite)
}

// offered is how a model is told of a part's tools.
func (p *part) offered() []llm.Tool {
	out := make([]llm.Tool, len(p.tools))
	for i, t := range p.tools {
		out[i] = llm.Tool{Name: t.name, Description: t.description, Schema: json.RawMessage(t.schema)}
	}
	return out
}

// toolRule tells a model how its tools are used.
const toolRule = " You have tools. Use them when the class needs it, and say in your line what you have done. " +
	"A call that takes away or replaces what somebody made waits for a person of the staff; do not make it again meanwhile."

// find is the tool of a name among those that were offered.
func (p *part) find(name string) *tool {
	if i := slices.IndexFunc(p.tools, func(t *tool) bool { return t.name == name }); i >= 0 {
		return p.tools[i]
	}
	return nil
}

// check says what is wrong with a call's arguments, in words for the model.
func (t *tool) check(args json.RawMessage) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(args)))
	if err != nil {
		return errorf(KindInvalid, "invalid", "the arguments are not JSON")
	}
	if err := t.valid.Validate(v); err != nil {
		return errorf(KindInvalid, "invalid", "the arguments do not fit the schema: %s", cut(schemaFaults(err), 1000))
	}
	return nil
}

// schemaFaults lists what does not fit, without the address of the schema.
func schemaFaults(err error) string {
	_, faults, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSpace(faults)
}
