package llm

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// ListedModel is a model that can be asked, as its provider describes it. What the provider
// does not say is taken from what is known of its models, else it is 0, or nil.
type ListedModel struct {
	ID         string
	Label      string
	Context    int // tokens of a prompt with its answer
	Output     int // tokens of an answer
	SeesImages *bool
}

const (
	// maxListed bounds the models of one list, maxListBytes the list. Large gateways list
	// about 400 models in half a megabyte.
	maxListed    = 1000
	maxListBytes = 4 << 20
)

// lister is a provider that tells which models it has.
type lister interface {
	list(key string) (url string, header http.Header)
}

func (p *openAI) list(key string) (string, http.Header) {
	header := http.Header{}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return p.baseURL + "/models", header
}

func (p *gemini) list(key string) (string, http.Header) {
	return p.baseURL + "/" + geminiVersion + "/models?pageSize=1000", http.Header{"X-Goog-Api-Key": {key}}
}

func (p *claude) list(key string) (string, http.Header) {
	header := http.Header{"Anthropic-Version": {claudeVersion}}
	if key != "" {
		header.Set("X-Api-Key", key)
	}
	return p.baseURL + "/v1/models?limit=1000", header
}

// List asks a provider with a key which models it has, in the order of their names. It asks
// once; the caller bounds the time. An error is an *Error.
func (m *Models) List(ctx context.Context, provider, key string) ([]ListedModel, error) {
	p := m.providers[provider]
	if p == nil {
		return nil, &Error{Kind: UnknownProvider, Provider: provider, Message: "not in the configuration"}
	}
	from, ok := p.impl.(lister)
	if !ok {
		return m.KnownModels(provider), nil // nobody has to be asked
	}
	url, header := from.list(key)
	mask := newMasker(Request{Key: key})
	raw, err := m.wire.fetch(ctx, url, header, func(text string) string { return sanitise(mask.all(text), key) })
	if err != nil {
		err.Provider = provider
		return nil, err
	}
	models := listedIn(raw)
	if models == nil {
		return nil, &Error{Kind: Broken, Provider: provider, Message: "what it lists are no models"}
	}
	for i := range models {
		models[i].complete(p.service)
	}
	return models, nil
}

// fetch gets a JSON document of at most maxListBytes.
func (w *wire) fetch(ctx context.Context, url string, header http.Header, hide func(string) string) ([]byte, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, badRequest("the address of the provider makes no URL")
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "coagent")
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, networkError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if fault := w.refuse(resp, resp.Body, hide); fault != nil {
		return nil, fault
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxListBytes+1))
	switch {
	case err != nil:
		return nil, networkError(err)
	case len(raw) > maxListBytes:
		return nil, broken("lists more than %d bytes", maxListBytes)
	}
	return repaired(raw), nil
}

// listedIn reads a list of models in any of the forms in which servers write it. It returns
// nil for what is no such list.
func listedIn(raw []byte) []ListedModel {
	var doc struct{ Data, Models json.RawMessage }
	list := json.RawMessage(raw)
	if json.Unmarshal(raw, &doc) == nil {
		list = doc.Data
		if len(list) == 0 {
			list = doc.Models
		}
	}
	if list = json.RawMessage(strings.TrimSpace(string(list))); len(list) == 0 || list[0] != '[' {
		return nil
	}
	out := []ListedModel{}
	for _, item := range items(list, 4*maxListed) {
		m, ok := listedModel(item)
		if ok && len(out) < maxListed {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b ListedModel) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(out, func(a, b ListedModel) bool { return a.ID == b.ID })
}

// noTalk matches the names of models that do not answer in words.
var noTalk = regexp.MustCompile(`(?i)embed|whisper|(^|[-/])tts|dall-e|moderation|realtime|transcribe|gpt-image|imagen|veo-|^sora|davinci-|babbage-|-audio|rerank`)

// listedModel reads one model of a list. Servers say the same under many names.
func listedModel(raw json.RawMessage) (m ListedModel, ok bool) {
	var in map[string]json.RawMessage
	if json.Unmarshal(raw, &in) != nil {
		return m, false
	}
	name := strings.TrimPrefix(textOf(in["name"]), "models/")
	id, err := CleanModel(cmp.Or(textOf(in["id"]), name))
	if err != nil || noTalk.MatchString(id) || !talks(in) {
		return m, false
	}
	m = ListedModel{ID: id, Label: label(cmp.Or(textOf(in["display_name"]), textOf(in["displayName"]), name, id))}
	top := map[string]json.RawMessage{}
	_ = json.Unmarshal(in["top_provider"], &top) // of OpenRouter; others have none
	m.Context = firstCount(in["context_length"], in["context_window"], in["max_model_len"], in["max_context_length"], in["max_input_tokens"], in["inputTokenLimit"])
	m.Output = firstCount(in["outputTokenLimit"], in["max_completion_tokens"], top["max_completion_tokens"], in["max_output_tokens"], in["max_tokens"])
	m.SeesImages = seesImages(in)
	return m, true
}

// talks tells whether a model may be asked for an answer in words, unless it says no.
func talks(in map[string]json.RawMessage) bool {
	if methods := items(in["supportedGenerationMethods"], 20); len(methods) > 0 {
		return slices.ContainsFunc(methods, func(m json.RawMessage) bool { return textOf(m) == "generateContent" })
	}
	var can struct {
		Chat *bool `json:"completion_chat"`
	}
	_ = json.Unmarshal(in["capabilities"], &can) // a list on some servers, which says nothing here
	return can.Chat == nil || *can.Chat
}

// seesImages reads whether a model takes pictures, nil when its provider does not say.
func seesImages(in map[string]json.RawMessage) *bool {
	var architecture struct {
		Inputs []string `json:"input_modalities"`
	}
	if json.Unmarshal(in["architecture"], &architecture) == nil && len(architecture.Inputs) > 0 {
		sees := slices.Contains(architecture.Inputs, "image")
		return &sees
	}
	var can struct {
		Vision *bool `json:"vision"`
		Images struct {
			Supported *bool `json:"supported"`
		} `json:"image_input"`
	}
	_ = json.Unmarshal(in["capabilities"], &can)
	return cmp.Or(can.Vision, can.Images.Supported)
}

// firstCount is the first of several members that is a sensible count of tokens, else 0.
func firstCount(of ...json.RawMessage) int {
	for _, raw := range of {
		if n, ok := countOf(raw); ok && n > 0 && n <= mostTokens {
			return n
		}
	}
	return 0
}

// label makes a provider's name for a model fit to be shown: one line of at most 200 bytes.
func label(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = strings.Map(func(r rune) rune {
		if unseen(r) || r < ' ' {
			return -1
		}
		return r
	}, text)
	if len(text) > maxModelName {
		text = strings.ToValidUTF8(text[:maxModelName], "")
	}
	return text
}
