package event

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

var someTime = time.Date(2026, 3, 1, 12, 30, 0, 5000, time.UTC)

func frameFields(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func TestMessageFrames(t *testing.T) {
	t.Parallel()
	full := "Sue"
	person := Live(OfMessage(&store.Message{ID: "m1", RoomID: "r1", Seq: 7, SenderID: "u1", ClientID: "c1", Content: "a<b>&\u2028",
		CreatedAt: someTime, Sender: &store.User{FullName: &full, Email: "sue@example.org"}}))
	agent := Live(OfMessage(&store.Message{ID: "m2", RoomID: "r1", Seq: 8, AgentID: "a1", AgentType: "teacher", AgentName: "Ada",
		TurnID: "t1", Content: "hi", CreatedAt: someTime}))
	plainPerson := `{"type":"message","sender":"Sue","content":"a<b>&\u2028","timestamp":"2026-03-01T12:30:00.000005Z","room_id":"r1","metadata":{"is_ai":false,"sender_id":"u1","id":"m1","seq":7}`
	plainAgent := `{"type":"message","sender":"[Teacher AI]","content":"hi","timestamp":"2026-03-01T12:30:00.000005Z","room_id":"r1","metadata":{"is_ai":true,"agent_type":"teacher","id":"m2","seq":8}`
	for name, c := range map[string]struct {
		event realtime.Event
		v2    bool
		want  string
	}{
		"PlainPerson": {person, false, plainPerson + `}`},
		"PlainAgent":  {agent, false, plainAgent + `}`},
		"V2Person":    {person, true, plainPerson + `,"id":"m1","seq":7,"client_id":"c1"}`},
		"V2Agent":     {agent, true, plainAgent + `,"id":"m2","seq":8,"agent_id":"a1","agent_name":"Ada","turn_id":"t1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, staff := range []bool{false, true} {
				if got := string(Frame(c.event, VariantFor(c.v2, staff))); got != c.want {
					t.Errorf("staff %v:\n got %s\nwant %s", staff, got, c.want)
				}
			}
		})
	}
}

func TestTurnFrames(t *testing.T) {
	t.Parallel()
	ended := func(state string) realtime.Event {
		return realtime.Event{Room: "r1", Seq: 9, ID: "e1", Type: TypeTurn, At: someTime, Body: []byte(store.ToJSON(Turn{TurnID: "t1",
			AgentID: "a1", AgentName: "Ada", State: state, Attempt: 2, Reason: "bad_key", Detail: "the key is refused"}))}
	}
	failed := map[string]any{"type": "turn", "turn_id": "t1", "agent_id": "a1", "agent_name": "Ada", "state": "failed", "attempt": 2.0,
		"id": "e1", "seq": 9.0, "timestamp": "2026-03-01T12:30:00.000005Z"}
	t.Run("V2Member", func(t *testing.T) {
		t.Parallel()
		if got := frameFields(t, Frame(ended("failed"), VariantFor(true, false))); !maps.Equal(got, failed) {
			t.Errorf("got %v, want %v", got, failed)
		}
	})
	t.Run("V2Staff", func(t *testing.T) {
		t.Parallel()
		want := maps.Clone(failed)
		want["reason"], want["detail"] = "bad_key", "the key is refused"
		if got := frameFields(t, Frame(ended("failed"), VariantFor(true, true))); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("PlainMember", func(t *testing.T) {
		t.Parallel()
		want := `{"type":"system","sender":"System","content":"Ada could not answer.","timestamp":"","room_id":"r1","metadata":null}`
		if got := string(Frame(ended("failed"), VariantFor(false, false))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("PlainStaff", func(t *testing.T) {
		t.Parallel()
		want := `{"type":"system","sender":"System","content":"Ada could not answer: the key is refused","timestamp":"","room_id":"r1","metadata":null}`
		if got := string(Frame(ended("failed"), VariantFor(false, true))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("StoppedByPeopleIsNoNewsToPlain", func(t *testing.T) {
		t.Parallel()
		for reason := range toldOtherwise {
			e := ended("stopped")
			e.Body = []byte(strings.Replace(string(e.Body), "bad_key", reason, 1))
			for _, staff := range []bool{false, true} {
				if got := Frame(e, VariantFor(false, staff)); got != nil {
					t.Errorf("%s: got %s, want nothing", reason, got)
				}
			}
		}
	})
	t.Run("StoppedWithoutAWordIsTold", func(t *testing.T) {
		t.Parallel()
		want := `{"type":"system","sender":"System","content":"Ada could not answer.","timestamp":"","room_id":"r1","metadata":null}`
		if got := string(Frame(ended("stopped"), VariantFor(false, false))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("SignalHidesTheReason", func(t *testing.T) {
		t.Parallel()
		s := realtime.Signal{Type: SignalTurn, Body: ended("failed").Body}
		if got := string(encodeSignal("r1", s, VariantFor(true, false))); strings.Contains(got, "key") {
			t.Errorf("a member got %s", got)
		}
		if got := string(encodeSignal("r1", s, VariantFor(true, true))); !strings.Contains(got, "refused") {
			t.Errorf("staff got %s, want the detail", got)
		}
		if got := encodeSignal("r1", s, VariantFor(false, true)); got != nil {
			t.Errorf("a plain socket got %s, want nothing", got)
		}
	})
}

func TestBrokenEventsHaveNoFrame(t *testing.T) {
	t.Parallel()
	for _, e := range []realtime.Event{{Type: TypeMessage, Body: []byte("{")}, {Type: TypeTurn, Body: []byte("[]")}, {Type: "of a newer version", Body: []byte("{}")}} {
		for v := range realtime.Variant(4) {
			if got := Frame(e, v); got != nil {
				t.Errorf("%s, variant %d: got %s, want nothing", e.Type, v, got)
			}
		}
	}
}

func TestLeaveNotice(t *testing.T) {
	t.Parallel()
	left := func(name string, v realtime.Variant) string {
		return string(encodeSignal("r1", realtime.Signal{Type: SignalLeft, Body: json.RawMessage(store.ToJSON(realtime.Member{UserID: "u1", Name: name}))}, v))
	}
	t.Run("ShowsTheName", func(t *testing.T) {
		t.Parallel()
		want := `{"type":"system","sender":"System","content":"Client #Sue left","timestamp":"","room_id":"r1","metadata":null}`
		if got := left("Sue", VariantFor(false, false)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("NeverTheEmail", func(t *testing.T) {
		t.Parallel()
		if got := left("sue@example.org", VariantFor(false, true)); strings.Contains(got, "@") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("NotForV2", func(t *testing.T) {
		t.Parallel()
		if got := left("Sue", VariantFor(true, true)); got != "" {
			t.Errorf("got %s, want nothing", got)
		}
	})
}

func TestTimestamp(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("", 8*3600)
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 3, 1, 8, 0, 0, 0, zone), "2026-03-01T00:00:00.000000Z"},
		{someTime, "2026-03-01T12:30:00.000005Z"},
	} {
		if got := Timestamp(c.at); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
