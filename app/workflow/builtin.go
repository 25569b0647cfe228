package workflow

// The names of the graphs that ship with the program.
const (
	NameDirect = "direct"
	NameReview = "student_teacher_review"
)

// The ids of the nodes that the program looks for in the review graph.
const (
	NodeDraft    = "generate_proposal"
	NodeRevise   = "revise"
	NodeEvaluate = "evaluate"
)

// The handlers of nodes: who speaks, what is judged, what is done.
const (
	WhoSpeaker    = "speaker" // the agent that was chosen to speak
	WhoInstructor = "instructor"
	IsApproved    = "is_approved"
	Broadcast     = "broadcast" // says an output in the room, in the name of its author
	Note          = "note"      // an action: stores a text among the A2A messages, for staff
	ScoreAtLeast  = "score_at_least"
	Contains      = "contains"
	IsEmpty       = "is_empty"
)

// The outputs of the shipped graphs.
const (
	outDraft   = "draft"
	outVerdict = "verdict"
	outAnswer  = "answer"
)

// Direct is the graph of one agent's answer, streamed while it is written.
func Direct() *Graph {
	return &Graph{Name: NameDirect, Start: "start", Nodes: map[string]Node{
		"start":     {Type: Start},
		"generate":  {Type: Agent, Handler: WhoSpeaker, Config: Config{Mode: ModeSay, Output: outAnswer}},
		"broadcast": {Type: Action, Handler: Broadcast, Config: Config{Of: outAnswer}},
		"end":       {Type: End, Config: Config{Status: "said"}},
	}, Edges: []Edge{{From: "start", To: "generate"}, {From: "generate", To: "broadcast"}, {From: "broadcast", To: "end"}}}
}

// Review is the graph of the classic room. The speaker writes a draft and an instructor
// evaluates it. The draft is rewritten with the feedback, at most revisions times. An
// approved draft is said in the room.
func Review(revisions int) *Graph {
	g := &Graph{Name: NameReview, Start: "start", Nodes: map[string]Node{
		"start":          {Type: Start},
		NodeDraft:        {Type: Agent, Handler: WhoSpeaker, Config: Config{Mode: ModeDraft, Output: outDraft}},
		NodeEvaluate:     {Type: Agent, Handler: WhoInstructor, Config: Config{Mode: ModeEvaluate, Of: outDraft, Output: outVerdict}},
		"check_approval": {Type: Condition, Handler: IsApproved, Config: Config{Of: outVerdict}},
		"broadcast":      {Type: Action, Handler: Broadcast, Config: Config{Of: outDraft}},
		"end_approved":   {Type: End, Config: Config{Status: LabelApproved}},
		"end_rejected":   {Type: End, Config: Config{Status: LabelRejected}},
	}, Edges: []Edge{
		{From: "start", To: NodeDraft},
		{From: NodeDraft, To: NodeEvaluate},
		{From: NodeEvaluate, To: "check_approval"},
		{From: "check_approval", To: "broadcast", Condition: LabelApproved},
		{From: "check_approval", To: "end_rejected", Condition: LabelRejected},
		{From: "broadcast", To: "end_approved"},
	}}
	if revisions > 0 {
		g.Nodes[NodeRevise] = Node{Type: Agent, Handler: WhoSpeaker,
			Config: Config{Mode: ModeDraft, Of: outVerdict, Output: outDraft, MaxVisits: revisions}}
		g.Edges = append(g.Edges, Edge{From: "check_approval", To: NodeRevise, Condition: LabelRejected, Priority: 1},
			Edge{From: NodeRevise, To: NodeEvaluate})
	}
	return g
}
