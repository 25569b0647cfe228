package words

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The facts of a message by which it is found, beside its words.
const (
	FactPerson  = "kperson" // a person wrote it
	FactBot     = "kbot"
	FactAgent   = "kagent"
	FactLink    = "hlink"    // an address is in it
	FactMention = "hmention" // it calls somebody
	FactReply   = "hreply"   // it hangs under another message
	FactFile    = "hfile"    // a file comes with it
)

// FactCourse says that a message is in a course.
func FactCourse(id string) string { return "c" + compact(id) }

// FactRoom says that a message is in a room.
func FactRoom(id string) string { return "r" + compact(id) }

// FactSender says that a person or a bot wrote a message.
func FactSender(id string) string { return "u" + compact(id) }

// FactAgentID says that an agent wrote a message.
func FactAgentID(id string) string { return "a" + compact(id) }

// FactName is one word of the name of an agent or a bot, as it was when the message was
// written.
func FactName(word string) string { return "n" + word }

func compact(id string) string { return strings.ToLower(strings.ReplaceAll(id, "-", "")) }

// About is what the facts of a message are made of.
type About struct {
	RoomID, CourseID, SenderID, AgentID string
	AgentName, BotName                  string
	Agent, Mentions, Reply, File        bool
	Text                                string
}

// Facts lists the facts of a message.
func Facts(a About) []string {
	facts := []string{FactRoom(a.RoomID)}
	if a.CourseID != "" {
		facts = append(facts, FactCourse(a.CourseID))
	}
	if a.SenderID != "" {
		facts = append(facts, FactSender(a.SenderID))
	}
	if a.AgentID != "" {
		facts = append(facts, FactAgentID(a.AgentID))
	}
	switch {
	case a.Agent:
		facts = append(facts, FactAgent)
	case a.BotName != "":
		facts = append(facts, FactBot)
	default:
		facts = append(facts, FactPerson)
	}
	for _, w := range Split(a.AgentName + " " + a.BotName) {
		facts = append(facts, FactName(w.Text))
	}
	if a.Mentions {
		facts = append(facts, FactMention)
	}
	if a.Reply {
		facts = append(facts, FactReply)
	}
	if a.File {
		facts = append(facts, FactFile)
	}
	if hasLink(a.Text) {
		facts = append(facts, FactLink)
	}
	slices.Sort(facts)
	return slices.Compact(facts)
}

// FactsText is Facts as FTS5 stores them.
func FactsText(a About) string { return strings.Join(Facts(a), " ") }

// hasLink tells whether an address of the web is in a text.
func hasLink(text string) bool {
	for rest := text; ; {
		i := strings.Index(rest, "://")
		if i < 0 {
			return false
		}
		scheme, after := strings.ToLower(rest[max(0, i-5):i]), rest[i+3:]
		if (strings.HasSuffix(scheme, "http") || strings.HasSuffix(scheme, "https")) && after != "" && !strings.ContainsAny(after[:1], " \t\r\n/") {
			return true
		}
		rest = after
	}
}

// PosOf is the least place in time of a message that was written at an instant: 1/16 ms
// since 1970.
func PosOf(at time.Time) int64 { return at.UnixMilli() << posBits }

const posBits = 4

// A message in Postgres also has the spans of time in which it was written, from two hours
// to a year, each eight times as long as the one before. A search reads one span after the
// other, the newest first, until it has enough: the index itself has no order.
var spanBits = [...]int{23, 26, 29, 32, 35}

// Mark is a fact as a lexeme of Postgres. It begins with a character that is in no word.
func Mark(fact string) string { return "/" + fact }

func spanMark(level int, n int64) string {
	return "/" + strconv.Itoa(level) + "." + strconv.FormatInt(n, 10)
}

// Spans lists the spans of a place in time, as lexemes.
func Spans(pos int64) []string {
	marks := make([]string, len(spanBits))
	for level, bits := range spanBits {
		marks[level] = spanMark(level, pos>>posBits>>bits)
	}
	return marks
}

// Span is a part of time for a search: what has one of the lexemes, and is before Until.
// Without a lexeme it is all of the time before.
type Span struct {
	Marks []string
	Until int64
}

// oldSpans is how many of the longest spans a search names.
const oldSpans = 8

// SpansBefore lists the spans that cover the places in time from from until until, the
// newest first. The newest is one by itself, and all others of one length are one together:
// each time the search reads up to eight times as far, so that who finds little reads the
// index seldom, and who finds much reads at most eight times what is asked for.
func SpansBefore(from, until int64) (spans []Span) {
	if from >= until {
		return nil
	}
	n := (until - 1) >> posBits >> spanBits[0]
	for level, bits := range spanBits {
		top := level == len(spanBits)-1
		for i := 0; ; i++ {
			end := min((n+1)<<bits<<posBits, until)
			if end <= from {
				return spans
			}
			if top && i == oldSpans {
				return append(spans, Span{Until: end})
			}
			if i == 0 || level == 0 && i == 1 {
				spans = append(spans, Span{Until: end})
			}
			last := &spans[len(spans)-1]
			last.Marks = append(last.Marks, spanMark(level, n))
			n--
			if !top && n&7 == 7 {
				break // what is older lies outside of the longer span
			}
		}
		n >>= 3
	}
	return spans
}
