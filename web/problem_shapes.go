package web

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app/wording"
)

// fieldError is what an answer says about one wrong member of the request.
type fieldError struct {
	Field   string     `json:"field" doc:"Such as body.name"`
	Message string     `json:"message" doc:"What to send instead, in the language of Accept-Language"`
	Code    fieldCode  `json:"code" example:"empty"`
	Params  textParams `json:"params,omitempty"`
}

// conflictOut is a block of an artifact that two have changed in different ways.
type conflictOut struct {
	Block  string  `json:"block" example:"content.status"`
	Yours  *string `json:"yours" doc:"Its text, at most 2000 bytes; null if deleted"`
	Theirs *string `json:"theirs"`
}

// problemCode is the code of a problem; fieldCode that of one wrong member. Both sets are
// in docs/problems.md.
type (
	problemCode wording.Code
	fieldCode   wording.Code
)

// Schema lists the codes of problems.
func (problemCode) Schema(huma.Registry) *huma.Schema { return codeSchema(false) }

// Schema lists the codes of members.
func (fieldCode) Schema(huma.Registry) *huma.Schema { return codeSchema(true) }

func codeSchema(member bool) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, code := range wording.Codes(member) {
		s.Enum = append(s.Enum, code)
	}
	return s
}

// textParams are the values in a text by their names.
type textParams map[string]any

// Schema says that a value is a text, a number, or true or false.
func (textParams) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: &huma.Schema{
		AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}, {Type: huma.TypeBoolean}}}}
}
