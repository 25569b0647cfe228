package turn

import "github.com/coagent-studio/coagent/app/model"

// This file tells how a model's answer ended: whole, cut, or empty.

// noteEnd notes how the last answer of a node ended.
func (r *attempt) noteEnd(node, finish string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ends == nil {
		r.ends = map[string]string{}
	}
	r.ends[node] = finish
}

func (r *attempt) endOf(node string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ends[node]
}

// wasCut tells whether the last answer of a node was cut before its end.
func (r *attempt) wasCut(node string) bool { return model.WasCut(r.endOf(node)) }

// silent is the fault of a model that answered without text. whose is the word before
// "model", such as "the".
func (r *attempt) silent(node, whose string) *Fault {
	return FaultOf(model.Unspoken(r.endOf(node), whose), r.turn.Attempt)
}
