package web

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app/realtime"
)

// closeCodes are the close codes with which the server ends a socket.
var closeCodes = map[int]string{
	realtime.CloseGoingAway:    "The server stops; come back, with after=<the last seq>",
	closeUnsupported:           "A binary frame; send text",
	realtime.CloseBadText:      "A text frame was not UTF-8",
	realtime.CloseTooLarge:     "A frame was far larger than a message of limits.message_bytes can be, however it is escaped (6 times that and 1 KiB); a longer message in a smaller frame is refused and the socket stays",
	realtime.CloseSessionEnded: "The session ended; sign in again",
	realtime.CloseNotMember:    "The person may not be in the room any more",
	realtime.CloseTooSlow:      "The socket fell behind or fell silent; come back, with after=<the last seq>",
}

// asyncAPI returns the description of the room's socket in both protocols
// (https://www.asyncapi.com/docs/reference/specification/v3.0.0).
func asyncAPI(version string) ([]byte, error) {
	type m = map[string]any
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas := frameSchemas(registry)
	messages, inChannel, operations := m{}, map[string]m{chanPlain: {}, chanV2: {}, chanMe: {}}, m{}
	for _, f := range socketFrames() {
		contentType := "application/json"
		if f.kind == "" {
			contentType = "text/plain"
		}
		examples := []m{{"name": "example", "payload": f.example}}
		for _, next := range thenOf(f.name) {
			examples = append(examples, m{"name": "then", "payload": next})
		}
		messages[f.name] = m{"name": f.name, "title": f.name, "summary": f.summary, "contentType": contentType,
			"payload": schemas[f.name], "examples": examples}
		for protocol, in := range inChannel {
			if f.isOf(protocol) {
				in[f.name] = m{"$ref": "#/components/messages/" + f.name}
			}
		}
	}
	security := []m{{"$ref": "#/components/securitySchemes/cookie"}, {"$ref": "#/components/securitySchemes/bearer"}}
	for protocol := range inChannel {
		for action, fromClient := range map[string]bool{"receive": true, "send": false} {
			var refs []m
			for _, f := range socketFrames() {
				if f.isOf(protocol) && f.fromClient == fromClient {
					refs = append(refs, m{"$ref": "#/channels/" + protocol + "/messages/" + f.name})
				}
			}
			summary := map[string]string{"receive": "What the server takes", "send": "What the server sends"}[action]
			operations[action+"_"+protocol] = m{"action": action, "summary": summary, "channel": m{"$ref": "#/channels/" + protocol}, "messages": refs, "security": security}
		}
	}
	return json.Marshal(m{
		"asyncapi": "3.0.0",
		"info": m{"title": "CoAgent Studio rooms", "version": version, "description": "The sockets of a room and of a person. Clients pass over frames whose type, and members whose name, they do not know. " +
			"The handshake is refused with 400, 401, 403 or 429 and an error as in /openapi.json; an expired token of a live session is let in."},
		"defaultContentType": "application/json",
		"servers": m{"this": m{"host": "{host}", "protocol": "wss", "description": "Where this document is; ws: where there is no https",
			"variables": m{"host": m{"default": "127.0.0.1:8000"}}}},
		"channels": m{
			chanPlain: channel("The protocol of older clients: a text frame from the client is a message",
				"Without a sub-protocol. Frames flow from the moment of the handshake, or behind ?after=<seq>.", inChannel[chanPlain], nil),
			chanV2: channel("The sub-protocol coagent.v2: every frame is one JSON object",
				"A frame with a member that its type does not have, or that is there twice, has no effect: the answer is an error frame with the code invalid that names it. Posts are acknowledged and safe to send again; seq numbers what happens in the room, and ?after=<seq> delivers exactly what was missed.", inChannel[chanV2],
				m{"type": "object", "required": []string{"Sec-WebSocket-Protocol"}, "properties": m{"Sec-WebSocket-Protocol": m{"type": "string", "const": protocolV2}}}),
			chanMe: mySocketChannel(inChannel[chanMe]),
		},
		"operations": operations,
		"components": m{"messages": messages, "schemas": registry.Map(), "securitySchemes": m{
			"cookie": m{"type": "httpApiKey", "in": "cookie", "name": cookieAccess, "description": "What signing in sets; browsers send it by themselves."},
			"bearer": m{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
		}},
	})
}

// mySocketChannel describes the socket of a person.
func mySocketChannel(messages map[string]any) map[string]any {
	c := channel("One socket for all rooms of a person, with the sub-protocol coagent.me.v1",
		"A frame tells of all rooms; then each change does. The frames of rooms come after subscribe, and name their room. After a lost connection "+
			"connect again and subscribe with your last seq of each room: nothing is missed, and none comes twice. GET "+pathMyEvents+
			"?rooms=<ids, by commas>&after=<seqs, by commas> is the same as server-sent events; its event end has the close code.", messages, nil)
	c["address"] = pathMySocket
	delete(c, "parameters")
	c["bindings"] = map[string]any{"ws": map[string]any{"method": "GET", "headers": map[string]any{"type": "object", "properties": map[string]any{
		"Sec-WebSocket-Protocol": map[string]any{"type": "string", "const": protocolMe}}}}}
	return c
}

// channel describes the socket in one of its protocols.
func channel(summary, description string, messages, headers map[string]any) map[string]any {
	type m = map[string]any
	binding := m{"method": "GET", "query": m{"type": "object", "properties": m{
		"after": m{"type": "integer", "minimum": 0, "description": "The last seq that the client has"}}}}
	if headers != nil {
		binding["headers"] = headers
	}
	var codes []m
	for _, code := range slices.Sorted(maps.Keys(closeCodes)) {
		codes = append(codes, m{"code": code, "meaning": closeCodes[code]})
	}
	return m{"address": v1 + "/chat/ws/{room_id}", "summary": summary, "description": description, "messages": messages,
		"parameters": m{"room_id": m{"description": "Id of the room, in any spelling of a UUID"}},
		"bindings":   m{"ws": binding}, "x-close-codes": codes}
}
