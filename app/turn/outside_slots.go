package turn

import (
	"time"

	"github.com/coagent-studio/coagent/app/limit"
)

// Who waits for an agent outside this program holds one of the process's turn workers. An
// agent that hangs in many rooms at once would hold them all until its timeouts, and no
// other agent would speak. So one such agent gets half of them, and all together three
// quarters. A turn beyond that is put back for a moment, which is no attempt.

// reasonBusy is the reason of a turn that waits because its agent answers others.
const reasonBusy = "outside_busy"

// busyPause is the shortest pause before a slot is asked for again.
const busyPause = time.Second

// outsideSlots are the calls of agents outside this program that this process waits for.
type outsideSlots struct {
	slots limit.Slots
	most  int // turn workers
}

const allOutside = "" // the key of the slots of all agents

// take takes a slot for a call of an agent. After true the caller calls free once.
func (o *outsideSlots) take(agentID string) bool {
	if !o.slots.Take(allOutside, max(1, o.most*3/4)) {
		return false
	}
	if !o.slots.Take(agentID, max(1, o.most/2)) {
		o.slots.Free(allOutside)
		return false
	}
	return true
}

func (o *outsideSlots) free(agentID string) {
	o.slots.Free(agentID)
	o.slots.Free(allOutside)
}

// busy is the fault of a turn for which there is no slot. The turns of a whole class come
// back at different moments.
func busy() *Fault {
	return &Fault{Reason: reasonBusy, Detail: "it answers other rooms, and is asked when it has answered some of them", Again: true, Free: true,
		After: busyPause + pauseAfter(1)}
}
