package app

import (
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

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
func (r *attempt) wasCut(node string) bool { return cutShort(r.endOf(node)) }

// silent is the fault of a model that answered without text. whose is the word before
// "model", such as "the".
func (r *attempt) silent(node, whose string) *turnFault { return silentFault(r.endOf(node), whose) }

// cutShort tells whether this finish reason means that the answer was cut before its
// end.
func cutShort(finish string) bool {
	return finish == llm.FinishLength || finish == llm.FinishContentFilter
}

// silentFault is the fault of an answer without text that ended with this finish
// reason.
func silentFault(finish, whose string) *turnFault {
	switch finish {
	case llm.FinishLength, llm.FinishThinking:
		return &turnFault{reason: reasonThought, detail: "the token limit was reached before " + whose + " model said anything; it may have gone into thinking"}
	case llm.FinishContentFilter:
		return &turnFault{reason: reasonFiltered, detail: "the provider's filter held back what " + whose + " model answered"}
	}
	return &turnFault{reason: reasonSilent, detail: whose + " model answered with nothing", state: store.TurnStopped}
}
