package app

import "github.com/coagent-studio/coagent/store"

// This file tells clients how a person stands to a room, so that they show what the person
// may do. What the person then does is checked all the same.

// The ways to stand to a room or a course, beside the roles of a course's people.
const (
	StandsOwner = "owner"
	StandsGuest = "guest" // in this very room, and not in its course
	StandsBot   = "bot"
	StandsAdmin = "admin" // only by the role of the account
)

// standing names how the actor stands to a place: by the most powerful of the relations.
func (a *Actor) standing(res Resource) string {
	if a.User.IsBot() {
		return StandsBot
	}
	for _, as := range []struct {
		Relation
		name string
	}{{IsCourseOwner, StandsOwner}, {IsCourseTeacher, RoleTeacher}, {IsCourseTA, RoleTA}, {IsCourseStudent, RoleStudent}, {IsRoomMember, StandsGuest}} {
		if res.Relations&as.Relation != 0 {
			return as.name
		}
	}
	return StandsAdmin
}

// RoomCan is what a person may do in a room now.
type RoomCan struct {
	Post, React, CallEveryone, WriteArtifacts, Export     bool
	Hide, Pin, Stop, SeeDecisions, Approve                bool
	Edit, Delete, ManagePeople, ManageAgents, SetWorkflow bool
}

func (a *Actor) roomCan(res Resource) RoomCan {
	may := func(action Action) bool { return Check(a, action, res) == nil }
	return RoomCan{
		Post: may(ActPostMessage), React: may(ActReact), CallEveryone: may(ActCallEveryone), WriteArtifacts: may(ActWriteArtifact), Export: may(ActExportRoom),
		Hide: may(ActHideMessage), Pin: may(ActPinMessage), Stop: may(ActStopTurn), SeeDecisions: may(ActReadDecisions), Approve: may(ActDecideApproval),
		Edit: may(ActUpdateRoom), Delete: may(ActDeleteRoom), ManagePeople: may(ActAssignToRoom), ManageAgents: may(ActAttachAgent),
		SetWorkflow: may(ActSetWorkflow),
	}
}

// roomStanding is how the actor stands to a room.
func (a *Actor) roomStanding(r *store.RoomAccess) (string, RoomCan) {
	res := roomResource(r)
	return a.standing(res), a.roomCan(res)
}
