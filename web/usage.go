package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/store"
)

const pathUsage = v1 + "/usage"

func (s *Server) usageRoutes() {
	const tag = "Usage and budgets"
	add(s, get, pathUsage, "getUsage", s.usage,
		route{tag: tag, summary: "Sum what calls of models used",
			description: "All of it for admins, of a course or room for its staff, of an agent for who may change it, of a key for " +
				"its owner, and for everybody their own. A table with format=csv or Accept: text/csv.",
			large: manyBytes, errors: []int{missing}})
	usage := s.api.OpenAPI().Paths[pathUsage].Get.Responses["200"]
	usage.Content[mimeCSV] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Description: "A header, then the rows of the page"},
		Example: "day,calls,input_tokens,output_tokens,cached_tokens,cache_write_tokens,thinking_tokens,cost,currency,failed,unreported\n" +
			"2026-11-29,12,5210,812,0,0,0,0.021145,USD,0,0\n"}
	add(s, get, v1+"/budgets", "listBudgets", s.budgets,
		route{tag: tag, summary: "List the budgets of a key, person, course, room or agent; for admins of all",
			description: "For who may make them.",
			errors:      []int{missing}})
	add(s, post, v1+"/budgets", "createBudget", s.createBudget,
		route{tag: tag, summary: "Make a budget for calls of models from now on",
			description: "For teachers of the course or room, who may change the agent, the owner of the key, and admins. When it " +
				"is empty, agents pause.",
			example: `{"scope_kind":"course","scope_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","period":"month","unit":"tokens","cap":2000000}`,
			status:  created, errors: []int{missing, conflict}})
	add(s, get, v1+"/budgets/{budget_id}", "getBudget", s.budget,
		route{tag: tag, summary: "Show a budget",
			description: "For who may make it.",
			errors:      []int{missing}})
	add(s, put, v1+"/budgets/{budget_id}", "updateBudget", s.updateBudget,
		route{tag: tag, summary: "Change the cap of a budget; below what is spent, nothing new starts",
			description: "For who may make it. Below what is spent, nothing new starts.",
			example:     `{"cap":3000000}`,
			errors:      []int{missing, conflict}})
	add(s, del, v1+"/budgets/{budget_id}", "deleteBudget", s.deleteBudget,
		route{tag: tag, summary: "Delete a budget; its usage stays",
			description: "For who may make it.",
			status:      gone, errors: []int{missing}})
}

// amount is an exact decimal number. A client may send it as a number or a text.
type amount string

// Schema allows a number or a text.
func (amount) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString}},
		Description: "Read exactly, also as a text"}
}

// UnmarshalJSON keeps the digits as they came.
func (a *amount) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	*a = amount(text)
	return nil
}

// exact is an exact decimal number in an answer.
type exact string

// Schema is that of a number.
func (exact) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeNumber} }

// MarshalJSON writes the digits.
func (e exact) MarshalJSON() ([]byte, error) { return []byte(e), nil }

type usageIn struct {
	From     string `query:"from" doc:"From this date in the server's time zone, or this instant; else 31 days before to" example:"2026-11-01"`
	To       string `query:"to" doc:"To this date, inclusive, or before this instant" example:"2026-11-30"`
	GroupBy  string `query:"group_by" doc:"day, room, course, agent, person, model, key, with commas; else one sum for each currency" example:"day,agent"`
	CourseID id     `query:"course_id"`
	RoomID   id     `query:"room_id"`
	AgentID  id     `query:"agent_id"`
	KeyID    id     `query:"key_id"`
	PersonID id     `query:"person_id" doc:"Who caused the calls"`
	Format   string `query:"format" enum:"json,csv"`
	PageIn

	accept string
}

// Resolve reads what the client takes. huma does not see it: every other answer is JSON.
func (in *usageIn) Resolve(ctx huma.Context) []error {
	in.accept = humafiber.Unwrap(ctx).Get(fiber.HeaderAccept)
	return nil
}

// UsageSumOut is what some calls used.
type UsageSumOut struct {
	Calls            int64   `json:"calls" doc:"Attempts"`
	InputTokens      int64   `json:"input_tokens"`
	OutputTokens     int64   `json:"output_tokens" doc:"With thinking_tokens"`
	CachedTokens     int64   `json:"cached_tokens" doc:"Part of input_tokens"`
	CacheWriteTokens int64   `json:"cache_write_tokens" doc:"Part of input_tokens"`
	ThinkingTokens   int64   `json:"thinking_tokens" doc:"Part of output_tokens"`
	Cost             exact   `json:"cost"`
	Currency         *string `json:"currency" doc:"null: models without a price"`
	Failed           int64   `json:"failed"`
	Unreported       int64   `json:"unreported" doc:"Calls without the provider's count: estimated, or what a budget held"`
}

type usageRowOut struct {
	Day      string  `json:"day,omitempty" format:"date"`
	CourseID *string `json:"course_id,omitempty"`
	Course   *string `json:"course_title,omitempty"`
	RoomID   *string `json:"room_id,omitempty"`
	Room     *string `json:"room_name,omitempty"`
	AgentID  *string `json:"agent_id,omitempty"`
	Agent    *string `json:"agent_name,omitempty"`
	PersonID *string `json:"person_id,omitempty"`
	Person   *string `json:"person_name,omitempty"`
	KeyID    *string `json:"key_id,omitempty"`
	Key      *string `json:"key_alias,omitempty"`
	Provider string  `json:"provider,omitempty"`
	Model    string  `json:"model,omitempty"`
	UsageSumOut
}

type usageBody struct {
	From    time.Time     `json:"from"`
	Until   *time.Time    `json:"until" doc:"null: now"`
	GroupBy []string      `json:"group_by"`
	Rows    []usageRowOut `json:"rows"`
	Totals  []UsageSumOut `json:"totals" doc:"Of all pages, by currency"`

	csv bool
}

type usageOut struct {
	Link string `header:"Link" doc:"Where to go on, absent behind the last page"`
	Body usageBody
}

func usageSumForm(s *store.UsageSum) UsageSumOut {
	return UsageSumOut{Calls: s.Calls, InputTokens: s.InputTokens, OutputTokens: s.OutputTokens,
		CachedTokens: s.CachedTokens, CacheWriteTokens: s.CacheWriteTokens,
		ThinkingTokens: s.ThinkingTokens, Cost: exact(money.Nano(s.Cost)), Currency: textOrNil(s.Currency),
		Failed: s.Failed, Unreported: s.Unreported}
}

func usageRowForm(r *app.UsageRow) usageRowOut {
	return usageRowOut{Day: r.Day, CourseID: textOrNil(r.CourseID), Course: textOrNil(r.Course),
		RoomID: textOrNil(r.RoomID), Room: textOrNil(r.Room), AgentID: textOrNil(r.AgentID), Agent: textOrNil(r.Agent),
		PersonID: textOrNil(r.PersonID), Person: textOrNil(r.Person),
		KeyID: textOrNil(r.KeyID), Key: textOrNil(r.Key), Provider: r.Provider, Model: r.Model, UsageSumOut: usageSumForm(&r.UsageSum)}
}

func (s *Server) usage(ctx context.Context, actor *app.Actor, in *usageIn) (*usageOut, error) {
	groups := []string{}
	for name := range strings.SplitSeq(in.GroupBy, ",") {
		if name = strings.TrimSpace(name); name != "" {
			groups = append(groups, name)
		}
	}
	report, err := s.app.Usage(ctx, actor, app.UsageQuery{From: in.From, To: in.To, GroupBy: groups, Page: in.page(), Of: store.UsageFilter{
		CourseID: in.CourseID.String(), RoomID: in.RoomID.String(), AgentID: in.AgentID.String(),
		KeyID: in.KeyID.String(), PersonID: in.PersonID.String()}})
	if err != nil {
		return nil, err
	}
	out := &usageOut{Body: usageBody{From: instant(report.From), Until: since(report.Until), GroupBy: groups,
		Rows: listOf(report.Rows, usageRowForm), Totals: listOf(report.Totals, usageSumForm),
		csv: in.Format == "csv" || in.Format == "" && strings.HasPrefix(in.accept, mimeCSV)}}
	if len(report.Rows) >= in.Limit {
		out.Link = requestOf(ctx).next("skip", strconv.Itoa(in.Skip+in.Limit))
	}
	return out, nil
}

// textual is a body that may be sent in another form than JSON. An empty type means JSON.
type textual interface {
	asText() (contentType string, text []byte)
}

// asText is the rows as CSV (RFC 4180) when the client asked for it.
func (b usageBody) asText() (string, []byte) {
	if !b.csv {
		return "", nil
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	header := map[string][]string{"day": {"day"}, "course": {"course_id", "course_title"}, "room": {"room_id", "room_name"},
		"agent": {"agent_id", "agent_name"}, "person": {"person_id", "person_name"},
		"key": {"key_id", "key_alias"}, "model": {"provider", "model"}}
	var line []string
	for _, g := range b.GroupBy {
		line = append(line, header[g]...)
	}
	// A write into memory does not fail.
	_ = w.Write(append(line, "calls", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "thinking_tokens",
		"cost", "currency", "failed", "unreported"))
	for i := range b.Rows {
		r := &b.Rows[i]
		line = line[:0]
		for _, g := range b.GroupBy {
			line = append(line, map[string][]string{"day": {r.Day}, "course": {cell(r.CourseID), cell(r.Course)},
				"room": {cell(r.RoomID), cell(r.Room)}, "agent": {cell(r.AgentID), cell(r.Agent)},
				"person": {cell(r.PersonID), cell(r.Person)}, "key": {cell(r.KeyID), cell(r.Key)},
				"model": {cell(&r.Provider), cell(&r.Model)}}[g]...)
		}
		for _, n := range []int64{r.Calls, r.InputTokens, r.OutputTokens, r.CachedTokens, r.CacheWriteTokens, r.ThinkingTokens} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		_ = w.Write(append(line, string(r.Cost), cell(r.Currency), strconv.FormatInt(r.Failed, 10), strconv.FormatInt(r.Unreported, 10)))
	}
	w.Flush()
	return mimeCSV + "; charset=utf-8", out.Bytes()
}

// cell is a text for a table. A spreadsheet takes a text with one of these beginnings for a
// formula, some also in their wide forms, and names are written by anybody: an apostrophe
// says that it is none.
func cell(text *string) string {
	if text == nil {
		return ""
	}
	if strings.IndexAny(*text, "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") == 0 {
		return "'" + *text
	}
	return *text
}
