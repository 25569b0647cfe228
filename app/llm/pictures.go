package llm

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
)

// This file has what is known of pictures in prompts: which models see them, how many
// tokens one counts, and how a provider says that it takes none.

// Picture is a picture in a user's message. It is shown after the message's text, which
// says what it is called: a model that sees none reads that.
type Picture struct {
	ID   string // the caller's own name for it; it is not sent
	Type string // image/jpeg or image/png
	Data []byte

	at int // behind how many bytes of the text it comes, once messages are joined
}

// PictureSide is the longer side that pictures may have, in pixels. What a picture counts
// at most follows from it.
const PictureSide = 1568

// What one picture of at most PictureSide by PictureSide pixels counts at most, in tokens.
const (
	// Google counts 258 tokens for each tile; a tile has a side of two thirds of the
	// picture's shorter one, 256 to 768 pixels, so there are at most 14
	// (https://ai.google.dev/gemini-api/docs/image-understanding). Gemini 3 counts up to 2240
	// (https://ai.google.dev/gemini-api/docs/media-resolution).
	geminiPicture = 14 * 258
	// Anthropic counts one token for 750 pixels, and scales larger pictures down first
	// (https://docs.anthropic.com/en/docs/vision).
	claudePicture = PictureSide*PictureSide/750 + 1
	// OpenAI counts a base and each tile of 512 pixels, at most 2 by 4 of them, or each patch
	// of 32 pixels, at most 1536 of them, times a factor of the model of at most 2.46. One
	// model has far larger numbers: gpt-4o-mini, 2833 and 5667 a tile
	// (https://platform.openai.com/docs/guides/images-vision#calculating-costs).
	openAIPicture     = 1536*246/100 + 1
	openAIMiniPicture = 2833 + 8*5667
	// Other servers run models of all kinds. The smallest patches of those that see have 14
	// pixels, and each is a token: Qwen2-VL joins four
	// (https://arxiv.org/abs/2409.12191), Together counts at most 6404
	// (https://docs.together.ai/docs/vision-overview).
	otherPicture = (PictureSide / 14) * (PictureSide / 14)
)

// family is what is known of the models whose names match a pattern, see path.Match.
type family struct {
	pattern string
	sees    bool
}

// families lists the models of the public services, the more special names first. Their
// papers say which take pictures:
// https://platform.openai.com/docs/models, https://ai.google.dev/gemini-api/docs/models,
// https://docs.anthropic.com/en/docs/about-claude/models.
func families(kind Kind) []family {
	switch kind {
	case KindOpenAI:
		return []family{{"*audio*", false}, {"*realtime*", false}, {"*search*", false}, {"o1-mini*", false}, {"o1-preview*", false}, {"o3-mini*", false},
			{"gpt-4o*", true}, {"chatgpt-4o*", true}, {"gpt-4.1*", true}, {"gpt-4.5*", true}, {"gpt-4-turbo*", true}, {"gpt-4-vision*", true},
			{"gpt-5*", true}, {"o1*", true}, {"o3*", true}, {"o4*", true}, {"gpt-3.5*", false}, {"gpt-4*", false}}
	case KindGemini:
		return []family{{"gemma-3-1b*", false}, {"gemini-*", true}, {"gemma-3*", true}}
	case KindClaude:
		return []family{{"claude-2*", false}, {"claude-instant*", false}, {"claude-*", true}}
	}
	return nil
}

// Sees tells whether a model takes pictures, and whether that is known: only of the models
// of the public services, because whoever runs a server chooses its names.
func (m *Models) Sees(provider, model string) (sees, known bool) {
	p := m.providers[provider]
	if p == nil || p.kind == KindOffline {
		return false, p != nil
	}
	return p.service.sees(cmp.Or(model, p.defaultModel))
}

// sees tells of a public service whether a model takes pictures, and whether that is known.
func (k Kind) sees(model string) (sees, known bool) {
	name := strings.ToLower(model)
	for _, f := range families(k) {
		if is, _ := path.Match(f.pattern, name); is {
			return f.sees, true
		}
	}
	return false, false
}

// PictureTokens is the most tokens that one picture counts at a model.
func (m *Models) PictureTokens(provider, model string) int {
	if p := m.providers[provider]; p != nil {
		return p.pictureTokens(cmp.Or(model, p.defaultModel))
	}
	return otherPicture
}

func (p *provider) pictureTokens(model string) int {
	switch {
	case strings.Contains(strings.ToLower(model), "4o-mini"):
		return openAIMiniPicture // wherever it runs
	case p.service == KindGemini, p.kind == KindGemini:
		return geminiPicture
	case p.service == KindClaude, p.kind == KindClaude:
		return claudePicture
	case p.service == KindOpenAI:
		return openAIPicture
	}
	return otherPicture
}

// hasPictures tells whether any message shows a picture.
func (r Request) hasPictures() bool {
	return slices.ContainsFunc(r.Messages, func(m Message) bool { return len(m.Pictures) > 0 })
}

// withoutPictures is r for a model that takes none. The texts still name them.
func (r Request) withoutPictures() Request {
	r.Messages = slices.Clone(r.Messages)
	for i := range r.Messages {
		r.Messages[i].Pictures = nil
	}
	return r
}

// behind returns pictures that come behind n more bytes of text.
func behind(pictures []Picture, n int) []Picture {
	out := slices.Clone(pictures)
	for i := range out {
		out[i].at += n
	}
	return out
}

// inParts calls text and picture with the parts of a message, in the order in which the
// model shall read them.
func (m Message) inParts(text func(string), picture func(Picture)) {
	done := 0
	for _, p := range m.Pictures {
		if at := min(max(p.at, done), len(m.Text)); at > done {
			text(m.Text[done:at])
			done = at
		}
		picture(p)
	}
	if done < len(m.Text) || len(m.Pictures) == 0 {
		text(m.Text[done:])
	}
}

var (
	// namesPictures matches how providers name what they refuse when it is a picture. A
	// server that knows texts alone complains that a content is none.
	namesPictures = regexp.MustCompile(`image|vision|multi-?modal|inline_?data|content"?[^.]{0,20} (?:must|should) be a(?: valid)? string|` +
		`content: input should be a valid string|expected a string`)
	// onePicture matches complaints about this picture, and not about pictures.
	onePicture = regexp.MustCompile(`could not process|unable to process|corrupt|decode|exceeds|too (?:large|big|many|small)|dimension|` +
		`(?:invalid|unsupported) image|image format|invalid base64|media[_ ]?type|at most [1-9]`)
)

// refusesPictures tells whether a provider refuses a request for its pictures.
func (f fault) refusesPictures() bool {
	words := strings.ToLower(f.message)
	return namesPictures.MatchString(words) && (refusing.MatchString(words) || onePicture.MatchString(words)) ||
		namesPictures.MatchString(strings.ToLower(f.param))
}
