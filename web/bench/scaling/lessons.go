package scaling

import (
	"math"
	"time"
)

// Lesson is what happens in a room while a class is in session.
type Lesson struct {
	Members int
	Posts   float64 // of all of them, in a second
	Answers float64 // of agents, in a second
}

// Class is the lesson of the tables: thirty people who say something every minute, and
// agents that answer three posts of ten.
func Class() Lesson { return Lesson{Members: 30, Posts: 0.5, Answers: 0.15} }

// More is what else `make bench` measured, beside the posts.
type More struct {
	Turn, TurnDatabase time.Duration // CPU of an answer, without the deliveries
	Deliver            time.Duration // CPU of a frame to one member, at a steady pace
	Frames             int           // to each member for one answer, which streams
}

// MeasuredMore is of the same run as Measured: its benches turn, fanout and idle. An answer
// streams for three seconds, at the pace that a screen shows.
func MeasuredMore() More {
	return More{Turn: 11 * time.Millisecond, TurnDatabase: 11 * time.Millisecond, Deliver: 17 * us, Frames: 50}
}

// Busy is how full cores may be, so that a burst finds room.
const Busy = 0.6

// Held is what a site holds.
type Held struct {
	Lessons, Members int
	Posts, Answers   float64 // in a second
	First            string  // what is full first
}

// Hold reckons how many lessons at once a site holds, while its cores are no fuller than
// Busy. A lesson is far from what one room can take, so no room waits.
//
// The members of a room are on one node, or on so many as there are. Each of the others
// then reads every new event of the room.
func Hold(cost Costs, more More, site Site, lesson Lesson, oneNode bool) Held {
	readers := float64(site.Nodes - 1)
	if oneNode {
		readers = 0
	}
	reads := (lesson.Posts + lesson.Answers) * readers
	onNodes := lesson.Posts*seconds(cost.Server+time.Duration(cost.statements()+1)*cost.Wake+time.Duration(lesson.Members)*more.Deliver) +
		lesson.Answers*seconds(more.Turn+time.Duration(lesson.Members*more.Frames)*more.Deliver) + reads*seconds(cost.burst()+cost.Wake)
	onPostgres := lesson.Posts*seconds(cost.Database) + lesson.Answers*seconds(more.TurnDatabase) + reads*seconds(cost.statement())
	// Flushes follow each other at most without a pause, on one core.
	flushes := seconds(cost.FlushCPU) / seconds(cost.FlushCPU+site.Flush)
	byNodes := Busy * float64(site.Nodes*site.NodeCores) / onNodes
	byPostgres := (Busy*float64(site.Cores) - flushes) / onPostgres
	h := Held{First: OfNodes}
	if byPostgres < byNodes {
		h.First = OfPostgres
	}
	n := math.Floor(min(byNodes, byPostgres))
	h.Lessons, h.Members, h.Posts, h.Answers = int(n), int(n)*lesson.Members, n*lesson.Posts, n*lesson.Answers
	return h
}

func seconds(d time.Duration) float64 { return d.Seconds() }
