package turntaking

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// cast is the agents of these tests, by id, without settings in their room.
func cast(ids ...string) []*RoomAgent { return castWith("", ids...) }

// castWith is cast with a trigger for each of them.
func castWith(trigger string, ids ...string) (out []*RoomAgent) {
	for _, id := range ids {
		out = append(out, InRoom(agents[id].as(id), Settings{AgentTrigger: trigger, Zone: time.UTC}, State{On: true}, time.Time{}))
	}
	return out
}

var agents = map[string]*Agent{
	"teacher":  {Type: "teacher", Teacher: true, Name: "Ada", Part: Instructor, On: true},
	"teacher2": {Type: "teacher", Teacher: true, Name: "Ada Lovelace", Part: Instructor, On: true},
	"student":  {Type: "student", Name: "小明", Part: Participant, On: true},
	"helper":   {Type: "helper", Name: "Fact Checker", Part: "utility", On: true},
	"critic":   {Type: "critic", Name: "Critic", Part: Instructor, On: true},
	"peer":     {Type: "peer", Name: "Peer", Part: Participant, On: true},
	"sleeper":  {Type: "teacher", Teacher: true, Name: "Sleeper", Part: Instructor},
	"remote":   {Type: "teacher", Teacher: true, Name: "Remote", Part: "external", On: true, External: true},
}

// as is the agent with an id.
func (a Agent) as(id string) Agent {
	a.ID = id
	return a
}

// line is one line of a room; agent is empty for a person.
type line struct{ agent, text string }

func room(lines ...line) Snapshot {
	s := Snapshot{Room: Room{On: true, Participants: true, Frequency: 1, EventSeq: int64(len(lines))}, MaxStreak: 3, Unread: map[string]int{}}
	for i, l := range lines {
		s.Messages = append(s.Messages, Message{Seq: int64(i + 1), Content: l.text, AgentID: l.agent, ByAgent: l.agent != ""})
	}
	return s
}

func person(text string) line    { return line{"", text} }
func agent(id, text string) line { return line{id, text} }

// dice gives the rolls in order and counts them.
type dice struct {
	rolls []float64
	used  int
}

func (d *dice) roll() float64 {
	d.used++
	return d.rolls[min(d.used, len(d.rolls))-1]
}

// speaking are the ids of the agents that speak, in their order.
func speaking(d Decision) []string {
	out := []string{}
	for _, c := range d.Speakers() {
		out = append(out, c.AgentID)
	}
	return out
}

func ids(agents []*RoomAgent) []string {
	out := []string{}
	for _, ag := range agents {
		out = append(out, ag.ID)
	}
	return out
}

func TestDecide(t *testing.T) {
	t.Parallel()
	both := []string{"teacher", "student"}
	for name, c := range map[string]struct {
		agents []string
		lines  []line
		tune   func(*Snapshot)
		rolls  []float64
		want   []string
		rolled int
	}{
		"NothingNew":             {agents: both, lines: []line{person("hi")}, tune: func(s *Snapshot) { s.Room.DecidedSeq = 1 }},
		"NoLines":                {agents: both},
		"NoAgents":               {lines: []line{person("@teacher hi")}},
		"TeacherWinsTheRoll":     {agents: both, lines: []line{person("hi")}, rolls: []float64{0.4}, tune: frequency(0.5), want: []string{"teacher"}, rolled: 1},
		"EqualIsALoss":           {agents: []string{"teacher"}, lines: []line{person("hi")}, rolls: []float64{0.5}, tune: frequency(0.5), rolled: 1},
		"FrequencyZeroIsNever":   {agents: both, lines: []line{person("hi")}, rolls: []float64{0}, tune: frequency(0), rolled: 2},
		"FrequencyOneIsAlways":   {agents: both, lines: []line{person("hi")}, rolls: []float64{0.999999}, tune: frequency(1), want: []string{"teacher"}, rolled: 1},
		"StudentRollsAfter":      {agents: both, lines: []line{person("hi")}, rolls: []float64{0.9, 0.3}, tune: frequency(0.5), want: []string{"student"}, rolled: 2},
		"StudentRollsLess":       {agents: []string{"student"}, lines: []line{person("hi")}, rolls: []float64{0.4}, tune: frequency(0.5), rolled: 1},
		"StudentJustBelow":       {agents: []string{"student"}, lines: []line{person("hi")}, rolls: []float64{0.39}, tune: frequency(0.5), want: []string{"student"}, rolled: 1},
		"OneRollForABurst":       {agents: []string{"teacher"}, lines: []line{person("a"), person("b"), person("c")}, rolls: []float64{0.9}, tune: frequency(0.5), rolled: 1},
		"OnlyOneSpeaks":          {agents: both, lines: []line{person("hi")}, rolls: []float64{0}, want: []string{"teacher"}, rolled: 1},
		"UtilitiesDoNotRoll":     {agents: []string{"helper"}, lines: []line{person("hi")}, rolls: []float64{0}},
		"OwnTypeOfInstructor":    {agents: []string{"helper", "critic"}, lines: []line{person("hi")}, rolls: []float64{0.4}, tune: frequency(0.5), want: []string{"critic"}, rolled: 1},
		"OwnTypeOfParticipant":   {agents: []string{"peer"}, lines: []line{person("hi")}, rolls: []float64{0.39}, tune: frequency(0.5), want: []string{"peer"}, rolled: 1},
		"OwnTypeInTeacherOnly":   {agents: []string{"peer", "critic"}, lines: []line{person("@peer hi")}, rolls: []float64{0}, tune: teacherOnly, want: []string{"critic"}, rolled: 1},
		"TeacherWordOwnType":     {agents: []string{"peer", "critic"}, lines: []line{person("老師")}, tune: frequency(0), want: []string{"critic"}},
		"CategoryOrder":          {agents: []string{"student", "teacher"}, lines: []line{person("hi")}, rolls: []float64{0}, want: []string{"teacher"}, rolled: 1},
		"ModeOff":                {agents: both, lines: []line{person("@teacher hi")}, tune: off},
		"NotActive":              {agents: both, lines: []line{person("@teacher hi")}, tune: func(s *Snapshot) { s.Room.On = false }},
		"TeacherOnly":            {agents: both, lines: []line{person("hi")}, rolls: []float64{0.9, 0}, tune: and(teacherOnly, frequency(0.5)), rolled: 1},
		"TeacherOnlyNoMention":   {agents: both, lines: []line{person("@student hi")}, rolls: []float64{0.9}, tune: and(teacherOnly, frequency(0)), rolled: 1},
		"InactiveNoMention":      {agents: []string{"sleeper"}, lines: []line{person("@sleeper @teacher 老師")}},
		"ExternalHears":          {agents: []string{"remote"}, lines: []line{person("hi")}, want: []string{"remote"}},
		"MentionOverridesRoll":   {agents: both, lines: []line{person("hi @Student!")}, tune: frequency(0), want: []string{"student"}},
		"MentionSilencesOthers":  {agents: both, lines: []line{person("@student hi")}, rolls: []float64{0}, want: []string{"student"}},
		"SeveralMentions":        {agents: []string{"helper", "student", "teacher"}, lines: []line{person("@student @fact checker"), person("and @ada")}, want: []string{"teacher", "student", "helper"}},
		"MentionTwiceIsOnce":     {agents: both, lines: []line{person("@teacher"), person("@teacher?")}, want: []string{"teacher"}},
		"OldMentionIsDone":       {agents: both, lines: []line{person("@student"), person("hi")}, tune: and(frequency(0), looked(1)), rolls: []float64{0}, rolled: 2},
		"NoMoreThanMayInARow":    {agents: []string{"teacher", "student", "helper", "critic"}, lines: []line{person("@teacher @student @critic @helper")}, want: []string{"teacher", "critic", "student"}},
		"AgentsNeverRoll":        {agents: both, lines: []line{person("x"), agent("teacher", "hi")}, tune: looked(1), rolls: []float64{0}},
		"AgentCallsAgent":        {agents: both, lines: []line{person("x"), agent("teacher", "what do you think, @student?")}, tune: looked(1), want: []string{"student"}},
		"AgentCallsItself":       {agents: both, lines: []line{person("x"), agent("teacher", "I am @teacher, 老師")}, tune: looked(1)},
		"AgentCallsTwice":        {agents: both, lines: []line{person("x"), agent("teacher", "@teacher"), agent("student", "@teacher")}, tune: looked(1), want: []string{"teacher"}},
		"PersonGoesFirst":        {agents: both, lines: []line{person("x"), agent("teacher", "@student?"), person("@teacher no")}, tune: looked(1), want: []string{"teacher"}},
		"PersonWaitsUnaddressed": {agents: both, lines: []line{person("x"), agent("teacher", "@student?"), person("hm")}, tune: looked(1), rolls: []float64{0}, want: []string{"teacher"}, rolled: 1},
		"RowEnds":                {agents: both, lines: []line{person("x"), agent("teacher", "@student"), agent("student", "@teacher"), agent("teacher", "@student")}, tune: looked(3)},
		"RowGoesOn":              {agents: both, lines: []line{person("x"), agent("teacher", "@student"), agent("student", "@teacher")}, tune: looked(2), want: []string{"teacher"}},
		"RowIsLeftOver": {agents: []string{"teacher", "student", "helper"}, lines: []line{person("x"), agent("teacher", "y"), agent("teacher", "@student @helper")},
			tune: looked(2), want: []string{"student"}},
		"RowEndsWithAPerson": {agents: both, lines: []line{agent("teacher", "a"), agent("student", "b"), agent("teacher", "c"), person("hi")}, tune: looked(3), rolls: []float64{0}, want: []string{"teacher"}, rolled: 1},
		"MentionOutlivesTheRow": {agents: both, lines: []line{person("x"), person("@student"), agent("teacher", "a"), agent("teacher", "b"), agent("teacher", "c")},
			tune: looked(1), want: []string{"student"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := room(c.lines...)
			s.Agents = cast(c.agents...)
			if c.tune != nil {
				c.tune(&s)
			}
			d := &dice{rolls: c.rolls}
			if c.rolls == nil {
				d.rolls = []float64{0.999}
			}
			if got := speaking(Decide(s, d.roll)); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
				t.Errorf("speakers: got %v, want %v", got, c.want)
			}
			if d.used != c.rolled {
				t.Errorf("rolls: got %d, want %d", d.used, c.rolled)
			}
			if got := ids(s.Agents); !slices.Equal(got, ids(cast(c.agents...))) {
				t.Errorf("the snapshot's agents were reordered: %v", got)
			}
		})
	}
}

// A name calls whom it names. Who may not speak is told from who was not
// called, with the reason, and nobody else is taken for it.
func TestCalledInVain(t *testing.T) {
	t.Parallel()
	muted := func(i int) func(*Snapshot) {
		return func(s *Snapshot) {
			s.Agents[i].MutedUntil = s.Now.Add(time.Hour)
		}
	}
	for name, c := range map[string]struct {
		agents []string
		text   string
		tune   func(*Snapshot)
		speaks []string
		vain   string // who is called in vain, and why
	}{
		"LongerNameIsMuted":  {agents: []string{"teacher", "teacher2"}, text: "@Ada Lovelace?", tune: muted(1), vain: "teacher2 muted until 0001-01-01 01:00 UTC"},
		"ShorterNameIsMuted": {agents: []string{"teacher", "teacher2"}, text: "@Ada?", tune: muted(0), vain: "teacher muted until 0001-01-01 01:00 UTC"},
		"TypeMeansTheNext":   {agents: []string{"teacher", "teacher2"}, text: "@teacher?", tune: muted(0), speaks: []string{"teacher2"}},
		"WordMeansTheNext":   {agents: []string{"teacher", "critic"}, text: "老師?", tune: muted(0), speaks: []string{"critic"}},
		"NobodyOfTheType":    {agents: []string{"teacher"}, text: "＠ＴＥＡＣＨＥＲ?", tune: muted(0), vain: "teacher muted until 0001-01-01 01:00 UTC"},
		"OneOfTwo":           {agents: []string{"teacher", "student"}, text: "@小明 @Ada", tune: muted(1), speaks: []string{"teacher"}, vain: "student muted until 0001-01-01 01:00 UTC"},
		"Inactive":           {agents: []string{"sleeper"}, text: "@Sleeper", vain: "sleeper inactive"},
		"Mode":               {agents: []string{"student"}, text: "@student", tune: teacherOnly, vain: "student mode"},
		"RoomOff":            {agents: []string{"student"}, text: "@student", tune: off, vain: "student room_off"},
		"Guard":              {agents: []string{"teacher", "student"}, text: "@teacher @student", tune: func(s *Snapshot) { s.MaxStreak = 1 }, speaks: []string{"teacher"}, vain: "student guard agent_row"},
		"Outside":            {agents: []string{"remote"}, text: "@Remote", speaks: []string{"remote"}},
		"NotCalledNotInVain": {agents: []string{"sleeper", "teacher"}, text: "`@sleeper` > hi"},
		"CallsNobody":        {agents: []string{"teacher"}, text: "https://medium.com/@teacher/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := room(person(c.text))
			s.Messages[0].SenderID, s.Agents, s.Room.Frequency = "sue", cast(c.agents...), 0
			if c.tune != nil {
				c.tune(&s)
			}
			d := Decide(s, (&dice{rolls: []float64{0.5}}).roll)
			if got := speaking(d); !slices.Equal(got, c.speaks) && len(got)+len(c.speaks) > 0 {
				t.Errorf("speakers: got %v, want %v", got, c.speaks)
			}
			var vain []string
			for _, u := range d.Unheard() {
				vain = append(vain, strings.TrimSpace(u.AgentID+" "+u.Rule+" "+u.Detail))
				if u.AskedBy != "sue" {
					t.Errorf("%s was called by %q", u.AgentID, u.AskedBy)
				}
			}
			if got := strings.Join(vain, ", "); got != c.vain {
				t.Errorf("called in vain: got %q, want %q", got, c.vain)
			}
		})
	}
}

func frequency(f float64) func(*Snapshot) {
	return func(s *Snapshot) { s.Room.Frequency = f }
}

func teacherOnly(s *Snapshot) { s.Room.Participants = false }

func off(s *Snapshot) { s.Room.On = false }

func looked(seq int64) func(*Snapshot) {
	return func(s *Snapshot) { s.Room.DecidedSeq = seq }
}

func and(all ...func(*Snapshot)) func(*Snapshot) {
	return func(s *Snapshot) {
		for _, f := range all {
			f(s)
		}
	}
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		lines  int // the people's, since the agent spoke
		want   bool
		rolled int
	}{
		"Absent":         {config: "", want: true, rolled: 1},
		"Empty":          {config: "{}", want: true, rolled: 1},
		"Null":           {config: "null", want: true, rolled: 1},
		"CountNotYet":    {config: `{"type":"message_count","value":3}`, lines: 2},
		"CountReached":   {config: `{"type":"message_count","value":3}`, lines: 3, want: true},
		"CountPassed":    {config: `{"type":"message_count","value":3}`, lines: 9, want: true},
		"CountIsTen":     {config: `{"type":"message_count"}`, lines: 9},
		"CountIsTenNow":  {config: `{"type":"message_count"}`, lines: 10, want: true},
		"Manual":         {config: `{"type":"manual"}`, lines: 99},
		"TimeInterval":   {config: `{"type":"time_interval","value":60}`, lines: 99},
		"Silence":        {config: `{"type":"silence","value":60}`, lines: 99},
		"Unknown":        {config: `{"type":"full_moon"}`, lines: 99},
		"Broken":         {config: `{"type":`, lines: 99},
		"NoObject":       {config: `["message_count"]`, lines: 99},
		"ValueIsNoCount": {config: `{"type":"message_count","value":"3"}`, lines: 99},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := room(person("hi"))
			s.Agents = castWith(c.config, "teacher")
			s.Unread["teacher"] = c.lines
			d := &dice{rolls: []float64{0}}
			if got := len(speaking(Decide(s, d.roll))) == 1; got != c.want {
				t.Errorf("speaks: got %v, want %v", got, c.want)
			}
			if d.used != c.rolled {
				t.Errorf("rolls: got %d, want %d", d.used, c.rolled)
			}
		})
	}
	t.Run("MentionOverridesManual", func(t *testing.T) {
		t.Parallel()
		s := room(person("@teacher"))
		s.Agents = castWith(`{"type":"manual"}`, "teacher")
		if got := speaking(Decide(s, (&dice{rolls: []float64{1}}).roll)); !slices.Equal(got, []string{"teacher"}) {
			t.Errorf("speakers: got %v, want the teacher", got)
		}
	})
}

func TestMentioned(t *testing.T) {
	t.Parallel()
	agents := cast("teacher", "teacher2", "student", "helper")
	for text, want := range map[string][]string{
		"":                                 nil,
		"teacher":                          nil,
		"@":                                nil,
		"@teacher":                         {"teacher"},
		"@TeaCHER, please":                 {"teacher"},
		"hello @teacher":                   {"teacher"},
		"(@teacher)":                       {"teacher"},
		"@@teacher":                        {"teacher"},
		"@ teacher":                        nil,
		"@teachers":                        nil,
		"@teacher_2":                       nil,
		"@teacher2":                        nil,
		"@teacher.":                        {"teacher"},
		"@teacher's book":                  {"teacher"},
		"@ada":                             {"teacher"},
		"@ada lovelace":                    {"teacher2"},
		"@ADA LoveLace!":                   {"teacher2"},
		"@ada lovelaces":                   {"teacher"},
		"@adam":                            nil,
		"@fact checker":                    {"helper"},
		"@fact":                            nil,
		"@小明":                              {"student"},
		"@小明你好":                            {"student"},
		"請問@小明":                            {"student"},
		"請問@student你好":                     {"student"},
		"老師":                               {"teacher"},
		"請問老師,這是什麼?":                       {"teacher"},
		"@老師你好":                            {"teacher"},
		"@student and 老師":                  {"student", "teacher"},
		"mail sue@teacher.example":         nil,
		"mail sue@teacher":                 nil,
		"mail 1@student.example":           nil,
		"mail éva@student":                 nil,
		"@student @teacher @student":       {"student", "teacher"},
		"@nobody @student":                 {"student"},
		"İ@teacher":                        nil,
		"\U0001F600@teacher\U0001F600 yes": {"teacher"},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got := mentioned(text, agents); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	t.Run("TheWordNeedsATeacher", func(t *testing.T) {
		t.Parallel()
		if got := mentioned("老師", cast("student")); got != nil {
			t.Errorf("got %v, want nobody", got)
		}
	})
}

func TestDecideSays(t *testing.T) {
	t.Parallel()
	const callsAll = "@teacher @student @critic @helper"
	four := []string{"teacher", "student", "helper", "critic"}
	for name, c := range map[string]struct {
		agents []string
		lines  []line
		tune   func(*Snapshot)
		cause  string
		guard  string
		want   map[string]string // the rule of each agent, with ! for those that speak
	}{
		"Mentioned":     {agents: []string{"teacher", "student"}, lines: []line{person("@student")}, cause: CausePost, want: map[string]string{"student": "!mentioned", "teacher": "others"}},
		"Chance":        {agents: []string{"teacher", "student"}, lines: []line{person("hi")}, cause: CausePost, want: map[string]string{"teacher": "!chance", "student": "others"}},
		"NoChance":      {agents: []string{"teacher", "student", "helper"}, lines: []line{person("hi")}, tune: frequency(0), cause: CausePost, want: map[string]string{"teacher": "chance", "student": "chance", "helper": "not_called"}},
		"NotAble":       {agents: []string{"sleeper", "remote", "student"}, lines: []line{person("hi")}, tune: teacherOnly, cause: CausePost, want: map[string]string{"sleeper": "inactive", "remote": "!hears", "student": "mode"}},
		"Hears":         {agents: []string{"remote", "teacher", "student"}, lines: []line{person("hi")}, cause: CausePost, want: map[string]string{"teacher": "!chance", "student": "others", "remote": "!hears"}},
		"HearsNoAgents": {agents: []string{"remote", "teacher"}, lines: []line{agent("teacher", "hm")}, cause: CauseAgents, want: map[string]string{"teacher": "not_called", "remote": "not_called"}},
		"HearsNoCall":   {agents: []string{"remote", "student"}, lines: []line{person("@student hi")}, cause: CausePost, want: map[string]string{"student": "!mentioned", "remote": "others"}},
		"Off":           {agents: []string{"teacher", "remote"}, lines: []line{person("hi")}, tune: off, cause: CausePost, want: map[string]string{"teacher": "room_off", "remote": "room_off"}},
		"AgentLines":    {agents: []string{"teacher", "student"}, lines: []line{agent("teacher", "hm")}, cause: CauseAgents, want: map[string]string{"teacher": "not_called", "student": "not_called"}},
		"RowOfAPost":    {agents: four, lines: []line{person(callsAll)}, cause: CausePost, guard: GuardStreak, want: map[string]string{"teacher": "!mentioned", "critic": "!mentioned", "student": "!mentioned", "helper": "guard"}},
		"Row":           {agents: four, lines: []line{agent("teacher", "a"), agent("critic", "b"), agent("student", "c @teacher")}, cause: CauseAgents, guard: GuardStreak, want: map[string]string{"teacher": "guard", "critic": "others", "student": "others", "helper": "others"}},
		"RowNotWanted":  {agents: []string{"teacher", "student"}, lines: []line{agent("teacher", "a"), agent("student", "b"), agent("teacher", "c")}, cause: CauseAgents, want: map[string]string{"teacher": "not_called", "student": "not_called"}},
		"GoesOn":        {agents: four, lines: []line{person("x"), agent("teacher", "a"), agent("critic", "b"), agent("student", "c @teacher")}, tune: and(looked(3), rowFrom(4)), cause: CauseGoOn, want: map[string]string{"teacher": "!mentioned", "critic": "others", "student": "others", "helper": "others"}},
		"GoesOnCutOff":  {agents: four, lines: []line{person(callsAll), agent("teacher", "a"), agent("critic", "b"), agent("student", "c")}, tune: rowFrom(4), cause: CauseGoOn, want: map[string]string{"teacher": "others", "critic": "others", "student": "others", "helper": "!mentioned"}},
		"GoesOnNoRoll":  {agents: []string{"teacher"}, lines: []line{person("x"), agent("teacher", "a")}, tune: rowFrom(2), cause: CauseGoOn, want: map[string]string{"teacher": "not_called"}},
		"RowCountsAnew": {agents: four, lines: []line{person("x"), agent("teacher", "a"), agent("critic", "b"), agent("student", "c"), agent("teacher", "d @critic")}, tune: and(looked(4), rowFrom(4)), cause: CauseAgents, want: map[string]string{"critic": "!mentioned", "teacher": "others", "student": "others", "helper": "others"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := room(c.lines...)
			s.Agents = cast(c.agents...)
			if c.tune != nil {
				c.tune(&s)
			}
			d := Decide(s, func() float64 { return 0 })
			got := map[string]string{}
			for _, x := range d.Candidates {
				got[x.AgentID] = x.Rule
				if x.Speaks {
					got[x.AgentID] = "!" + x.Rule
				}
			}
			if d.Cause != c.cause || d.Guard != c.guard || !maps.Equal(got, c.want) {
				t.Errorf("got %s, guard %q, %v; want %s, guard %q, %v", d.Cause, d.Guard, got, c.cause, c.guard, c.want)
			}
			for _, x := range d.Candidates {
				if rolled := x.Rule == RuleChance; rolled != (x.Roll != nil) || rolled != (x.Chance != nil) {
					t.Errorf("%s: a roll for the rule %s", x.AgentID, x.Rule)
				}
			}
		})
	}
	t.Run("WhoAsked", func(t *testing.T) {
		t.Parallel()
		s := room(person("@teacher"), person("@student"), agent("student", "@critic"))
		s.Agents = cast("teacher", "student", "critic")
		s.Messages[0].SenderID, s.Messages[1].SenderID = "sue", "tom"
		asked := map[string]string{}
		for _, c := range speakersOf(Decide(s, nil)) {
			asked[c.AgentID] = c.AskedBy
		}
		s.Room.DecidedSeq = 2
		for _, c := range speakersOf(Decide(s, nil)) {
			asked[c.AgentID] = c.AskedBy
		}
		if want := map[string]string{"teacher": "sue", "student": "tom", "critic": "tom"}; !maps.Equal(asked, want) {
			t.Errorf("got %v, want %v", asked, want)
		}
	})
}

func rowFrom(seq int64) func(*Snapshot) {
	return func(s *Snapshot) { s.Room.StreakFrom = seq }
}

func speakersOf(d Decision) []Candidate { return d.Speakers() }

// A decision with 10 agents and 100 messages; it is to stay
// far below 2 ms.
func BenchmarkDecide(b *testing.B) {
	var lines []line
	for i := range 50 {
		lines = append(lines, person(fmt.Sprintf("What do you say about part %d of the cell, @nobody?", i)), agent("teacher", "A cell is the smallest unit of life; it has a membrane. @student"))
	}
	s := room(lines...)
	for i := range 10 {
		ag := cast("teacher")[0]
		ag.ID, ag.Name = fmt.Sprintf("agent %d", i), fmt.Sprintf("Agent %d", i)
		s.Agents = append(s.Agents, ag)
	}
	for b.Loop() {
		if d := Decide(s, func() float64 { return 0.999 }); len(d.Candidates) != 10 {
			b.Fatalf("got %d candidates", len(d.Candidates))
		}
	}
}

// mentioned returns the ids of the agents that a text calls, as package mention
// says. A type that several agents have calls the first of them.
func mentioned(content string, agents []*RoomAgent) []string {
	return NamesIn(agents).Called(content, nil)
}
