// Package turn is the engine that lets agents take turns in rooms.
//
// It knows rows, models, the queue and the room's hub. It knows nothing of people's
// rights: package app checks these first and then calls one of the methods of Engine.
//
// # The life of a turn
//
//	a message         a decision               an attempt, on any node                     the end
//	──────────▶ DecideInRoom job ──▶ turn ──▶ RunTurn job: claim, prompt, model, tools ──▶ message, event, next turn
//	                                  ▲            │ parked: a person has to decide
//	                                  ├────────────┤ another turn speaks: it waits for the floor
//	                                  └────────────┘ lost or failed: the next attempt
//
// Each arrow is a commit that holds the result of one step and the job of the next. When
// a process dies in between, the sweep finds what was due by the dates look_at and
// lease_until. A claim and every later write carry the attempt's number, so nothing
// happens twice.
//
// # The door
//
// Package app calls these methods of Engine:
//
//   - for a process: Handlers, Recover, Run and FireDue;
//   - when something happens in a room: Hearing before a post, then Posted; Heard; TakeOutside;
//   - when a person talks to one agent alone: AnswerAlone, ReopenAlone, LastFailure;
//   - when staff want something: Wake, Stop, GoOn, Settle, Unpark, with CanContinue before;
//   - to tell about turns and tools: Describe, ToolNames.
//
// # Where to find things
//
//   - Whether anything has to be decided about a new message: known.go; what becomes of it:
//     decide.go; what a decision stores: decisions.go.
//   - What becomes of due triggers: due.go, due_facts.go, trigger_dates.go.
//   - One attempt, from its claim to its end: attempt.go, end.go, faults.go.
//   - A conversation with a model, with its tools: conversation.go, tool_calls.go, prompt.go.
//   - The tools of this package: tools_*.go. Others come with Deps.
//   - A turn in a thread, in which a person and an agent talk alone: alone.go.
//   - A turn that follows a graph: graph.go, graph_nodes.go, review.go.
//   - Agents outside this program: outside_out.go asks them, outside_in.go takes what they send.
//   - Who may show text, and what goes on beside a turn that shows none: floor.go.
//   - What waits for a person: approvals.go. Stopping, waking, going on: stop.go, wake.go, go_on.go.
//   - Who types, and who is told why nobody answers: typists.go, silence.go.
//   - What staff read of a turn: details.go.
//
// # Order of locks
//
// Room, then turn, then room agent; see package store.
package turn
