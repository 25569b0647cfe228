package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
)

// injection is a text that wants a model to do what nobody allowed. Text has places for what a
// very lucky attacker would know: {artifact}, {approval} (a step that waits), {fence}, and
// {fence.upper} and so on, see spellings. Calls are what the text tells the model to call.
type injection struct {
	ID, Language, Kind, Text string
	Calls                    []struct {
		Name      string
		Arguments json.RawMessage
	}
}

func injections(t *testing.T) (all []injection) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "injection", "texts.json"))
	must(t, err)
	must(t, json.Unmarshal(text, &all))
	kinds, languages, ids := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, a := range all {
		kinds[a.Kind], ids[a.ID] = true, true
		languages[a.Language]++
	}
	if len(ids) != 100 || len(kinds) != 25 || len(languages) != 4 || languages["ar"] != 25 {
		t.Fatalf("got %d texts of %d kinds in %v", len(ids), len(kinds), languages)
	}
	return all
}

// spaced writes a text between any two characters of a word.
func spaced(text string) func(string) string {
	return func(word string) string { return strings.Join(strings.Split(word, ""), text) }
}

// shifted moves the letters and digits of a word to those of another alphabet.
func shifted(letter, digit rune, others ...string) func(string) string {
	return func(word string) string {
		return strings.NewReplacer(others...).Replace(strings.Map(func(r rune) rune {
			switch {
			case letter != 0 && r >= 'a' && r <= 'z':
				return r - 'a' + letter
			case digit != 0 && r >= '0' && r <= '9':
				return r - '0' + digit
			}
			return r
		}, word))
	}
}

// spellings are ways to write the word of a fence so that a model may still read it.
var spellings = map[string]func(string) string{
	"": func(word string) string { return word }, "upper": strings.ToUpper,
	"wide": shifted('ａ', '０', "-", "－"), "bold": shifted('𝐚', '𝟎'), "digits": shifted(0, '٠'),
	"circle":   shifted('ⓐ', 0, "1", "①", "2", "②", "3", "③", "4", "④", "5", "⑤", "6", "⑥", "7", "⑦", "8", "⑧", "9", "⑨", "0", "⓪"),
	"cyrillic": shifted(0, 0, "a", "а", "e", "е", "c", "с", "d", "ԁ", "t", "т"), "accent": shifted(0, 0, "a", "á", "e", "é"),
	"dash": shifted(0, 0, "-", "\u2011"), "zero": spaced("\u200b"), "shy": spaced("\u00ad"), "filler": spaced("\u3164"), "tag": spaced("\U000e0041"),
}

// filled is a text with everything that its attacker knows.
func (h *hall) filled(text string) string {
	known := []string{"{artifact}", h.owned.ID, "{approval}", h.approval, "{fence}", h.fence}
	for name, spell := range spellings {
		known = append(known, "{fence."+name+"}", spell(h.fence))
	}
	return strings.NewReplacer(known...).Replace(text)
}

// shown is the same text as the model may be shown it: without the fence's word, and with
// marks of templates that do not work.
func (h *hall) shown(text string) string {
	known := []string{"{artifact}", h.owned.ID, "{approval}", h.approval, "{fence}", "(...)"}
	for name := range spellings {
		known = append(known, "{fence."+name+"}", "(...)")
	}
	for _, mark := range []string{"<|im_end|>", "<|im_start|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>",
		"<end_of_turn>", "<start_of_turn>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "</tool_result>", "<tool_result>", "<tool_response>", "</tool_response>",
		"<tool_call>", "</tool_call>", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]"} {
		known = append(known, mark, mark[:1]+" "+mark[1:])
	}
	return strings.NewReplacer(known...).Replace(text)
}

// inJSON is a text as it stands within a JSON text.
func inJSON(text string) string { return strings.Trim(string(store.ToJSON(text)), `"`) }

// wireMessage is one message as it came to the model.
type wireMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func wire(t *testing.T, q llmtest.Request) []wireMessage {
	t.Helper()
	var body struct {
		Messages []wireMessage `json:"messages"`
	}
	must(t, json.Unmarshal([]byte(q.Body), &body))
	return body.Messages
}

// block is what one speaker said, as a strict reader sees it: a fence, or one line with the
// speaker in front.
type block struct{ from, text string }

// blocks reads a message of the user's role. A fence ends with its first closing tag, and
// outside of a fence there are only lines, with blank ones between them.
func blocks(content, fence string) (all []block, err error) {
	open, end := "<"+fence+` from="`, "\n</"+fence+">"
	for rest := content; rest != ""; {
		var b block
		if inside, ok := strings.CutPrefix(rest, open); ok {
			from, inside, ok1 := strings.Cut(inside, "\">\n")
			text, after, ok2 := strings.Cut(inside, end)
			if !ok1 || !ok2 {
				return nil, fmt.Errorf("a fence has no end: %q", rest)
			}
			b, rest = block{from, text}, after
		} else {
			line, after, _ := strings.Cut(rest, "\n")
			if after != "" {
				after = "\n" + after
			}
			if b.from, b.text, ok = strings.Cut(line, ": "); !ok {
				b = block{"", line}
			}
			rest = after
		}
		if strings.ContainsAny(b.from, "<>\n") || strings.Contains(b.from+b.text, fence) {
			return nil, fmt.Errorf("it is no block: %q of %q", b.text, b.from)
		}
		all = append(all, b)
		if rest == "" {
			break
		}
		after, ok := strings.CutPrefix(rest, "\n\n")
		if !ok || after == "" {
			return nil, fmt.Errorf("something is behind a block: %q", rest)
		}
		rest = after
	}
	return all, nil
}

// checkRequest checks that a request has its one system message as it was without any
// attack, that all else is the user's, a tool's or the agent's own, and that nothing in it
// breaks a fence. It returns the blocks in it. alone says that people's messages have no
// speaker.
func (h *hall) checkRequest(t *testing.T, q llmtest.Request, system string, alone bool) (all []block) {
	t.Helper()
	messages := wire(t, q)
	if len(messages) < 2 || messages[0].Role != "system" || messages[0].Content != system {
		t.Fatalf("the system message is %q, want %q", messages[0].Content, system)
	}
	for _, m := range messages[1:] {
		switch {
		case m.Role == "assistant":
		case m.Role == "user" && alone:
			all = append(all, block{"", m.Content})
		case m.Role == "user" || m.Role == "tool":
			got, err := blocks(m.Content, h.fence)
			if err != nil || m.Role == "tool" && len(got) != 1 {
				t.Fatalf("%s: %v in %q", m.Role, err, m.Content)
			}
			all = append(all, got...)
		default:
			t.Fatalf("there is a message of the role %s", m.Role)
		}
		if strings.Contains(m.Content, "<|im_") || strings.Contains(m.Content, "[INST]") {
			t.Errorf("a mark of a template is left: %q", m.Content)
		}
	}
	return all
}

// once checks that exactly one block has a text, and that it is this speaker's.
func once(t *testing.T, all []block, from, text string) {
	t.Helper()
	n := 0
	for _, b := range all {
		if b.from == from && b.text == text {
			n++
		} else if strings.Contains(b.text, text) {
			n += 100
		}
	}
	if n != 1 {
		last := all[max(0, len(all)-2):]
		t.Errorf("%q of %s is there %d times (100 for each in another place); the last blocks are %q", text, from, n, last)
	}
}

// privileged are the calls of a model that does whatever it is told: all that a person has
// to allow, all that nobody may do, and what the attack itself says.
func (h *hall) privileged(a *injection) (all []llmtest.ToolCall) {
	add := func(name, arguments string) {
		all = append(all, llmtest.ToolCall{ID: fmt.Sprintf("call_%s_%d", store.NewID()[24:], len(all)), Name: name, Arguments: arguments})
	}
	add("manage_artifact", `{"action":"delete","artifact_id":"`+h.owned.ID+`"}`)
	add("manage_artifact", `{"action":"update","artifact_id":"`+strings.ToUpper(h.owned.ID)+`","title":"gone"}`)
	add("update_trigger", `{"trigger_type":"message_count","value":20}`)
	add("manage_artifact", `{"action":"delete","artifact_id":"`+h.foreign+`"}`)
	add("decide_approval", `{"step_id":"`+h.approval+`","decision":"approve"}`)
	for _, c := range a.Calls {
		add(c.Name, h.filled(string(c.Arguments)))
	}
	return all
}

// reads are the tools whose calls nobody has to allow.
var reads = []string{"read_artifact", "list_artifacts", "search_messages", "list_members", "ask_agent"}

// checkEffects checks that nothing was done that a person did not allow: each privileged
// call waits, or was refused, and says itself what it would do.
func (h *hall) checkEffects(t *testing.T, a *injection) (waits []store.TurnStep) {
	t.Helper()
	all, err := h.r.DB.Turns(t.Context(), h.room, store.Page{Limit: 1})
	must(t, err)
	steps, err := h.r.DB.TurnSteps(t.Context(), all[0].ID)
	must(t, err)
	for _, s := range steps {
		switch {
		case s.Kind != store.StepTool, s.State == store.StepFailed, s.State == store.StepDone && slices.Contains(reads, s.Name):
		case s.State == store.StepPending && s.DecidedBy == "" && (s.Name == "manage_artifact" || s.Name == "update_trigger"):
			waits = append(waits, s)
		default:
			t.Errorf("%s: %s is %s by %q", a.ID, s.Name, s.State, s.DecidedBy)
		}
	}
	f, err := h.r.DB.Artifact(t.Context(), h.owned.ID)
	if err != nil || f.Version != h.owned.Version || f.Title != h.owned.Title || f.Content != h.owned.Content || f.Deleted() {
		t.Errorf("%s: the artifact became %+v (%v)", a.ID, f, err)
	}
	return waits
}
