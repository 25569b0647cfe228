package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/store"
)

func (s *Server) figureRoutes() {
	const path = v1 + "/courses/{course_id}/figures"
	add(s, get, path, "getFigures", s.figures,
		route{tag: "Analytics", summary: "Sum who says how much in a course; with format=csv one list as a table",
			description: "For the course's staff. Hidden and deleted messages do not count.",
			large:       manyBytes, errors: []int{missing}})
	s.api.OpenAPI().Paths[path].Get.Responses["200"].Content[mimeCSV] = &huma.MediaType{
		Schema:  &huma.Schema{Type: huma.TypeString, Description: "A header, then the rows of the list that by names"},
		Example: "kind,id,name,messages,words,share,days,last_day,calls,input_tokens,output_tokens,cost\nperson,0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90,Ada,12,340,0.2500,3,2026-11-29,0,0,0,\n"}
}

type figuresIn struct {
	CourseID id     `path:"course_id"`
	RoomID   id     `query:"room_id" doc:"Only in this room"`
	From     string `query:"from" doc:"A date in the server's time zone"`
	To       string `query:"to" doc:"The last day; up to 366 in all"`
	Format   string `query:"format" enum:"json,csv"`
	By       string `query:"by" enum:"people,agents,days,rooms" default:"people" doc:"The list of the table"`
}

// FiguresOut is how much is said in a course.
type FiguresOut struct {
	From           string       `json:"from" format:"date"`
	To             string       `json:"to" format:"date"`
	Zone           string       `json:"timezone"`
	Counting       bool         `json:"counting" doc:"Old messages are still being counted after an update"`
	Messages       int64        `json:"messages"`
	Words          int64        `json:"words"`
	Days           int          `json:"days" doc:"On which something was said"`
	SilentDays     int          `json:"silent_days" doc:"On which nothing was"`
	LongestSilence int          `json:"longest_silence_days" doc:"The most silent days in a row"`
	People         []speakerOut `json:"people" doc:"And bots, the most words first"`
	Agents         []speakerOut `json:"agents"`
	PerDay         []dayOut     `json:"per_day"`
	Rooms          []roomSumOut `json:"rooms"`
	Silent         []silentOut  `json:"silent" doc:"Members without a message"`
	MoreSilent     bool         `json:"more_silent"`

	csv, by string
}

type speakerOut struct {
	Kind     string  `json:"kind" enum:"person,bot,agent"`
	ID       *string `json:"id" format:"uuid" doc:"null for agents, summed by name, and for all accounts that are gone"`
	Name     string  `json:"name" doc:"Blank for agents that are gone"`
	Messages int64   `json:"messages"`
	Words    int64   `json:"words"`
	Share    float64 `json:"share" doc:"Of all words, 0 to 1"`
	Days     int64   `json:"days"`
	LastDay  *string `json:"last_day" format:"date"`

	Costs []agentCostOut `json:"costs" doc:"What the agent's models used, by agent and currency"`
}

type agentCostOut struct {
	AgentID string `json:"agent_id" format:"uuid"`
	UsageSumOut

	nano int64
}

type dayOut struct {
	Day      string `json:"day" format:"date"`
	Messages int64  `json:"messages"`
	Words    int64  `json:"words"`
}

type roomSumOut struct {
	RoomID   string `json:"room_id" format:"uuid"`
	Name     string `json:"name"`
	Messages int64  `json:"messages"`
	Words    int64  `json:"words"`
	Days     int64  `json:"days"`
	LastDay  string `json:"last_day" format:"date"`
}

type silentOut struct {
	UserID string `json:"user_id" format:"uuid"`
	Name   string `json:"name"`
	Role   string `json:"role" enum:"student,ta,teacher"`
}

type figuresAnswer struct{ Body FiguresOut }

func speakersForm(rows []app.Speaker) []speakerOut {
	return listOf(rows, func(r *app.Speaker) speakerOut {
		out := speakerOut{Kind: r.Kind, Name: r.Name, Messages: r.Messages, Words: r.Words, Share: r.Share, Days: r.Days, LastDay: textOrNil(r.LastDay),
			Costs: listOf(r.Costs, func(u *store.UsageSum) agentCostOut { return agentCostOut{u.AgentID, usageSumForm(u), u.Cost} })}
		if r.Kind != store.SpeakerAgent {
			out.ID = textOrNil(r.Who)
		}
		return out
	})
}

func (s *Server) figures(ctx context.Context, actor *app.Actor, in *figuresIn) (*figuresAnswer, error) {
	f, err := s.app.Figures(ctx, actor, app.FiguresQuery{CourseID: in.CourseID.String(), RoomID: in.RoomID.String(), From: in.From, To: in.To})
	if err != nil {
		return nil, err
	}
	return &figuresAnswer{FiguresOut{From: f.From, To: f.To, Zone: f.Zone, Counting: f.Counting, Messages: f.Messages, Words: f.Words, Days: f.Days, SilentDays: f.SilentDays,
		LongestSilence: f.LongestSilence, People: speakersForm(f.People), Agents: speakersForm(f.Agents),
		PerDay: listOf(f.PerDay, func(r *store.TalkSum) dayOut { return dayOut{r.Day, r.Messages, r.Words} }),
		Rooms: listOf(f.PerRoom, func(r *store.TalkSum) roomSumOut {
			return roomSumOut{r.RoomID, r.Name, r.Messages, r.Words, r.Days, r.LastDay}
		}),
		Silent: listOf(f.Silent, func(m *store.CourseMember) silentOut {
			return silentOut{m.UserID, m.User.Name(), m.Role}
		}),
		MoreSilent: f.SilentIsTheStart, csv: in.Format, by: in.By}}, nil
}

// asText is one list as CSV (RFC 4180) when the client asked for it.
func (f FiguresOut) asText() (string, []byte) {
	if f.csv != "csv" {
		return "", nil
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	// A write into memory does not fail.
	switch f.by {
	case "days":
		_ = w.Write([]string{"day", "messages", "words"})
		for _, r := range f.PerDay {
			_ = w.Write(append([]string{r.Day}, digits(r.Messages, r.Words)...))
		}
	case "rooms":
		_ = w.Write([]string{"room_id", "room_name", "messages", "words", "days", "last_day"})
		for _, r := range f.Rooms {
			_ = w.Write(append(append([]string{r.RoomID, cell(&r.Name)}, digits(r.Messages, r.Words, r.Days)...), r.LastDay))
		}
	default:
		_ = w.Write([]string{"kind", "id", "name", "messages", "words", "share", "days", "last_day", "calls", "input_tokens", "output_tokens", "cost"})
		if f.by == "agents" {
			for i := range f.Agents {
				_ = w.Write(f.Agents[i].row())
			}
			break
		}
		for i := range f.People {
			_ = w.Write(f.People[i].row())
		}
		// Those who said nothing belong into a table of the class.
		for _, r := range f.Silent {
			_ = w.Write((&speakerOut{Kind: store.SpeakerPerson, ID: &r.UserID, Name: r.Name}).row())
		}
	}
	w.Flush()
	return mimeCSV + "; charset=utf-8", out.Bytes()
}

// row is a speaker as a row of a table. Costs are summed by currency.
func (r *speakerOut) row() []string {
	var calls, read, written int64
	costs := map[string]int64{}
	for i := range r.Costs {
		u := &r.Costs[i]
		calls, read, written = calls+u.Calls, read+u.InputTokens, written+u.OutputTokens
		if u.Currency != nil {
			if costs[*u.Currency] += u.nano; costs[*u.Currency] < 0 {
				costs[*u.Currency] = math.MaxInt64
			}
		}
	}
	var texts []string
	for _, currency := range slices.Sorted(maps.Keys(costs)) {
		texts = append(texts, money.Nano(costs[currency])+" "+currency)
	}
	cost := strings.Join(texts, "; ")
	line := append([]string{r.Kind, cell(r.ID), cell(&r.Name)}, digits(r.Messages, r.Words)...)
	line = append(line, strconv.FormatFloat(r.Share, 'f', 4, 64), strconv.FormatInt(r.Days, 10), cell(r.LastDay))
	return append(append(line, digits(calls, read, written)...), cell(&cost))
}

func digits(of ...int64) []string {
	texts := make([]string, len(of))
	for i, n := range of {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return texts
}
