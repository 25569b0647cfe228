package event

import (
	"strings"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file names people and agents as others see them.

// DeletedName is shown as the name of a person whose account is deleted.
const DeletedName = "deleted user"

// SenderName is the author of a message as the history shows it: the name of a person or a
// bot, or the kind of agent, for example "Teacher AI".
func SenderName(m *store.Message) string {
	switch {
	case m.ByAgent():
		return mention.Label(m.AgentType)
	case m.Sender != nil:
		return m.Sender.Name()
	case m.ByBot(): // its account is deleted
		return m.BotName
	}
	return DeletedName
}

// AuthorName is who has changed something that people and agents work on: the agent's name
// as it was then, or the person's. person is nil when the account is deleted.
func AuthorName(person *store.User, agent string) string {
	switch {
	case agent != "":
		return agent
	case person != nil:
		return ShownName(person.Name())
	}
	return DeletedName
}

// HistorySender is SenderName for the list that the existing client reads.
func HistorySender(m *store.Message) string {
	if m.ByAgent() {
		return SenderName(m)
	}
	return plainSender(SenderName(m))
}

// ShownName is a person's name for those who must not see the e-mail address: the people
// in a room, and models. A person without a name has the e-mail address in place of it.
func ShownName(name string) string {
	if strings.Contains(name, "@") {
		return "Someone"
	}
	return name
}

// SenderKind is "bot" for the message of a bot, and "" for any other.
func SenderKind(m *store.Message) string {
	if m.ByBot() {
		return store.KindBot
	}
	return ""
}

// plainSender is a person's name for the existing client. That client marks everybody
// whose name contains the letters AI as an agent, for example KAI LEE. An invisible
// joiner between the letters avoids the mark.
func plainSender(name string) string { return strings.ReplaceAll(name, "AI", "A\u2060I") }
